"""Documents that are drawn from code are as the code would draw them now."""

import re
from pathlib import Path

import pytest

from cardnet.diagram import draw
from cardnet.test_cards import TEST_CARDS

ROOT = Path(__file__).parents[2]


def test_the_picture_of_the_steps_is_drawn_from_the_table() -> None:
    drawn_again = "python -c 'from cardnet.diagram import draw; print(draw(), end=\"\")' > docs/steps.svg"
    assert (ROOT / "docs" / "steps.svg").read_text() == draw(), f"draw it again: {drawn_again}"


def test_the_readme_lists_every_test_card_with_its_answer() -> None:
    readme = (ROOT / "README.md").read_text()
    for card in TEST_CARDS:
        assert f"| `{card.name}` | {card.pan} | {card.outcome} {card.outcome.meaning} | {card.note} |" in readme


DOCUMENTS = [path for glob in ("*.md", "docs/**/*.md", "bench/*.md", "services/*/*.md") for path in ROOT.glob(glob)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_leads_to_is_there(document: Path) -> None:
    told = re.sub(r"```.*?```|`[^`]*`", "", document.read_text(), flags=re.DOTALL)
    places = [place.partition("#")[0] for place in re.findall(r"\]\(([^)\s]+)\)", told) if "://" not in place]
    assert not [place for place in places if place and not (document.parent / place).exists()]
