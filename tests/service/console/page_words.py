"""What a page of the console says, without a browser."""

import re
from html import unescape


def words(page: str) -> str:
    """What a page says, without its marks."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


def line_of(page: str, trace: str) -> str:
    return words(re.search(rf'<tr role="row" data-id="{trace}">.*?</tr>', page, re.DOTALL)[0])  # type: ignore[index]


def step(page: str, number: int) -> str:
    return page.split(f'id="step-{number}"')[1].split("</section>")[0]
