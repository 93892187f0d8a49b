"""Values of the protos' enumerations as people type and read them."""

from typing import Any


def word_of(kind: Any, number: int) -> str:
    """A value of a proto's enumeration as people type it: "card-on-file" for TOKEN_USAGE_CARD_ON_FILE; "" for none."""
    return str(kind.Name(number)).removeprefix(_prefix(kind)).lower().replace("_", "-") if number else ""


def number_of(kind: Any, word: str) -> Any:
    """The value that `word_of` gives this word for."""
    return kind.Value(_prefix(kind) + word.upper().replace("-", "_"))


def _prefix(kind: Any) -> str:
    """TOKEN_USAGE_ for TokenUsage: what stands before each of its values."""
    return str(kind.Name(0)).removesuffix("UNSPECIFIED")
