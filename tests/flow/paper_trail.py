"""Payments of every kind, with every mistake and fault, and all that is left lying about afterwards."""

import asyncio
from itertools import pairwise
from pathlib import Path

import grpc
import grpc.aio
import httpx
import pytest
from canary import store_contents
from up import cardnet
from waiting import until

from cardnet.card import luhn_digit
from cardnet.cde.v1.issuer_pb2 import AuthoriseRequest, GetAccountRequest, OpenAccountRequest, ReadPasscodeRequest
from cardnet.cde.v1.issuer_pb2_grpc import IssuerOperatorStub, IssuerStub
from cardnet.cde.v1.token_vault_pb2 import DetokeniseWithoutVerificationRequest
from cardnet.cde.v1.token_vault_pb2_grpc import TokenDisclosureStub
from cardnet.errors import Fault
from cardnet.identity import DISCLOSER, NETWORK, OPERATOR
from cardnet.money import Money
from cardnet.testing import LocalNetwork
from cardnet.traces.drawing import document
from cardnet.traces.mermaid import mermaid
from cardnet.traces.otlp_json import otlp_json
from cardnet.traces.picture import plain
from cardnet.v1.merchant_pb2 import CheckoutRequest, SaveCardRequest
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from cardnet.v1.payment_pb2 import MerchantData, TokenData
from cardnet.v1.token_service_pb2 import RequestCryptogramRequest, RequestTokenRequest
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub

SAVE_CARD, CHECKOUT = "/cardnet.v1.Merchant/SaveCard", "/cardnet.v1.Merchant/Checkout"
SHOP = MerchantData(
    merchant_id="MERCHANT0000001",
    merchant_domain="shop.example",
    merchant_name="Example Shop",
    merchant_category_code="5732",
    merchant_country="840",
)
PRICE = Money.parse("12.50 USD")


def _card_number(digits: str) -> str:
    return digits + luhn_digit(digits)


CANARY = _card_number("999900427135791")
"""Saved and paid with."""
ASKED = _card_number("999900460594837")
"""One whose holder is asked for a passcode."""
IMPORTED = _card_number("999900482615043")
"""One of a shop's stored cards."""
STRAY = _card_number("999900438246807")
"""Given where no card number belongs, by callers who make mistakes."""
PLANTED = "8642097531864209"
"""Put where it may be, so that the search is seen to find it."""


class PaperTrail:
    """A network of processes, what was done with it, and what came back."""

    def __init__(self, network: LocalNetwork) -> None:
        self.network = network
        self.faults: list[str] = []
        self._pages: list[str] = []
        self._spans: list[bytes] = []
        self._said: list[str] = []
        self.token = self.reference = self.cryptogram = ""
        self.passcodes: list[str] = []
        collect = network.collector.export

        async def keep(spans, **sender):
            self._spans.append(spans)
            await collect(spans, **sender)

        network.collector.export = keep

    async def pay_in_every_way(self) -> None:
        """Approved, refused, with token data of the caller's own, and with a cryptogram used before."""
        await self._open_account(CANARY)
        cardholder = self.network.cardholder()
        on_file = await cardholder.save_card(CANARY, "3011")
        assert (await cardholder.pay(on_file.id, PRICE, PLANTED)).approved
        assert (await cardholder.pay(on_file.id, Money.parse("99.00 USD"), "too-much")).response_code == "51"

        token_data = await self._token_data(await cardholder.encrypted(CANARY, "3011"))
        merchant = self.network.stub(MerchantStub, "merchant")
        for key, code in (("by-token", "00"), ("replayed", "82")):
            order = CheckoutRequest(idempotency_key=key, amount_minor=1250, currency="840", token_data=token_data)
            assert (await merchant.Checkout(order)).response_code == code
        self._on_file = on_file

    async def ask_a_cardholder(self) -> None:
        """Have a passcode sent, typed wrong and typed right."""
        await self._open_account(ASKED, verification="VERIFICATION_PASSCODE")
        cardholder = self.network.cardholder()
        card = await cardholder.save_card(ASKED, "3011")
        request = ReadPasscodeRequest(token_reference_id=card.token_reference_id)
        right = (await self.network.stub(IssuerOperatorStub, "issuer", OPERATOR).ReadPasscode(request)).passcode
        wrong = f"{(int(right) + 1) % 1_000_000:06}"
        self.passcodes = [wrong, right]
        for passcode, code in ((wrong, "55"), (right, "00")):
            assert (await cardholder.confirm(card, passcode)).response_code == code

    async def disclose(self) -> None:
        """Tell the card without a payment, to the one who may learn it and not to the network."""
        request = DetokeniseWithoutVerificationRequest(payment_token=self.token, token_expiry=self._expiry)
        told = await self.network.stub(TokenDisclosureStub, "tsp", DISCLOSER).DetokeniseWithoutVerification(request)
        assert told.pan == CANARY
        network = self.network.stub(TokenDisclosureStub, "tsp", NETWORK)
        await self._refused(network.DetokeniseWithoutVerification(request))

    async def give_commands(self, folder: Path) -> None:
        """Do at the command line what an operator does. Files of theirs go to a folder."""
        await self._open_account(IMPORTED)
        stored = folder / "cards.csv"
        stored.write_text(f"customer_id,pan,pan_expiry\ncustomer-9,{IMPORTED},3011\ncustomer-8,{STRAY},3011\n")
        for command in (
            "tokens list",
            f"tokens show {self.reference}",
            f"tokens suspend {self.reference} --cause fraud",
            f"tokens resume {self.reference}",
            f"tokens cryptogram {self.reference} --amount 1.00",
            f"requestors webhook 00000000001 http://127.0.0.1:9/hook --secret-file {folder / 'webhook'}",
            "requestors list",
            "tokens follow 00000000001 --count 1",
            "keys rotate data",
            f"keys rotate encryption --kek-file {folder / 'kek'}",
            "keys list",
            f"vault backup {folder / 'backup'}",
            "audit show",
            "audit verify",
        ):
            await self._command(command)
        # The stray card has no account: so much is said of it, and that ends with 1.
        await self._command(f"merchant import-cards {stored} --report {folder / 'report'}", code=1)
        assert not stored.exists()
        self._said.append((folder / "report").read_text())

    async def make_mistakes(self) -> None:
        """A card number in every wrong place, and calls that nobody may make."""
        order = CheckoutRequest(idempotency_key="oops", amount_minor=1250, currency="840")
        text = bytes([len(STRAY)]) + STRAY.encode()
        wrong = TokenData(payment_token=STRAY, token_expiry="3011")
        await self._send("merchant", CHECKOUT, order.SerializeToString() + b"\xc2\x3e" + text)
        await self._send("merchant", CHECKOUT, b"\x2a\xff" + text)
        await self._send(
            "merchant", CHECKOUT, CheckoutRequest(idempotency_key="k", token_data=wrong).SerializeToString()
        )
        in_clear = SaveCardRequest(customer_id="customer-2", encrypted_card=STRAY)
        await self._send("merchant", SAVE_CARD, in_clear.SerializeToString())
        authorisation = AuthoriseRequest(pan=STRAY, pan_expiry="3011", payment_token=STRAY)
        await self._send("issuer", "/cardnet.cde.v1.Issuer/Authorise", authorisation.SerializeToString())

        issuer = self.network.stub(IssuerStub, "issuer", "network")
        operator = self.network.stub(IssuerOperatorStub, "issuer", OPERATOR)
        await self._refused(issuer.Authorise(authorisation))
        await self._refused(operator.GetAccount(GetAccountRequest(pan=STRAY[:-1] + "x")))
        await self._refused(operator.OpenAccount(OpenAccountRequest(pan=CANARY, pan_expiry="3013")))
        await self._refused(self.network.cardholder().save_card(STRAY, "3011"))
        await self._refused(self.network.cardholder().save_card("4111111111111111", "3011"))
        assert (await operator.GetAccount(GetAccountRequest(pan=STRAY))).response_code == "14"

    async def break_things(self) -> None:
        """The issuer, the token service and the store die, and payments are tried meanwhile."""
        processes, cardholder = self.network.processes, self.network.cardholder()
        await processes["issuer"].kill()
        assert (await cardholder.pay(self._on_file.id, PRICE, "no-issuer")).response_code == "91"

        async def complaint():
            return b"not acknowledged" in processes["network"].log.read_bytes()

        await until(complaint, "the network's log says that a reversal waits")
        await processes["issuer"].start()
        await processes["tsp"].kill()
        await self._refused(cardholder.pay(self._on_file.id, PRICE, "no-tsp"))
        await processes["tsp"].start()
        self.network.store.kill()
        await self._refused(cardholder.pay(self._on_file.id, PRICE, "no-store"))
        self.network.store.restart()

    async def contents(self, data_dir) -> dict[str, bytes]:
        """Stop the services, and give all that they left, by where it was found."""
        stored = await store_contents(self.network.store.admin_url)
        for process in self.network.processes.values():
            await process.stop()  # each sends its last spans
        secret = {".keys", ".kek"}
        kept = [path for path in sorted(data_dir.rglob("*")) if path.is_file() and path.suffix not in secret]
        assert {path.name for path in kept} >= {"tsp.audit", "tsp.audit.keyring"}
        archive = self.network.collector.archive
        traces = [archive.find_now(id_) for id_ in archive.latest(1000)]
        await self._look("/", *(f"/authorisations/{trace.trace_id}" for trace in traces))
        await self._look(*(f"/compare?a={one.trace_id}&b={other.trace_id}" for one, other in pairwise(traces)))
        return {
            "logs": b"".join(process.log.read_bytes() for process in self.network.processes.values()),
            "spans": b"".join(self._spans),
            "traces": "\n".join(trace.to_json() for trace in traces).encode(),
            "pictures": "\n".join(form(trace) for trace in traces for form in (document, mermaid, plain)).encode(),
            "otlp": "\n".join(otlp_json(archive.spans(trace.trace_id)) for trace in traces).encode(),
            "pages": "\n".join(self._pages).encode(),
            "faults": "\n".join(self.faults).encode(),
            "commands": "\n".join(self._said).encode(),
            "audit": (data_dir / "tsp.audit").read_bytes(),
            "store": stored,
            "files": b"".join(path.read_bytes() for path in kept),
        }

    async def look_at_tokens(self) -> None:
        """On the console: the rooms whose services must run for it."""
        await self._look("/topology", "/topology.json", "/tokens", f"/tokens/{self.reference}")

    async def _look(self, *paths: str) -> None:
        async with httpx.AsyncClient(base_url=self.network.console_origin, timeout=60) as browser:
            for path in paths:
                answer = await browser.get(path)
                assert answer.status_code == 200, (path, answer.text)
                self._pages.append(answer.text)

    async def _command(self, command: str, code: int = 0) -> None:
        port = self.network.addresses["merchant"].rpartition(":")[2]
        for form in ((), ("--json",)) if code == 0 and " list" in command else ((),):
            done = await asyncio.to_thread(cardnet, *command.split(), "--network", port, *form)
            self._said += [done.stdout, done.stderr]
            assert done.returncode == code, (command, done.stderr)

    async def _open_account(self, pan: str, **account: object) -> None:
        operator = self.network.stub(IssuerOperatorStub, "issuer", OPERATOR)
        request = OpenAccountRequest(
            pan=pan, pan_expiry="3011", balance_minor=10_000, currency="840", status="ACCOUNT_STATUS_OPEN", **account
        )
        assert (await operator.OpenAccount(request)).response_code == "00"

    async def _token_data(self, encrypted: str) -> TokenData:
        """Token and cryptogram, as the shop gets them."""
        tsp = self.network.stub(TokenServiceStub, "tsp", "merchant")
        shop = {"token_requestor_id": "00000000001"}
        issued = await tsp.RequestToken(RequestTokenRequest(encrypted_card=encrypted, **shop))
        token = {"payment_token": issued.payment_token, "token_expiry": issued.token_expiry}
        purchase = RequestCryptogramRequest(merchant=SHOP, amount_minor=1250, currency="840", **token, **shop)
        made = await tsp.RequestCryptogram(purchase)
        self.token, self.reference, self._expiry = (
            issued.payment_token,
            issued.token_reference_id,
            issued.token_expiry,
        )
        self.cryptogram = made.cryptogram
        return TokenData(cryptogram=made.cryptogram, **token)

    async def _refused(self, asking) -> None:
        with pytest.raises(Fault) as refused:
            await asking
        fault = refused.value
        self.faults.append(f"{fault!r} {fault.__dict__} {fault.__cause__!r} {fault.__context__!r}")

    async def _send(self, service: str, method: str, data: bytes) -> None:
        async with self.network.grpc_channel(service) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await channel.unary_unary(method)(data, timeout=25)
        error = refused.value
        self.faults.append(f"{error!r} {error.trailing_metadata()} {error.initial_metadata()}")
