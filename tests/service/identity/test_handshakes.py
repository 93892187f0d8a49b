"""Whoever cannot show a certificate of this network, or shows another's, comes in at no door."""

import asyncio
import socket
import ssl
import warnings
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from doorway import DOORS, At, asked_as_cardnet_asks, credentials, knock, named
from mint import CLIENT, DOMAIN, EXPIRED, NOT_YET, SERVER, Folder, Mint, rsa_key, self_signed
from patience import AMPLE_S, patient

from cardnet.testing import LocalNetwork

pytestmark = pytest.mark.asyncio(loop_scope="module")

at_every_door = pytest.mark.parametrize("at", DOORS, ids=named)


@pytest.fixture(scope="module")
def ours() -> Mint:
    return Mint.authority()


@pytest.fixture(scope="module")
def expired() -> Mint:
    """An authority that everybody still believes, and whose time is over."""
    return Mint.authority(EXPIRED)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(ours, expired, tmp_path_factory):
    folder = ours.everybody(tmp_path_factory.mktemp("identities"))
    for believed in folder.glob("*/ca.crt"):
        believed.write_bytes(ours.pem + expired.pem)
    async with LocalNetwork(in_process=True, fronts=True, identities=folder, settings=patient()) as network:
        yield network


def not_let_in(ours: Mint, expired: Mint, name: str) -> dict[str, Folder]:
    """What a caller may show in vain. All of it bears the right name; each has one thing wrong."""
    other, leaf = Mint.authority(), ours.below("acquirer")
    return {
        "no certificate": Folder(b"", b"", ours.pem),
        "another authority": other.leaf(name, believing=ours.pem),
        "an authority of the same name": Mint.authority(name="an authority").leaf(name, believing=ours.pem),
        "vouching for himself": self_signed(name, ours.pem),
        "expired": ours.leaf(name, life=EXPIRED),
        "not yet valid": ours.leaf(name, life=NOT_YET),
        "an expired authority": expired.leaf(name, believing=ours.pem),
        "a leaf of a leaf": leaf.leaf(name, believing=ours.pem),
        "for servers alone": ours.leaf(name, uses=[SERVER]),
    }


@at_every_door
async def test_at_no_door_is_let_in_who_cannot_show_a_certificate_that_holds(network, ours, expired, at):
    address = at.address(network)
    tries = not_let_in(ours, expired, at.caller)
    found = await asyncio.gather(*(knock(at, address, credentials(shown)) for shown in tries.values()))
    assert dict(zip(tries, found, strict=True)) == dict.fromkeys(tries, ("UNAVAILABLE", ""))
    assert await knock(at, address, None) == ("UNAVAILABLE", ""), "plain text"
    # The door is open, and the one thing wrong is what kept them out.
    for right in (ours.leaf(at.caller), ours.leaf(at.caller, uses=[CLIENT]), ours.leaf(at.caller, key=rsa_key())):
        assert (await knock(at, address, credentials(right)))[0] == "INVALID_ARGUMENT"


ODD_NAMES = {
    "nobody": [],
    "two": [f"spiffe://{DOMAIN}/%s", f"spiffe://{DOMAIN}/issuer"],
    "the same twice": [f"spiffe://{DOMAIN}/%s", f"spiffe://{DOMAIN}/%s"],
    "elsewhere": ["spiffe://elsewhere.test/%s"],
    "a longer domain": [f"spiffe://{DOMAIN}.example/%s"],
    "a domain within": [f"spiffe://x.{DOMAIN}/%s"],
    "a user in the domain": [f"spiffe://{DOMAIN}@elsewhere.test/%s"],
    "a port": [f"spiffe://{DOMAIN}:443/%s"],
    "no SPIFFE": [f"https://{DOMAIN}/%s"],
    "SPIFFE in capitals": [f"SPIFFE://{DOMAIN}/%s"],
    "a domain in capitals": [f"spiffe://{DOMAIN.upper()}/%s"],
    "capitals": [f"spiffe://{DOMAIN}/%S"],
    "a dot": [f"spiffe://{DOMAIN}/x.%s"],
    "a dot in the path": [f"spiffe://{DOMAIN}/./%s"],
    "two parts": [f"spiffe://{DOMAIN}/svc/%s"],
    "two slashes": [f"spiffe://{DOMAIN}//%s"],
    "a slash behind": [f"spiffe://{DOMAIN}/%s/"],
    "a query": [f"spiffe://{DOMAIN}/%s?x"],
    "a fragment": [f"spiffe://{DOMAIN}/%s#x"],
    "64 letters": [f"spiffe://{DOMAIN}/{'x' * 99}-%s"],
    "3,000 letters": [f"spiffe://{DOMAIN}/{'x' * 3000}-%s"],
    "a line end behind": [f"spiffe://{DOMAIN}/%s\n"],
    "a line end before": [f"spiffe://{DOMAIN}/\n%s"],
    "a NUL behind": [f"spiffe://{DOMAIN}/%s\0"],
    "a NUL, and more": [f"spiffe://{DOMAIN}/%s\0.elsewhere"],
    "a blank": [f"spiffe://{DOMAIN}/%s "],
    "a dash before": [f"spiffe://{DOMAIN}/-%s"],
    "a dash behind": [f"spiffe://{DOMAIN}/%s-"],
    "two dashes": [f"spiffe://{DOMAIN}/other--%s"],
    "percents": [f"spiffe://{DOMAIN}/%%"],
    "no name": [f"spiffe://{DOMAIN}/"],
    "no path": [f"spiffe://{DOMAIN}"],
}


def called(pattern: str, name: str) -> str:
    encoded = "".join(f"%{ord(letter):02x}" for letter in name)
    return pattern.replace("%%", encoded).replace("%S", name.capitalize()).replace("%s", name)


@at_every_door
async def test_whose_certificate_has_no_name_of_this_network_is_nobody(network, ours, at):
    address = at.address(network)
    # All doors ask in one place for the name: all of them at two, and a few at each.
    tried = ODD_NAMES if at.service in ("issuer", "collector") else list(ODD_NAMES)[:4]
    shown = {what: ours.leaf("x", ids=[called(id_, at.caller) for id_ in ODD_NAMES[what]]) for what in tried}
    found = await asyncio.gather(*(knock(at, address, credentials(one)) for one in shown.values()))
    refused = ("UNAUTHENTICATED", "IDENTITY_UNKNOWN" if at.method.startswith("/cardnet") else "")
    assert dict(zip(shown, found, strict=True)) == dict.fromkeys(shown, refused)


@at_every_door
async def test_a_common_name_or_a_dns_name_is_no_name(network, ours, at):
    shown = ours.leaf("x", ids=[f"spiffe://{DOMAIN}/nobody"], dns=[at.caller], common_name=at.caller)
    assert (await knock(at, at.address(network), credentials(shown)))[0] == "PERMISSION_DENIED"


@at_every_door
async def test_no_door_speaks_tls_older_than_1_2(network, ours, at, tmp_path):
    folder = ours.leaf(at.caller).put(tmp_path / at.caller)
    address = at.address(network)

    def speak(version: ssl.TLSVersion) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        context.load_verify_locations(folder / "ca.crt")
        context.set_alpn_protocols(["h2"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the versions that we are about to offer
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, version
        context.set_ciphers("ALL:@SECLEVEL=0")
        host, port = address.split(":")
        with socket.create_connection((host, int(port)), AMPLE_S) as plain:
            try:
                with context.wrap_socket(plain, server_hostname=at.service) as spoken:
                    return spoken.version() or ""
            except ssl.SSLError as refused:
                return refused.reason

    hung_up = ("TLSV1_ALERT_PROTOCOL_VERSION", "UNEXPECTED_EOF_WHILE_READING")  # by the door, not by us
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        assert await asyncio.to_thread(speak, version) in hung_up
    assert await asyncio.to_thread(speak, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"


@pytest.mark.parametrize("what", ["another authority", "expired", "a leaf of a leaf", "for servers alone"])
async def test_who_is_not_let_in_is_told_to_look_at_its_own_identity(network, ours, expired, what, tmp_path):
    folders = [not_let_in(ours, expired, at.caller)[what].put(tmp_path / named(at)) for at in DOORS]
    asking = (asked_as_cardnet_asks(at, at.address(network), own) for at, own in zip(DOORS, folders, strict=True))
    for fault in await asyncio.gather(*asking):
        assert fault.reason == "NEIGHBOUR_UNAVAILABLE"
        assert "does it believe our identity?" in fault.sentence


# And the other way round: whom a caller takes for the one that it asks.

ISSUER = At("issuer", "/cardnet.cde.v1.Issuer/Authorise", "network")


class Impostor:
    """Listens in the issuer's place, and writes down whatever it learns."""

    def __init__(self, shown: Folder | None) -> None:
        self._shown, self.heard = shown, []

    async def start(self) -> "Impostor":
        self._server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(self._hear)
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("cardnet.cde.v1.Issuer", {"Authorise": handler})]
        )
        if self._shown:
            shown = self._shown
            with_ = grpc.ssl_server_credentials([(shown.key, shown.certificate)], shown.authorities, True)
            port = self._server.add_secure_port("127.0.0.1:0", with_)
        else:
            port = self._server.add_insecure_port("127.0.0.1:0")
        self.address = f"127.0.0.1:{port}"
        await self._server.start()
        return self

    async def stop(self) -> None:
        await self._server.stop(0)

    async def _hear(self, data: bytes, context: grpc.aio.ServicerContext) -> bytes:
        self.heard.append(data)
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "")
        return b""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def listening():
    """Has impostors listen until the module's tests are done.

    gRPC 1.78 can crash where a server is told to stop in the moment in which a connection to it is cut off.
    """
    running = []

    async def listen(shown: Folder | None) -> Impostor:
        running.append(impostor := await Impostor(shown).start())
        return impostor

    yield listen
    for impostor in running:
        await impostor.stop()


def impostors(ours: Mint, expired: Mint) -> dict[str, Folder | None]:
    believed = ours.pem + expired.pem
    shown = {
        **{name: ours.leaf(name) for name in ("merchant", "acquirer", "network", "tsp", "collector", "operator")},
        **{f"{name} for servers too": ours.leaf(name, uses=[CLIENT, SERVER]) for name in ("cardholder", "operator")},
        "other-issuer": ours.leaf("other-issuer", dns=["other-issuer"], uses=[CLIENT, SERVER]),
        "issuer by the SPIFFE ID alone": ours.leaf("issuer", dns=[], common_name="x"),
        "issuer by the SPIFFE ID, merchant by DNS": ours.leaf("issuer", dns=["merchant"]),
        "issuer by the common name": ours.leaf("merchant", common_name="issuer"),
        "a cardholder by the common name of the issuer": ours.leaf("cardholder", common_name="issuer"),
        "the address by DNS": ours.leaf("merchant", dns=["merchant", "localhost", "127.0.0.1"]),
        "a name that begins so": ours.leaf("merchant", dns=["issuer.merchant"]),
        "for clients alone": ours.leaf("issuer", uses=[CLIENT]),
        "another authority": Mint.authority().leaf("issuer"),
        "vouching for himself": self_signed("issuer", ours.pem),
        "expired": ours.leaf("issuer", life=EXPIRED),
        "not yet valid": ours.leaf("issuer", life=NOT_YET),
        "an expired authority": expired.leaf("issuer"),
        "a leaf of a leaf": ours.below("merchant").leaf("issuer"),
    }
    return {"plain text": None} | {what: one._replace(authorities=believed) for what, one in shown.items()}


async def test_nobody_else_passes_as_the_issuer(ours, expired, listening, tmp_path: Path):
    asking = ours.leaf("network", believing=ours.pem + expired.pem).put(tmp_path / "network")

    async def asked(shown: Folder | None) -> tuple[str, list[bytes]]:
        impostor = await listening(shown)
        return (await asked_as_cardnet_asks(ISSUER, impostor.address, asking)).reason, impostor.heard

    tries = impostors(ours, expired)
    found = await asyncio.gather(*map(asked, tries.values()))
    assert dict(zip(tries, found, strict=True)) == dict.fromkeys(tries, ("NEIGHBOUR_NOT_TRUSTED", []))
    # And the issuer passes as the issuer.
    impostor = await listening(ours.leaf("issuer"))
    assert (await asked_as_cardnet_asks(ISSUER, impostor.address, asking)).reason == "NEIGHBOUR_UNAVAILABLE"
    assert impostor.heard == [b"\xff"]


async def test_a_caller_with_certificates_tells_nothing_to_one_who_speaks_plain_text_and_the_reverse(network, tmp_path):
    async with LocalNetwork(in_process=True, fronts=True, insecure=True, settings=patient()) as plain:
        for at in DOORS:
            asking = network.presented(at.caller).folder
            assert (await asked_as_cardnet_asks(at, at.address(plain), asking)).reason == "NEIGHBOUR_NOT_TRUSTED"
            fault = await asked_as_cardnet_asks(at, at.address(network), at.caller)
            assert fault.reason == "NEIGHBOUR_UNAVAILABLE"
