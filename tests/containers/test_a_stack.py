"""The network in containers, used as docs/containers.md says."""

import json

import grpc
import grpc.aio
import httpx
import pytest
from joserfc.jwk import RSAKey
from patience import AMPLE_S
from stack import SCALE, SERVICES, STORES, Stack, service_of

from cardnet.encrypted_card import encrypt
from cardnet.response_code import ResponseCode
from cardnet.steps import STEPS
from cardnet.test_cards import test_card
from cardnet.testing import RemoteNetwork
from cardnet.v1.merchant_pb2 import CheckoutRequest
from cardnet.v1.merchant_pb2_grpc import MerchantStub


def test_everything_is_healthy_in_as_many_instances_as_asked_for(stack: Stack) -> None:
    found = [(service_of(one), one["State"]) for one in stack.described()]
    running = [name for name, state in found if state["Running"]]
    checked = [name for name, state in found if state.get("Health", {}).get("Status") == "healthy"]
    for name in SERVICES:
        assert running.count(name) == checked.count(name) == SCALE.get(name, 1)
    assert {*STORES, "collector", "authority", "wallet"} <= set(checked)
    assert [state["ExitCode"] for name, state in found if name == "setup"] == [0]
    assert not [name for name, state in found if state["OOMKilled"] or state["Restarting"]]


def test_the_demo_plays_where_nothing_runs_and_where_all_does(stack: Stack) -> None:
    for played in (stack.demo, stack.run("demo")):
        assert played.returncode == 0, played.stderr
        assert "PAN seen by: network, tsp, issuer   never by: merchant, acquirer" in played.stdout
        assert "4 of 4 as expected" in played.stdout


@pytest.mark.parametrize(("card", "exit_code"), [("approved-debit", 0), ("insufficient-funds", 1)])
def test_one_pays_without_python_on_the_host(stack: Stack, card: str, exit_code: int) -> None:
    paid = stack.run("cli", "pay", "--card", card, "--amount", "12.40", "--json")
    assert paid.returncode == exit_code, paid.stderr
    assert json.loads(paid.stdout)["response_code"] == test_card(card).outcome


def test_a_little_load_is_all_approved(stack: Stack) -> None:
    loaded = stack.run("load", "python", "/opt/cardnet/load.py", "--seconds", "2", "--in-flight", "4")
    assert loaded.returncode == 0, loaded.stderr
    first, *outcomes = loaded.stdout.splitlines()
    assert "payments/s" in first
    assert [outcome.split(maxsplit=1)[1] for outcome in outcomes] == ["00 approved"]


async def test_a_payment_from_the_host_takes_the_nine_steps(network: RemoteNetwork) -> None:
    card = await network.save_card("approved")
    payment = await network.checkout(card, "12.40 USD")
    assert payment.response_code is ResponseCode.APPROVED
    assert tuple(payment.steps) == STEPS


async def test_browsers_find_shop_token_service_and_wallet(stack: Stack, network: RemoteNetwork) -> None:
    shop, tokens, wallet = (stack.origin(name) for name in ("shop", "tokens", "wallet"))
    card = test_card("approved")
    async with httpx.AsyncClient(headers={"origin": shop}, timeout=AMPLE_S) as browser:
        page = (await browser.get(f"{shop}/checkout/tea")).text
        assert f"{tokens}/cardnet.js" in page and wallet in page
        key = (await browser.get(f"{tokens}/v1/key")).json()
        encrypted = encrypt(card.pan, card.expiry, key["kid"], RSAKey.import_key(key["jwk"]).as_pem().decode())
        wish = {"merchantId": "MERCHANT0000001", "serviceId": "001", "encryptedCard": encrypted}
        made = await browser.post(f"{tokens}/v1/tokens", json=wish)
        assert made.status_code == 201, made.text
        there = {"host": wallet.removeprefix("http://")}  # a name that browsers know, and not every system
        method = await browser.head(f"http://{stack.addresses['wallet']}/pay", headers=there)
        assert "payment-method-manifest" in method.headers["link"]
    order = CheckoutRequest(idempotency_key="browser-1", amount_minor=1240, currency="840")
    order.browser_card.token, order.browser_card.service_id = made.json()["token"], "001"
    order.browser_card.origin = shop
    assert (await network.stub(MerchantStub, "merchant").Checkout(order)).approved


async def test_the_console_shows_a_payment_and_takes_spans_of_others_over_http(
    stack: Stack, network: RemoteNetwork
) -> None:
    payment = await network.checkout(await network.save_card("insufficient-funds"), "12.40 USD")
    theirs = {"traceId": payment.trace.trace_id, "spanId": "ab" * 8, "name": "a shop of mine", "kind": 3}
    async with httpx.AsyncClient(base_url=stack.origin("console"), timeout=AMPLE_S) as browser:
        sent = await browser.post(
            f"http://{stack.addresses['otlp_http']}/v1/traces",
            json={"resourceSpans": [{"scopeSpans": [{"spans": [theirs]}]}]},
        )
        assert sent.status_code == 200, sent.text
        page = (await browser.get(f"/authorisations/{payment.trace.trace_id}")).text
        topology = (await browser.get("/topology.json")).json()
        assert (await browser.get("/tokens")).status_code == 404, "here one looks, and does not act"
    assert "the issuer answered 51 insufficient funds" in page and "a shop of mine" in page
    assert {name: topology[name]["word"] for name in ("merchant", "tsp", "issuer")} == {
        "merchant": "serving",
        "tsp": "serving",
        "issuer": "known by its calls",
    }


async def test_the_host_s_ports_let_nobody_in_without_an_identity(stack: Stack) -> None:
    for name, address in stack.doors.items():
        for channel in (
            grpc.aio.insecure_channel(address),
            grpc.aio.secure_channel(
                address,
                grpc.ssl_channel_credentials((stack.identities() / "cardholder" / "ca.crt").read_bytes()),
                options=(("grpc.ssl_target_name_override", name),),
            ),
        ):
            async with channel as asked:
                with pytest.raises(grpc.aio.AioRpcError) as refusal:
                    await asked.unary_unary("/cardnet.v1.Merchant/Checkout")(b"", timeout=25)
            assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE, name


def test_setting_up_again_changes_no_password(stack: Stack) -> None:
    before = _passwords(stack)
    again = stack.run("setup")
    assert again.returncode == 0, again.stderr
    assert _passwords(stack) == before and len(set(before)) == len(SERVICES)


def _passwords(stack: Stack) -> list[str]:
    return [stack.execute(stack.ids(name)[0], "cat", "/run/cardnet/store/redis.url") for name in SERVICES]
