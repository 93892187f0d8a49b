"""What the console asks of the token service provider, as the operator, and in whose name it changes tokens."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

from cardnet.cde.v1.pan_lifecycle_pb2 import ReplacePanRequest
from cardnet.cde.v1.pan_lifecycle_pb2_grpc import PanLifecycleStub
from cardnet.cde.v1.token_operator_pb2 import ListRequestorsRequest, ListTokensRequest, Requestor
from cardnet.cde.v1.token_operator_pb2_grpc import TokenOperatorStub
from cardnet.client import Channel
from cardnet.enumeration import number_of
from cardnet.errors import InvalidField, NotFound
from cardnet.identity import ISSUER, OPERATOR, TSP
from cardnet.response_code import ResponseCode
from cardnet.test_cards import TestCard
from cardnet.v1.token_lifecycle_pb2 import (
    ChangeTokenRequest,
    ChangeTokenResponse,
    FollowTokensRequest,
    GetTokenRequest,
    TokenName,
    TokenNotification,
)
from cardnet.v1.token_lifecycle_pb2_grpc import TokenLifecycleStub, TokenNotificationsStub
from cardnet.v1.token_pb2 import Cause, Token

SHOWN = 500
"""Tokens of one list, at the most."""

KEPT = 5_000
"""Notifications of one requestor that are kept here, the latest."""

QUIET_S = 0.25
"""How long nothing more comes until all notifications that there are have come: the stream of them has no end."""

READ_WITHIN_S = 3.0
"""How long they are read at the most; the next look goes on from there."""

CHANGES = {"suspend": "SuspendToken", "resume": "ResumeToken", "activate": "ActivateToken", "delete": "UnlinkToken"}
"""What may be done to a token, and the RPC that does it."""

MAY = {
    "inactive": ("activate", "delete"),
    "active": ("suspend", "delete"),
    "suspended": ("resume", "suspend", "delete"),
    "deleted": (),
}
"""What may be done to a token in each of its states. A second party may suspend it too."""


@dataclass
class _Told:
    position: int = 0
    notifications: deque[TokenNotification] = field(default_factory=lambda: deque(maxlen=KEPT))
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class TokenDesk:
    """Lists, shows and changes tokens. Every coroutine raises what the calls raise: see docs/errors.md."""

    def __init__(self, channel: Callable[[str, str], Channel]) -> None:
        """channel: one to a service, asking as somebody."""
        self._channel = channel
        self._told: defaultdict[str, _Told] = defaultdict(_Told)

    async def tokens(self) -> tuple[list[Token], bool]:
        """Tokens by requestor and reference, and whether these are all. The vault has them in no order."""
        operator, page = TokenOperatorStub(self._channel(TSP, OPERATOR)), ""
        found: dict[str, Token] = {}
        while len(found) < SHOWN:
            listed = await operator.ListTokens(ListTokensRequest(page=page))
            found |= {token.token_reference_id: token for token in listed.tokens}
            page = listed.next_page
            if not page:
                break
        in_order = sorted(found.values(), key=lambda token: (token.token_requestor_id, token.token_reference_id))
        return in_order[:SHOWN], not page and len(found) <= SHOWN

    async def requestors(self) -> dict[str, Requestor]:
        """All Token Requestors by their identifiers."""
        operator = TokenOperatorStub(self._channel(TSP, OPERATOR))
        listed = await operator.ListRequestors(ListRequestorsRequest())
        return {requestor.token_requestor_id: requestor for requestor in listed.requestors}

    async def token(self, reference: str) -> Token:
        """One token. NotFound."""
        lifecycle = TokenLifecycleStub(self._channel(TSP, OPERATOR))
        try:
            answer = await lifecycle.GetToken(GetTokenRequest(token=TokenName(token_reference_id=reference)))
        except InvalidField:  # what cannot be a reference is none
            raise _unknown() from None
        if answer.response_code != ResponseCode.APPROVED:
            raise _unknown()
        token: Token = answer.token
        return token

    async def change(self, token: Token, action: str, party: str, cause: str) -> ResponseCode:
        """Do something to a token in somebody's name; tells whether it was done, or the refusal."""
        caller = {"operator": OPERATOR, "issuer": ISSUER}.get(party)
        if caller is None:
            caller = (await self.requestors())[token.token_requestor_id].identity
        lifecycle = TokenLifecycleStub(self._channel(TSP, caller))
        name = TokenName(token_reference_id=token.token_reference_id)
        request = ChangeTokenRequest(token=name, cause=number_of(Cause, cause))
        answer: ChangeTokenResponse = await getattr(lifecycle, CHANGES[action])(request)
        return ResponseCode(answer.response_code)

    async def replace(self, card: TestCard, new_pan: str, new_expiry: str, party: str) -> ResponseCode:
        """Give a card a new number in its issuer's name or the operator's: its tokens and its PAR stay."""
        caller = {"operator": OPERATOR, "issuer": ISSUER}[party]
        request = ReplacePanRequest(pan=card.pan, new_pan=new_pan, new_pan_expiry=new_expiry)
        answer = await PanLifecycleStub(self._channel(TSP, caller)).ReplacePan(request)
        return ResponseCode(answer.response_code)

    async def notifications(self, token: Token) -> list[TokenNotification]:
        """What the token's requestor was told of it, the latest first."""
        identity = (await self.requestors())[token.token_requestor_id].identity
        told = self._told[token.token_requestor_id]
        async with told.turn:
            await self._read_on(told, token.token_requestor_id, identity)
        mine = (one for one in told.notifications if one.token.token_reference_id == token.token_reference_id)
        return sorted(mine, key=lambda one: -one.position)

    async def _read_on(self, told: _Told, token_requestor_id: str, identity: str) -> None:
        request = FollowTokensRequest(token_requestor_id=token_requestor_id, after_position=told.position)
        following = TokenNotificationsStub(self._channel(TSP, identity)).FollowTokens(request)
        with suppress(TimeoutError):
            async with asyncio.timeout(READ_WITHIN_S), aclosing(following):
                while True:
                    async with asyncio.timeout(QUIET_S if told.position else 2 * QUIET_S):
                        notification = await anext(following)
                    told.notifications.append(notification)
                    told.position = notification.position


def _unknown() -> NotFound:
    return NotFound("TOKEN_UNKNOWN", "no token has this reference: see the list of tokens")
