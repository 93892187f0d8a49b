"""The Token Requestors registered here. 000 at the front of each identifier is EMVCo's code for testing."""

from services.tsp.domain import Domain, EntryMode, Requestor

_SHOP = Domain(
    merchant_ids=frozenset({"MERCHANT0000001"}),
    merchant_domain="shop.example",
    entry_modes=frozenset({EntryMode.CREDENTIAL_ON_FILE, EntryMode.ECOMMERCE}),
    cryptogram_required=False,
)
_SHOP_WITH_CRYPTOGRAM = Domain(
    merchant_ids=frozenset({"MERCHANT0000001"}),
    merchant_domain="shop.example",
    entry_modes=frozenset({EntryMode.ECOMMERCE}),
    cryptogram_required=True,
)
_OTHER_SHOP = Domain(
    merchant_ids=frozenset({"MERCHANT0000002"}),
    merchant_domain="other-shop.example",
    entry_modes=frozenset({EntryMode.CREDENTIAL_ON_FILE, EntryMode.ECOMMERCE}),
    cryptogram_required=False,
)

REQUESTORS = (
    Requestor("00000000001", "merchant", _SHOP),
    Requestor("00000000002", "merchant", _SHOP_WITH_CRYPTOGRAM),
    Requestor("00000000003", "other-merchant", _OTHER_SHOP),
)
"""A party has one identifier for each use that it makes of tokens, so that each has its own domain."""
