"""`cardnet cards`: the test cards."""

from typing import Any

import click

from cardnet.cli.words import as_json, print_json
from cardnet.test_cards import TEST_CARDS, TestCard


@click.command(short_help="The test cards and what comes of paying with each.")
@as_json
def cards(json_: bool) -> None:
    """Print the test cards: name, number, expiry and what comes of saving each and paying with it.

    The numbers are of ranges that no real card has. Save one with your own client, or use `cardnet pay --card NAME`.
    """
    if json_:
        print_json([_document(card) for card in TEST_CARDS])
        return

    from cardnet.cli.terminal import Terminal

    lines = [
        (card.name, card.pan, card.expiry, f"{card.outcome} {card.outcome.meaning}", card.note) for card in TEST_CARDS
    ]
    Terminal().table(("name", "number", "YYMM", "answer", ""), lines)


def _document(card: TestCard) -> dict[str, Any]:
    return {
        "name": card.name,
        "pan": card.pan,
        "expiry": card.expiry,
        "balance_minor": card.balance.minor,
        "currency": card.balance.currency.name,
        "response_code": card.outcome.value,
        "meaning": card.outcome.meaning,
        "saving_response_code": card.saving_outcome.value,
        "verification": card.verification,
        "successor": card.successor or None,
        "note": card.note,
    }
