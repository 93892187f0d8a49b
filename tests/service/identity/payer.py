"""Somebody who pays without a pause, and five processes for whom no payment may fail."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography import x509
from patience import ample, patient

from cardnet.cardholder import Cardholder
from cardnet.certificates import Identity
from cardnet.client import Channel
from cardnet.env import Env
from cardnet.money import Money
from cardnet.steps import SERVICES
from cardnet.test_cards import test_card
from cardnet.testing import LocalNetwork
from cardnet.wire import GrpcLink

LOOK_S = 0.1
BRISK = {name: {"identity_look_s": str(LOOK_S), "connection_age_s": "1"} for name in SERVICES}
"""Settings by which identities are looked at, and connections made anew, often."""


def brisk() -> dict[str, dict[str, str]]:
    return patient(BRISK)


class Payer:
    """Pays, one payment after the other, several at a time."""

    def __init__(self, network: LocalNetwork, folder: Path) -> None:
        self._env = Env.of("test")
        links = [
            GrpcLink(name, network.addresses[name], Identity(folder / "cardholder", LOOK_S))
            for name in ("merchant", "tsp")
        ]
        self._channels = [Channel(link, self._env, timeout_s=29) for link in links]
        self._cardholder = Cardholder(*self._channels, "customer-1")
        self.paid = 0
        self.rest_s = 0.0
        """How long each of those who pay waits between two payments."""
        self._one_more = asyncio.Event()

    async def pay(self) -> None:
        card = test_card("approved")
        on_file = await self._cardholder.save_card(card.pan, card.expiry)
        while True:
            answer = await self._cardholder.pay(on_file.id, Money.parse("0.01 USD"), f"pay{self._env.rng.hex(8)}")
            assert answer.response_code == "00", answer.notice
            self.paid += 1
            self._one_more.set()
            await asyncio.sleep(self.rest_s)

    async def pays_on(self, times: int = 12) -> None:
        """Wait until it has paid a few more times."""
        enough = self.paid + times
        while self.paid < enough:
            self._one_more.clear()
            async with ample():
                await self._one_more.wait()

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()


@asynccontextmanager
async def paying(network: LocalNetwork, folder: Path) -> AsyncIterator[Payer]:
    """Have payments under way for the whole block; the first that fails breaks it off."""
    payer = Payer(network, folder)
    try:
        async with asyncio.timeout(300), asyncio.TaskGroup() as tasks:
            payers = [tasks.create_task(payer.pay()) for _ in range(3)]
            await payer.pays_on()
            yield payer
            await payer.pays_on()
            for one in payers:
                one.cancel()
    finally:
        await payer.close()


async def shown_at(address: str, watcher: Path) -> int:
    """The serial number of the certificate that a door shows, whatever it may be worth. watcher: who looks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(watcher / "tls.crt", watcher / "tls.key")
    context.set_alpn_protocols(["h2"])
    host, port = address.split(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    shown: ssl.SSLObject = writer.get_extra_info("ssl_object")
    certificate = x509.load_der_x509_certificate(shown.getpeercert(True) or b"")
    writer.transport.abort()
    return certificate.serial_number
