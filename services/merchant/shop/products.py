"""What the shop sells."""

from dataclasses import dataclass

from cardnet.money import Money


@dataclass(frozen=True, slots=True)
class Product:
    """One thing on the shelf, at a price in a currency of its own."""

    id: str
    """Its name in addresses: small letters."""
    name: str
    words: str
    price: Money
    monthly: bool = False
    """Whether it is a subscription: paid by wallet, and then every month without the customer."""

    @property
    def value(self) -> str:
        """The price without its currency, as payment requests want it: "12.40"."""
        return str(self.price).partition(" ")[0]


_SHELF = (
    Product("tea", "Sencha green tea", "A first flush from Uji, 100 g in a tin.", Money.parse("12.40 USD")),
    Product("notebook", "Dotted notebook", "Thread-bound, 160 pages that lie flat.", Money.parse("9.50 USD")),
    Product("lamp", "Desk lamp", "Steel and oak, with a warm light that dims.", Money.parse("59.00 EUR")),
    Product("print", "Woodblock print", "Hills in the rain, printed by hand.", Money.parse("4800 JPY")),
    Product("dates", "Box of dates", "Medjool dates, half a kilogram.", Money.parse("7.250 KWD")),
    Product("club", "Tea club", "Another tin at your door every month.", Money.parse("15.00 USD"), monthly=True),
)

PRODUCTS = {product.id: product for product in _SHELF}
"""Every product by its id, in the order of the shelf."""
