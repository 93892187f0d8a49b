"""Putting a merchant's stored cards on file, as tokens: each is encrypted here and sent through the shop."""

import asyncio
from collections.abc import Callable, Iterator

from cardnet.cli.card_file import BadLine, CardFile, CardLine
from cardnet.cli.import_log import ImportLog, Outcome
from cardnet.encrypted_card import encrypt
from cardnet.errors import Fault, Malformed
from cardnet.response_code import ResponseCode
from cardnet.v1.merchant_pb2 import SaveCardRequest, SaveCardResponse
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from cardnet.v1.token_service_pb2 import GetEncryptionKeyRequest, GetEncryptionKeyResponse
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub

IN_FLIGHT = 8
"""As many cards are asked about at once."""

PATIENCE_S = 28.0
"""How long an answer may take: nobody waits at the counter meanwhile."""

GIVE_UP_AFTER = 2 * IN_FLIGHT
"""After so many cards in a row for which nobody could be asked the rest is left for another time."""

PASSING = {ResponseCode.ISSUER_UNAVAILABLE, ResponseCode.SYSTEM_MALFUNCTION}
"""Answers that say nothing of the card: asked again, they may be others."""


class CardImport:
    """One run over a file. What has its outcome in the log is not asked about again."""

    def __init__(self, cards: CardFile, merchant: MerchantStub, tsp: TokenServiceStub) -> None:
        self._cards = cards
        self._merchant = merchant
        self._tsp = tsp
        self._key = GetEncryptionKeyResponse()
        self.waiting: dict[int, str] = {}
        """Lines without an outcome, and what was in the way."""
        self._failed_in_a_row = 0

    async def prepare(self) -> str:
        """Fetch the key that cards are encrypted to; gives its identifier."""
        self._key = await self._tsp.GetEncryptionKey(GetEncryptionKeyRequest())
        return self._key.key_id

    async def run(self, log: ImportLog, told: Callable[[int], None]) -> None:
        """Bring every line to its outcome, as far as somebody can be asked. told: is given how many lines have one."""
        left = (line for line in self._cards.lines() if line.number not in log.outcomes)
        async with asyncio.TaskGroup() as workers:
            for _ in range(IN_FLIGHT):
                workers.create_task(self._work(left, log, told))

    async def _work(self, left: Iterator[CardLine | BadLine], log: ImportLog, told: Callable[[int], None]) -> None:
        for line in left:
            if self._failed_in_a_row >= GIVE_UP_AFTER:
                self.waiting[line.number] = "not asked any more"
                continue
            try:
                log.put(line.number, await self._outcome(line))
                self._failed_in_a_row = 0
            except Fault as fault:
                self.waiting[line.number] = fault.sentence
                self._failed_in_a_row += 1
            told(len(log.outcomes))

    async def _outcome(self, line: CardLine | BadLine) -> Outcome:
        """What becomes of a line. A Fault if that cannot be known now."""
        if isinstance(line, BadLine):
            return Outcome("malformed", reason=f"{line.column}: {line.rule}")
        try:
            saved = await self._save(line)
        except Malformed as refusal:
            return Outcome("refused", reason=refusal.sentence)
        if saved.saved:
            return Outcome("saved", saved.card_on_file_id)
        code = ResponseCode(saved.response_code)
        if code in PASSING:
            raise Fault("CARD_NOT_SAVED", f"{code} {code.meaning}")
        return Outcome("refused", reason=f"{code} {code.meaning}")

    async def _save(self, line: CardLine) -> SaveCardResponse:
        used = self._key
        try:
            return await self._send(line)
        except Malformed:
            # The key may have been rotated since it was fetched; if not, it is the card.
            if await self.prepare() == used.key_id:
                raise
            return await self._send(line)

    async def _send(self, line: CardLine) -> SaveCardResponse:
        encrypted = encrypt(line.pan.reveal(), str(line.pan_expiry), self._key.key_id, self._key.public_key)
        saved: SaveCardResponse = await self._merchant.SaveCard(
            SaveCardRequest(customer_id=line.customer_id, encrypted_card=encrypted), timeout=PATIENCE_S
        )
        return saved
