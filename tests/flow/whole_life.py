"""Everything that is ever done with cards, tokens and keys, done once: for tests of where it leaves its traces."""

import asyncio
import re
import secrets
from contextlib import aclosing

from canary import shapes
from patience import AMPLE_S
from waiting import until

from cardnet.cardholder import CardOnFile
from cardnet.cde.v1.issuer_pb2 import VERIFICATION_PASSCODE
from cardnet.cde.v1.token_operator_pb2 import (
    KEY_PURPOSE_AUDIT,
    KEY_PURPOSE_CARD,
    KEY_PURPOSE_CRYPTOGRAM,
    KEY_PURPOSE_DATA,
    KEY_PURPOSE_ENCRYPTION,
    KEY_PURPOSE_HISTORY,
    KEY_PURPOSE_PAN_INDEX,
    KEY_PURPOSE_TOKEN_INDEX,
    BackUpVaultRequest,
    ListTokensRequest,
    Requestor,
    RestoreVaultRequest,
    RotateKeyRequest,
    SetWebhookRequest,
)
from cardnet.cde.v1.token_operator_pb2_grpc import TokenOperatorStub
from cardnet.env import Env
from cardnet.identity import ISSUER, MERCHANT, OPERATOR
from cardnet.money import Money
from cardnet.rules import MOST_SEALED_BYTES
from cardnet.stage import CARD_ON_FILE, ONE_TIME, PRICE, SHOP, Stage
from cardnet.testing import LocalNetwork, TestCard
from cardnet.v1.acquirer_pb2 import ReversePaymentRequest
from cardnet.v1.acquirer_pb2_grpc import AcquirerStub
from cardnet.v1.payment_pb2 import POS_ENTRY_MODE_ECOMMERCE
from cardnet.v1.token_lifecycle_pb2 import ChangeTokenRequest, FollowTokensRequest, TokenName
from cardnet.v1.token_lifecycle_pb2_grpc import TokenLifecycleStub, TokenNotificationsStub
from cardnet.v1.token_pb2 import CAUSE_OTHER, TOKEN_USAGE_CARD_ON_FILE

ROTATED = (
    KEY_PURPOSE_DATA,
    KEY_PURPOSE_PAN_INDEX,
    KEY_PURPOSE_TOKEN_INDEX,
    KEY_PURPOSE_CRYPTOGRAM,
    KEY_PURPOSE_AUDIT,
    KEY_PURPOSE_HISTORY,
    KEY_PURPOSE_CARD,
)

MANY = 12
"""So many cards are on file: by chance alone their keys never all miss one of three servers."""


class WholeLife:
    """One network, and what came up in it."""

    def __init__(self, network: LocalNetwork) -> None:
        self.network = network
        self.stage = Stage(network.channel, Env.of("test"))
        self.operator = network.stub(TokenOperatorStub, "tsp", OPERATOR)
        self.pans: list[str] = []
        self.tokens: list[str] = []
        self.paid_with: list[tuple[TestCard, CardOnFile]] = []

    async def cards_and_tokens(self) -> None:
        """Saved, paid with, refused, verified, suspended, replaced and deleted."""
        lives = [self._on_file() for _ in range(MANY)]
        await asyncio.gather(*lives, self._replaced_and_deleted(), self._verified(), self._once())

    async def _on_file(self) -> None:
        card = await self.network.open_account("100.00 USD")
        self.pans.append(card.pan)
        saved = await self.network.save_card(card)
        assert (await self.network.checkout(saved, "12.50 USD", key=f"pay{secrets.token_hex(8)}")).approved
        assert not (await self.network.checkout(saved, "99.00 USD", key=f"pay{secrets.token_hex(8)}")).approved
        await self._taken_back(card, saved)
        self.paid_with.append((card, saved))

    async def _taken_back(self, card: TestCard, saved: CardOnFile) -> None:
        """A payment is reversed, and its money comes back."""
        reference = f"ref{secrets.token_hex(8)}"
        assert (await self.network.checkout(saved, "20.00 USD", key=reference)).approved
        reversal = ReversePaymentRequest(merchant_id=SHOP.merchant_id, payment_reference=reference)
        await self.network.stub(AcquirerStub, "acquirer", MERCHANT).ReversePayment(reversal)

        async def given_back() -> bool:
            return await self.network.balance(card) == Money.parse("87.50 USD")

        await until(given_back, "the money is given back")

    async def _replaced_and_deleted(self) -> None:
        card, successor = await self.stage.new_card(), await self.stage.new_card()
        token = await self.stage.token(card)
        self.pans += [card.pan, successor.pan]
        self.tokens.append(token.payment_token)
        cryptogram = await self.stage.cryptogram(token, CARD_ON_FILE, PRICE)
        assert (await self.stage.pay(token, cryptogram=cryptogram)).approved
        assert (await self.stage.pay(token, cryptogram=cryptogram)).response_code == "82"
        another = await self.stage.cryptogram(token, CARD_ON_FILE, PRICE)
        dearer = await self.stage.pay(token, Money.parse("13.00 USD"), cryptogram=another)
        assert dearer.response_code == "82"
        await self.stage.replace(card, successor)
        assert (await self.stage.pay(token)).approved
        await self.stage.suspend(token)
        assert (await self.stage.pay(token)).response_code == "62"
        change = ChangeTokenRequest(token=TokenName(token_reference_id=token.token_reference_id), cause=CAUSE_OTHER)
        resumed = await self.network.stub(TokenLifecycleStub, "tsp", ISSUER).ResumeToken(change)
        assert resumed.response_code == "00"
        assert (await self.stage.pay(token)).approved
        await self.stage.unlink(token)
        assert (await self.stage.pay(token)).response_code == "78"

    async def _verified(self) -> None:
        card = await self.stage.new_card(verification=VERIFICATION_PASSCODE)
        token = await self.stage.token(card)
        self.pans.append(card.pan)
        self.tokens.append(token.payment_token)
        passcode = await self.stage.passcode(token)
        assert (await self.stage.confirm(token, f"{(int(passcode) + 1) % 1_000_000:06}")).response_code == "55"
        assert (await self.stage.confirm(token, passcode)).response_code == "00"
        assert (await self.stage.pay(token)).approved

    async def _once(self) -> None:
        card = await self.stage.new_card()
        token = await self.stage.token(card, ONE_TIME)
        self.pans.append(card.pan)
        self.tokens.append(token.payment_token)
        assert (await self.stage.pay(token, requestor=ONE_TIME)).approved
        assert (await self.stage.pay(token, requestor=ONE_TIME)).response_code == "65"

    async def requestors(self) -> None:
        """One is registered, has its notifications posted, and is told of its tokens."""
        trid = await self.stage.requestor(
            Requestor(
                identity=MERCHANT,
                merchant_ids=[SHOP.merchant_id, "MERCHANT0000009"],
                merchant_domain=SHOP.merchant_domain,
                pos_entry_modes=[POS_ENTRY_MODE_ECOMMERCE],
                usage=TOKEN_USAGE_CARD_ON_FILE,
            )
        )
        for url, secret in (("https://shop.example/hook", "0f" * 32), ("", "")):
            request = SetWebhookRequest(token_requestor_id=trid, url=url, secret=secret)
            assert (await self.operator.SetWebhook(request)).response_code == "00"
        await self._posted()
        follow = self.network.stub(TokenNotificationsStub, "tsp", MERCHANT).FollowTokens
        async with aclosing(aiter(follow(FollowTokensRequest(token_requestor_id=CARD_ON_FILE)))) as told:
            async with asyncio.timeout(AMPLE_S):
                assert (await anext(told)).position == 1

    async def _posted(self) -> None:
        """The shop's notifications are posted. The second comes only when it is noted that the first was taken."""
        posts = asyncio.Semaphore(0)

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            (length,) = re.findall(rb"(?i)content-length: (\d+)", head)
            await reader.readexactly(int(length))
            writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            writer.close()
            await writer.wait_closed()
            posts.release()

        server = await asyncio.start_server(take, "127.0.0.1")
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        request = SetWebhookRequest(token_requestor_id=CARD_ON_FILE, url=address, secret="0f" * 32)
        assert (await self.operator.SetWebhook(request)).response_code == "00"
        async with asyncio.timeout(AMPLE_S):
            for _ in range(2):
                await posts.acquire()
        server.close()

    async def rotations(self) -> None:
        """Every key is replaced."""
        requests = [RotateKeyRequest(purpose=purpose) for purpose in ROTATED]
        kek = secrets.token_hex(32)
        requests.append(RotateKeyRequest(purpose=KEY_PURPOSE_ENCRYPTION, key_encryption_key=kek))
        for request in requests:
            *_, last = [progress async for progress in self.operator.RotateKey(request)]
            assert last.key.number == 2

    async def backup(self) -> bytes:
        """A copy of the vault."""
        return b"".join([some.rows async for some in self.operator.BackUpVault(BackUpVaultRequest())])

    async def restore(self, copy: bytes) -> None:
        """Put a copy of a vault into this one, which holds nothing."""
        chunks = [copy[at : at + MOST_SEALED_BYTES] for at in range(0, len(copy), MOST_SEALED_BYTES)]
        for rows in (*chunks, b""):
            assert (await self.operator.RestoreVault(RestoreVaultRequest(rows=rows))).response_code == "00"

    async def listed(self) -> set[str]:
        """The references of all tokens, page by page."""
        page = await self.operator.ListTokens(ListTokensRequest())
        found = [token.token_reference_id for token in page.tokens]
        while page.next_page:
            page = await self.operator.ListTokens(ListTokensRequest(page=page.next_page))
            found += [token.token_reference_id for token in page.tokens]
        return set(found)

    async def pays_on(self) -> None:
        """What was saved is still good, and the money adds up."""
        for card, saved in self.paid_with:
            assert (await self.network.checkout(saved, "12.50 USD", key=f"pay{secrets.token_hex(8)}")).approved
            assert await self.network.balance(card) == Money.parse("75.00 USD")

    def needles(self, *, tokens: bool) -> dict[str, bytes]:
        """Every number that there was, in every shape. tokens: Payment Tokens, too."""
        numbers = self.pans + (self.tokens if tokens else [])
        return {
            f"{number}th, {shape}": needle
            for number, digits in enumerate(numbers)
            for shape, needle in shapes(digits).items()
        }
