"""The parties that act on tokens: requestor, issuer, operator, and strangers who have no business with them."""

import asyncio
from contextlib import aclosing

from patience import AMPLE_S
from shop import ON_FILE, Shop

from cardnet.cde.v1.pan_lifecycle_pb2 import (
    ChangePanResponse,
    ReplacePanRequest,
    ReportPanLostRequest,
    UpdatePanExpiryRequest,
)
from cardnet.cde.v1.pan_lifecycle_pb2_grpc import PanLifecycleStub
from cardnet.env import Env
from cardnet.identity import ISSUER, MERCHANT, OPERATOR
from cardnet.stage import Stage
from cardnet.testing import LocalNetwork, TestCard
from cardnet.v1.payment_pb2 import TokenData
from cardnet.v1.token_lifecycle_pb2 import (
    ChangeTokenRequest,
    ChangeTokenResponse,
    FollowTokensRequest,
    GetTokenRequest,
    TokenName,
    TokenNotification,
    UpdateTokenAttributesRequest,
)
from cardnet.v1.token_lifecycle_pb2_grpc import TokenLifecycleStub, TokenNotificationsStub
from cardnet.v1.token_pb2 import Cause, Token

PARTIES = {MERCHANT: "REQUESTOR", ISSUER: "ISSUER", OPERATOR: "TSP"}
"""Who may act on a token of the shop, and as which party."""
STRANGERS = ("other-merchant", "other-issuer")
"""Who may make the same calls, and may not act on this token."""

TOLD_WITHIN_S = AMPLE_S


class Parties:
    """All who act on one network's tokens."""

    def __init__(self, network: LocalNetwork) -> None:
        self.network = network
        self.shop = Shop(network)
        self.stage = Stage(network.channel, Env.of("test"))

    async def ask(self, as_: str, event: str, token: TokenData, cause: str = "OTHER") -> ChangeTokenResponse:
        """Ask for an event as somebody: "Suspend", "Resume", "Activate" or "Unlink"."""
        call = getattr(self.network.stub(TokenLifecycleStub, "tsp", as_), f"{event}Token")
        answer: ChangeTokenResponse = await call(
            ChangeTokenRequest(token=_named(token), cause=Cause.Value(f"CAUSE_{cause}"))
        )
        return answer

    async def update(self, as_: str, token: TokenData, **attributes: str) -> ChangeTokenResponse:
        """Ask for other attributes as somebody."""
        stub = self.network.stub(TokenLifecycleStub, "tsp", as_)
        answer: ChangeTokenResponse = await stub.UpdateTokenAttributes(
            UpdateTokenAttributesRequest(token=_named(token), **attributes)
        )
        return answer

    async def shown(self, token: TokenData) -> Token:
        """The token as it stands now."""
        stub = self.network.stub(TokenLifecycleStub, "tsp", OPERATOR)
        return (await stub.GetToken(GetTokenRequest(token=_named(token)))).token

    async def told(self, token: Token, changes: int) -> list[TokenNotification]:
        """What the requestor of a token is told of it, until it has heard of so many changes."""
        heard: list[TokenNotification] = []
        stub = self.network.stub(TokenNotificationsStub, "tsp", MERCHANT)
        notifications = stub.FollowTokens(FollowTokensRequest(token_requestor_id=token.token_requestor_id or ON_FILE))
        async with asyncio.timeout(TOLD_WITHIN_S), aclosing(notifications):
            async for notification in notifications:
                if notification.token.token_reference_id == token.token_reference_id:
                    heard.append(notification)
                if len(heard) == changes:
                    break
        return heard

    async def replace(self, as_: str, card: TestCard, successor: TestCard) -> ChangePanResponse:
        """Say that a card has a successor."""
        request = ReplacePanRequest(pan=card.pan, new_pan=successor.pan, new_pan_expiry=successor.expiry)
        answer: ChangePanResponse = await self._cards(as_).ReplacePan(request)
        return answer

    async def renew(self, as_: str, card: TestCard, expiry: str) -> ChangePanResponse:
        """Say that a card has another expiry."""
        answer: ChangePanResponse = await self._cards(as_).UpdatePanExpiry(
            UpdatePanExpiryRequest(pan=card.pan, pan_expiry=expiry)
        )
        return answer

    async def lose(self, as_: str, card: TestCard) -> ChangePanResponse:
        """Say that a card was lost."""
        answer: ChangePanResponse = await self._cards(as_).ReportPanLost(ReportPanLostRequest(pan=card.pan))
        return answer

    def _cards(self, as_: str) -> PanLifecycleStub:
        return self.network.stub(PanLifecycleStub, "tsp", as_)


def _named(token: TokenData) -> TokenName:
    return TokenName(payment_token=token.payment_token)
