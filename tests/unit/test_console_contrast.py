"""What is written on the console's pages can be read: WCAG 2.2, contrast of at least 4.5 in both schemes."""

import re

import pytest

from cardnet.console.pages import STATIC

PAIRS = [
    *((ink, ground) for ink in ("text", "quiet", "accent", "good", "bad", "warn") for ground in ("page", "panel")),
    *((ink, "inside") for ink in ("text", "quiet", "bad", "good", "warn")),
    ("on-accent", "accent"),
]
SHEET = (STATIC / "style.css").read_text()
LIGHT, DARK = (
    dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", part)) for part in SHEET.split("@media (prefers-color-scheme: dark)")
)


def luminance(hexadecimal: str) -> float:
    digits = hexadecimal.removeprefix("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    shares = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_black_on_white_is_twenty_one() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), PAIRS)
def test_what_is_written_can_be_read(scheme: dict[str, str], ink: str, ground: str) -> None:
    assert contrast(scheme[ink], scheme[ground]) >= 4.5


def test_no_sheet_has_a_colour_of_its_own() -> None:
    own = {sheet.name: re.findall(r"#[0-9a-f]{3,8}\b(?![^{]*\{)", sheet.read_text()) for sheet in STATIC.glob("*.css")}
    assert not own["list.css"] and not own["trace.css"]
