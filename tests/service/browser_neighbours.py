"""A token service provider that also takes browser tokens and tells of its tokens, as the protos' comments say."""

from typing import NamedTuple

from google.protobuf.message import Message
from houses import MerchantHouse
from neighbours import APPROVED, DECLINED, PAR, STEP_UP, TOKEN, Tsp, emptied

from cardnet.embedded_store import EmbeddedStore
from cardnet.v1.merchant_pb2 import BrowserCard
from cardnet.v1.token_lifecycle_pb2 import ChangeTokenResponse
from cardnet.v1.token_lifecycle_pb2_grpc import TokenLifecycleServicer, add_TokenLifecycleServicer_to_server
from cardnet.v1.token_pb2 import Token, TokenState, TokenUsage
from cardnet.v1.token_service_pb2 import RequestTokenResponse

PAGE = "http://localhost:8080"
TYPED = BrowserCard(token="T" * 32, service_id="001", origin=PAGE)  # noqa: S106 - a stub's


class Made(NamedTuple):
    """For whom a page's token was made."""

    service_id: str = TYPED.service_id
    origin: str = PAGE


class BrowserTsp(Tsp, TokenLifecycleServicer):
    """Gives its one token for a browser token that is good, once for each order."""

    def __init__(self) -> None:
        super().__init__()
        self.made = {TYPED.token: Made()}
        self.used: dict[str, str] = {}
        """Browser tokens that are used up, and for what."""
        self.expired: set[str] = set()
        self.requestor = "00000000001"
        """Whose its one token is."""
        add_TokenLifecycleServicer_to_server(self, self.border)

    async def RequestToken(self, request, call):
        if not request.HasField("browser_token"):
            return await super().RequestToken(request, call)
        await self._considered(request, call)
        code = self.response_code if self.response_code != "00" else self._judged(request.browser_token)
        if code != "00":
            return RequestTokenResponse(response_code=code, decision=DECLINED)
        self.used[request.browser_token.value] = request.browser_token.used_for
        return RequestTokenResponse(
            response_code="00",
            payment_token=TOKEN,
            token_expiry="2911",
            token_reference_id="reference-1",
            token_assurance_level="11",
            par=PAR,
            pan_last_four="0012",
            pos_entry_modes=self.pos_entry_modes,
            decision=STEP_UP if self.passcode else APPROVED,
        )

    async def GetToken(self, request, call):
        await self._considered(request, call)
        if request.token.payment_token != TOKEN:
            return ChangeTokenResponse(response_code="14")
        token = Token(
            token_reference_id="reference-1",
            token_requestor_id=self.requestor,
            state=TokenState.TOKEN_STATE_ACTIVE,
            token_last_four="0014",
            token_expiry="2911",
            pan_last_four="0012",
            par=PAR,
            token_assurance_level="11",
            usage=TokenUsage.TOKEN_USAGE_CARD_ON_FILE,
        )
        return ChangeTokenResponse(response_code="00", token=token)

    def of(self, kind: type[Message]) -> list[Message]:
        """What was asked of one kind."""
        return [request for request in self.asked if isinstance(request, kind)]

    def _judged(self, token) -> str:
        made = self.made.get(token.value)
        if made is None:
            return "14"
        if made != (token.service_id, token.origin):
            return "57"
        if self.used.get(token.value, token.used_for) != token.used_for:
            return "65"
        return "54" if token.value in self.expired else "00"


async def house_of_browsers(server: EmbeddedStore) -> MerchantHouse:
    """A shop between such neighbours, with an empty store."""
    await emptied(server)
    house = MerchantHouse(server)
    house.tsp = BrowserTsp()
    return house
