"""What comes from browsers and is none of what it should be: origins and browser tokens."""

NO_ORIGINS = (
    "http://shop.example",  # plain text, and not this machine
    "https://shop.example/",
    "https://shop.example:443",  # browsers leave the scheme's own port out
    "http://localhost:80",
    "https://shop.example:65536",
    "https://Shop.example",
    "https://user@shop.example",
    "https://shop.example\n",
    "https://schöp.example",
    "https://shop..example",
    "shop.example",
    "null",
    "*",
    f"https://{'x' * 93}",
)
NO_BROWSER_TOKENS = ("A" * 31, "A" * 33, *("A" * 31 + last for last in ("-", "_", " ", "\n", "\0", "٣", "Ä", "１")))
