"""The kit for tests of payment flows: a whole network of your own, in one line.

async with LocalNetwork() as network:
    card = await network.save_card("approved")
    payment = await network.checkout(card, "12.40 USD")
    assert payment.response_code is ResponseCode.APPROVED
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cardnet.response_code import ResponseCode
from cardnet.steps import STEPS
from cardnet.test_cards import TEST_CARDS, TestCard

if TYPE_CHECKING:
    from cardnet.testing.acting import Network
    from cardnet.testing.network import LocalNetwork
    from cardnet.testing.payment import Payment
    from cardnet.testing.remote import RemoteNetwork

__all__ = ["STEPS", "TEST_CARDS", "LocalNetwork", "Network", "Payment", "RemoteNetwork", "ResponseCode", "TestCard"]

_WHERE = {
    "LocalNetwork": "cardnet.testing.network",
    "Network": "cardnet.testing.acting",
    "Payment": "cardnet.testing.payment",
    "RemoteNetwork": "cardnet.testing.remote",
}


def __getattr__(name: str) -> Any:
    # Only when asked for: pytest imports this package at every start, for the plugin, and gRPC takes its time.
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
