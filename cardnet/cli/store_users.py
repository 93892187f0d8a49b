"""`cardnet store-users`: who may do what in a Redis that stands by itself, and each service's way to it."""

import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from cardnet.errors import InvalidField

ACL_FILE = "users.acl"
URL_FILE = "redis.url"

_STORE = re.compile(r"([a-z0-9][a-z0-9.-]*)(:[0-9]{1,5})?=([a-z][a-z0-9_,-]*)")


class StoreOf(NamedTuple):
    """One Redis: where it is, and the services that keep their data there."""

    host: str
    port: str
    users: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "StoreOf":
        """From HOST[:PORT]=USER[,USER…]; InvalidField if it is not that."""
        match = _STORE.fullmatch(text)
        if not match:
            raise InvalidField("store", "must be host=user,user, such as ledger=issuer,network")
        return cls(match[1], (match[2] or ":6379")[1:], tuple(match[3].split(",")))


@click.command("store-users", short_help="Users and passwords for Redis servers of your own.")
@click.argument("stores", metavar="HOST=USER,USER...", nargs=-1, required=True)
@click.option("--users", "acls", type=click.Path(path_type=Path), required=True, help="HOST/users.acl goes here.")
@click.option("--urls", type=click.Path(path_type=Path), required=True, help="USER/redis.url goes here.")
def store_users(stores: Sequence[str], acls: Path, urls: Path) -> None:
    """Write for each Redis its aclfile, which holds digests only, and for each service its URL with its password.

    A service sees the keys under its own name and no others. There is no default user and none who may do everything.
    Passwords that are there already are kept, so it may be run again at any time. HOST may have a port: vault:6380=tsp.
    """
    files: dict[Path, str] = {}
    for store in _each_user_once([StoreOf.parse(text) for text in stores]):
        passwords = {user: _kept(urls / user / URL_FILE, user) or secrets.token_urlsafe(24) for user in store.users}
        files[acls / store.host / ACL_FILE] = _acl(passwords)
        for user, password in passwords.items():
            files[urls / user / URL_FILE] = f"redis://{user}:{password}@{store.host}:{store.port}/0\n"
    for file, text in files.items():
        _write(file, text)


def _each_user_once(stores: Sequence[StoreOf]) -> Sequence[StoreOf]:
    users = [user for store in stores for user in store.users]
    if len(set(users)) < len(users):
        raise InvalidField("store", "must have users of its own: each service has one store")
    return stores


def _kept(file: Path, user: str) -> str:
    """The password in a URL that was written before; empty for none."""
    if not file.exists():
        return ""
    from cardnet.store.address import StoreAddress

    try:
        address = StoreAddress.parse(file.read_text("utf-8", errors="replace").strip())
    except ValueError:
        raise InvalidField("urls", f"must have in {file} a store's URL or nothing") from None
    if address.user != user or not address.password:
        raise InvalidField("urls", f"must have in {file} the URL of {user}, with its password")
    return address.password


def _acl(passwords: Mapping[str, str]) -> str:
    from cardnet.embedded_store.acl import acl_text_without_admin

    try:
        return acl_text_without_admin(passwords)
    except ValueError as problem:
        raise InvalidField("store", str(problem).removeprefix("a store user ")) from None


def _write(file: Path, text: str) -> None:
    from cardnet.cli.private_file import whole

    if file.exists() and file.read_text("utf-8") == text:
        return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with whole(file) as written:
        written.write(text.encode())
