"""All that is the merchant's: what its server was sent, kept and said, and what its pages keep in the browser."""

from canary import found, shapes, store_contents
from person import Person

from cardnet.test_cards import TestCard


async def traces_of(person: Person, card: TestCard) -> set[str]:
    """Where in the merchant's environment a card's number is to be found, in any shape. Empty, if all is well."""
    needles = shapes(card.pan)
    places = await _places(person)
    return {f"{place}: {name}" for place, content in places.items() for name in found(content, needles)}


async def held(person: Person, text: str) -> set[str]:
    """Where in it a text is to be found."""
    return {place for place, content in (await _places(person)).items() if text.encode() in content}


async def _places(person: Person) -> dict[str, bytes]:
    network = person.network
    assert network.store
    return {
        "what the browser sent to the shop": person.said_to(person.shop),
        "what the shop's page keeps": await person.stored(),
        "the shop's log": network.processes["merchant"].log.read_bytes(),
        "the store": await store_contents(network.store.admin_url),
    }
