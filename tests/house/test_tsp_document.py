"""docs/tsp.md lists the negative paths as the code has them."""

from pathlib import Path

from cardnet.triggers import TRIGGERS
from services.tsp.domain import RESPONSE_CODES, Refusal
from services.tsp.policy import BY_AMOUNT

TEXT = (Path(__file__).parents[2] / "docs" / "tsp.md").read_text()


def test_every_trigger_is_listed_with_its_answer() -> None:
    for one in TRIGGERS:
        clock = " (moves the clock)" if one.moves_clock else ""
        assert f"| `{one.name}` | {one.about}{clock} | {one.outcome} {one.outcome.meaning} |" in TEXT


def test_every_amount_that_decides_is_listed_with_its_answer() -> None:
    for ending, outcome in BY_AMOUNT.items():
        refusal = isinstance(outcome, Refusal)
        what = outcome.name.lower().replace("_", " ") if refusal else "the TSP does not answer"
        code = RESPONSE_CODES[outcome] if isinstance(outcome, Refusal) else "96"
        assert f"| {ending // 100}.{ending % 100:02} | {what} | {code} |" in TEXT
