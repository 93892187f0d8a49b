"""The parties who act on tokens and cards in tests, and ways to look at what became of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tsp_provider import Provider, keys_of

from cardnet.call import current
from cardnet.card import luhn_digit
from cardnet.cde.v1 import pan_lifecycle_pb2 as cards
from cardnet.cde.v1.pan_lifecycle_pb2_grpc import PanLifecycleStub
from cardnet.client import Channel
from cardnet.env import Env
from cardnet.errors import Unavailable
from cardnet.store import Store
from cardnet.v1 import token_lifecycle_pb2 as life
from cardnet.v1 import token_pb2
from cardnet.v1.token_lifecycle_pb2_grpc import TokenLifecycleStub
from cardnet.v1.token_service_pb2 import RequestTokenRequest
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub
from cardnet.wire import InProcessLink

S = TypeVar("S")

OTHERS = "00000000003"
"""The requestor of the other merchant."""
ONE_TIME, RECURRING = "00000000004", "00000000005"
UNKNOWN_TOKEN, UNKNOWN_REFERENCE = "9999400000000014", "0123456789abcdef" * 2


def pan(number: int, range_: str = "99990000") -> str:
    """A card number of a test range."""
    digits = f"{range_}{number:07}"
    return digits + luhn_digit(digits)


NEW_PAN, NEWER_PAN = pan(9_000_001), pan(9_000_002)


def stub(tsp: Provider, kind: type[S], caller: str) -> S:
    """A stub by which somebody asks the token service provider."""
    link = InProcessLink("tsp", tsp.service.border_for(caller), caller)
    return kind(Channel(link, Env.of("test"), timeout_s=25))  # type: ignore[call-arg]


async def request_token(tsp: Provider, number: str, trid: str = "00000000001") -> Any:
    """Put a card on file; the issuer says yes to whatever card."""
    tsp.bank.answers[number, "3011"] = "00"
    caller = "other-merchant" if trid == OTHERS else "merchant"
    request = RequestTokenRequest(token_requestor_id=trid, encrypted_card=await tsp.encrypted(number))
    return await stub(tsp, TokenServiceStub, caller).RequestToken(request)


async def act(tsp: Provider, caller: str, what: str, reference: str, cause: str = "CAUSE_OTHER") -> Any:
    """One of the calls on a token's life. what: "Suspend", "Resume", "Activate" or "Unlink"."""
    name = life.TokenName(token_reference_id=reference)
    call = getattr(stub(tsp, TokenLifecycleStub, caller), f"{what}Token")
    return await call(life.ChangeTokenRequest(token=name, cause=cause))


async def shown(tsp: Provider, reference: str) -> Any:
    """A token as the operator sees it."""
    name = life.TokenName(token_reference_id=reference)
    return (await stub(tsp, TokenLifecycleStub, "operator").GetToken(life.GetTokenRequest(token=name))).token


def state(token: Any) -> tuple[str, set[str]]:
    """The state of a token, and who suspends it."""
    names = {token_pb2.Party.Name(party).removeprefix("PARTY_") for party in token.suspended_by}
    return token_pb2.TokenState.Name(token.state).removeprefix("TOKEN_STATE_"), names


async def notices(admin: Store, reference: str) -> list[Any]:
    """What the requestor is to be told of a token, in order."""
    # The relay appends a change to the list before it forgets it: looking here first and there then misses none.
    written = list((await admin.command("HGETALL", f"tsp:{{{reference}}}:outbox")).values())
    for name in await keys_of(admin, "tsp:{notify:*}:list"):
        written += await admin.command("LRANGE", name, 0, -1)
    told = [life.TokenNotification.FromString(notice) for notice in written]
    ours = {notice.token.version: notice for notice in told if notice.token.token_reference_id == reference}
    return [ours[version] for version in sorted(ours)]


async def replace_pan(tsp: Provider, old: str, new: str, expiry: str = "3212", caller: str = "issuer") -> Any:
    request = cards.ReplacePanRequest(pan=old, new_pan=new, new_pan_expiry=expiry)
    return await stub(tsp, PanLifecycleStub, caller).ReplacePan(request)


async def update_expiry(tsp: Provider, number: str, expiry: str, caller: str = "issuer") -> Any:
    request = cards.UpdatePanExpiryRequest(pan=number, pan_expiry=expiry)
    return await stub(tsp, PanLifecycleStub, caller).UpdatePanExpiry(request)


async def report_lost(tsp: Provider, number: str, caller: str = "issuer") -> Any:
    return await stub(tsp, PanLifecycleStub, caller).ReportPanLost(cards.ReportPanLostRequest(pan=number))


async def enquire_par(tsp: Provider, number: str, caller: str = "issuer") -> Any:
    return await stub(tsp, PanLifecycleStub, caller).EnquirePar(cards.EnquireParRequest(pan=number))


@contextmanager
def watched(store: Store) -> Iterator[list[tuple[Any, ...]]]:
    """Everything that a service asks its store meanwhile to answer calls."""
    asked: list[tuple[Any, ...]] = []
    server = store._servers
    ask = server.ask

    async def noted(command: Any) -> Any:
        if current.get():
            asked.append(tuple(command))
        return await ask(command)

    server.ask = noted  # type: ignore[method-assign,assignment]
    try:
        yield asked
    finally:
        server.ask = ask  # type: ignore[method-assign]


@contextmanager
def dying(store: Store, survives: int, acts: bool) -> Iterator[None]:
    """A call dies at a question to the store, before the store acts or after it did; later ones find it dead."""
    server = store._servers
    ask, left = server.ask, survives

    async def ask_or_die(command: Any) -> Any:
        nonlocal left
        if not current.get():
            return await ask(command)
        left -= 1
        if left == -1 and acts:
            await ask(command)
        if left < 0:
            raise Unavailable("DEAD", "dead")
        return await ask(command)

    server.ask = ask_or_die  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        server.ask = ask  # type: ignore[method-assign]
