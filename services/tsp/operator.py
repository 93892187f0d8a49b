"""The token service provider's calls for its operator: what tokens and requestors there are, and who becomes one."""

from collections.abc import Callable

from cardnet.call import Call
from cardnet.cde.v1 import token_operator_pb2 as pb
from cardnet.cde.v1.token_operator_pb2_grpc import TokenOperatorServicer as TokenOperatorServicerBase
from cardnet.errors import InvalidField
from cardnet.response_code import ResponseCode
from cardnet.store import Store
from services.tsp.domain import Domain, EntryMode, Location, Requestor, Usage
from services.tsp.key_desk import KeyDesk
from services.tsp.key_office import KeyOffice
from services.tsp.requestors import Requestors
from services.tsp.shown import token_message
from services.tsp.vault import RedisVault

PAGE = 100
"""About so many keys of the store are looked at in a step, and about so many tokens are on a page."""
_STEPS = 50
"""So many steps a page may take at the most: a store may hold much that is no token."""
_END = b"0"
"""Where a search of the store begins and ends."""
_CURSOR_DIGITS = 20
MOST_MERCHANTS = 50
"""So many merchants may share a requestor's tokens: their names stand in every record."""


class TokenOperatorServicer(KeyDesk, TokenOperatorServicerBase):
    """Shows the operator the vault from outside: nothing here tells a token's number or a card's."""

    def __init__(
        self,
        vault: RedisVault,
        requestors: Requestors,
        store: Store,
        office: KeyOffice,
        webhook_set: Callable[[str], None],
    ) -> None:
        """webhook_set: told of each requestor whose notifications are to be posted somewhere else."""
        self._vault = vault
        self._requestors = requestors
        self._store = store
        self._office = office
        self._webhook_set = webhook_set

    async def ListTokens(self, request: pb.ListTokensRequest, call: Call) -> pb.ListTokensResponse:
        """A page of tokens. One that is issued or changed meanwhile may be missed; one may come twice."""
        cursor = _cursor_of(request.page)
        page = pb.ListTokensResponse()
        for _ in range(_STEPS):
            cursor, names = await self._store.scan(cursor, "tsp:{*}:record", PAGE)
            for name in names:
                entry = await self._vault.named(name.decode().removeprefix("tsp:{").removesuffix("}:record"))
                if entry and request.token_requestor_id in ("", entry.record.token_requestor_id):
                    page.tokens.append(token_message(entry))
            if cursor == _END or len(page.tokens) >= PAGE:
                break
        page.next_page = "" if cursor == _END else cursor.decode()
        return page

    async def ListRequestors(self, request: pb.ListRequestorsRequest, call: Call) -> pb.ListRequestorsResponse:
        """Every requestor, with the address of its notifications."""
        return pb.ListRequestorsResponse(
            requestors=[await self._requestor_message(requestor) for requestor in await self._requestors.all()]
        )

    async def RegisterRequestor(self, request: pb.RegisterRequestorRequest, call: Call) -> pb.RegisterRequestorResponse:
        """Register a requestor under the next free identifier."""
        requestor = await self._requestors.register(_requestor_of(request.requestor))
        return pb.RegisterRequestorResponse(requestor=await self._requestor_message(requestor))

    async def SetWebhook(self, request: pb.SetWebhookRequest, call: Call) -> pb.SetWebhookResponse:
        """Say where a requestor's notifications are posted."""
        if bool(request.url) != bool(request.secret):
            absent = "secret" if request.url else "url"
            raise InvalidField(absent, "must be given: url and secret go together")
        known = await self._requestors.set_webhook(request.token_requestor_id, request.url, request.secret)
        self._webhook_set(request.token_requestor_id)
        return pb.SetWebhookResponse(response_code=ResponseCode.APPROVED if known else ResponseCode.INVALID_CARD)

    async def _requestor_message(self, requestor: Requestor) -> pb.Requestor:
        domain, webhook = requestor.domain, await self._requestors.webhook_of(requestor.token_requestor_id)
        return pb.Requestor(
            token_requestor_id=requestor.token_requestor_id,
            identity=requestor.identity,
            merchant_ids=sorted(domain.merchant_ids),
            merchant_domain=domain.merchant_domain,
            pos_entry_modes=[f"POS_ENTRY_MODE_{mode.name}" for mode in sorted(domain.entry_modes)],
            usage=f"TOKEN_USAGE_{domain.usage.name}",
            cryptogram_required=domain.cryptogram_required,
            location=f"TOKEN_LOCATION_{requestor.location.name}",
            webhook_url=webhook.url if webhook else "",
        )


def _cursor_of(page: str) -> bytes:
    if not page:
        return _END
    if not (page.isascii() and page.isdecimal() and len(page) <= _CURSOR_DIGITS):
        raise InvalidField("page", "must be empty, or the next_page of the page before")
    return page.encode()


def _requestor_of(message: pb.Requestor) -> Requestor:
    """A requestor that is to be registered. InvalidField names what is too much in it, or too little."""
    if message.token_requestor_id:
        raise InvalidField("requestor.token_requestor_id", "must not be given: it is drawn")
    if message.webhook_url:
        raise InvalidField("requestor.webhook_url", "must not be given: SetWebhook takes it, with its secret")
    if not 1 <= len(message.merchant_ids) <= MOST_MERCHANTS:
        raise InvalidField("requestor.merchant_ids", f"must be 1 to {MOST_MERCHANTS} merchants")
    if not message.pos_entry_modes:
        raise InvalidField("requestor.pos_entry_modes", "must be given")
    domain = Domain(
        merchant_ids=frozenset(message.merchant_ids),
        merchant_domain=message.merchant_domain,
        entry_modes=frozenset(map(EntryMode, message.pos_entry_modes)),
        cryptogram_required=message.cryptogram_required,
        usage=Usage(message.usage),
    )
    return Requestor("", message.identity, domain, Location(message.location))
