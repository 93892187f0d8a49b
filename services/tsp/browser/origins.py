"""The web origins that are registered to requestors, by the requestors' identities."""

from collections.abc import Iterator

from cardnet.config import SettingMissing
from cardnet.identity import MERCHANT, is_name, role_of
from cardnet.origin import is_origin

_RULE = (
    "CARDNET_TSP_ORIGINS must be pairs identity=origin, separated by commas, such as "
    "merchant=http://localhost:8750,other-merchant=https://shop.example: "
)


class Origins:
    """Whose pages are whose. An origin belongs to one identity; an identity may have several."""

    def __init__(self, setting: str = "") -> None:
        """setting: identity=origin,identity=origin… or empty for none. SettingMissing says what is wrong with it."""
        self._identities: dict[str, str] = {}
        for pair in filter(None, (pair.strip() for pair in setting.split(","))):
            self._register(*pair.partition("=")[::2])

    def __iter__(self) -> Iterator[str]:
        return iter(self._identities)

    def identity_of(self, origin: str) -> str:
        """To whom an origin is registered; empty where it is to nobody."""
        return self._identities.get(origin, "")

    def _register(self, identity: str, origin: str) -> None:
        if not is_name(identity) or role_of(identity) != MERCHANT:
            raise SettingMissing(f"{_RULE}an identity is merchant, or a name that ends in -merchant")
        if not is_origin(origin):
            raise SettingMissing(f"{_RULE}an origin is https://host or https://host:port, or http at this machine")
        if self._identities.setdefault(origin, identity) != identity:
            raise SettingMissing(f"{_RULE}an origin belongs to one identity alone")
