"""Both encryptions against other implementations: joserfc opens what a browser made, npm's jose what Python made."""

import json
from typing import Any

import httpx
from interop import opened_by_jose, payment_key, sealed_by_jose
from joserfc import jwe
from joserfc.jwk import RSAKey
from patience import AMPLE_S
from person import Person
from playwright.async_api import Route
from shopping import open_checkout, type_card

from cardnet.encrypted_card import encrypt
from cardnet.test_cards import test_card
from cardnet.tokenized_card import encrypt as encrypt_details
from cardnet.v1.merchant_pb2 import CheckoutRequest, TokenizedCard
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from cardnet.v1.payment_pb2 import MerchantData
from cardnet.v1.token_service_pb2 import GetEncryptionKeyRequest, RequestCryptogramRequest, RequestTokenRequest
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub

CARD = test_card("approved")
ALGORITHMS = ["RSA-OAEP-256", "A256GCM"]
SHOP = MerchantData(
    merchant_id="MERCHANT0000001",
    merchant_domain="shop.example",
    merchant_name="Example Shop",
    merchant_category_code="5732",
    merchant_country="840",
)


async def test_joserfc_opens_the_card_that_the_script_encrypted(person: Person) -> None:
    key = RSAKey.generate_key(2048, private=True)
    sent: list[dict[str, Any]] = []

    async def give_key(route: Route) -> None:
        headers = {"access-control-allow-origin": person.shop}
        await route.fulfill(json={"kid": "a-test", "jwk": key.as_dict(private=False)}, headers=headers)

    async def take_card(route: Route) -> None:
        if route.request.method == "POST":
            sent.append(json.loads(route.request.post_data or ""))
        await route.abort()

    await person.page.route(f"{person.tokens}/v1/key", give_key)
    await person.page.route(f"{person.tokens}/v1/tokens", take_card)
    await open_checkout(person)
    await type_card(person, CARD)
    await person.page.locator("#pay-card").click()
    await person.page.locator("#trouble").wait_for(state="visible")

    made = sent[0]["encryptedCard"]
    opened = jwe.decrypt_compact(made, key, algorithms=ALGORITHMS)
    assert opened.headers() == {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "a-test"}
    card = json.loads(opened.plaintext or b"")
    assert {name: len(value) for name, value in card.items()} == {"pan": 16, "pan_expiry": 4, "security_code": 3}
    assert (card["pan"] == CARD.pan, card["pan_expiry"] == CARD.expiry) == (True, True)


async def test_jose_opens_what_python_encrypted(person: Person) -> None:
    key = RSAKey.generate_key(2048, private=True)
    made = encrypt(CARD.pan, CARD.expiry, "a-test", key.as_pem(private=False).decode())
    opened = await opened_by_jose(made, key)
    assert (opened["pan"] == CARD.pan, opened["pan_expiry"] == CARD.expiry) == (True, True)
    jwk = payment_key(person.network).as_dict(private=False) | {"kid": "a-test"}
    details = encrypt_details({"trid": "00000000001"}, jwk)
    assert await opened_by_jose(details, payment_key(person.network)) == {"trid": "00000000001"}


async def test_the_shop_takes_what_jose_encrypted_to_its_certificate(person: Person) -> None:
    tsp = person.network.stub(TokenServiceStub, "tsp", "merchant")
    key = await person.network.stub(TokenServiceStub, "tsp").GetEncryptionKey(GetEncryptionKeyRequest())
    card = encrypt(CARD.pan, CARD.expiry, key.key_id, key.public_key)
    issued = await tsp.RequestToken(RequestTokenRequest(token_requestor_id="00000000004", encrypted_card=card))
    made = await tsp.RequestCryptogram(
        RequestCryptogramRequest(
            token_requestor_id="00000000004",
            token_reference_id=issued.token_reference_id,
            merchant=SHOP,
            amount_minor=1240,
            currency="840",
        )
    )
    claims = {
        "cardNumber": issued.payment_token,
        "expiryMonth": issued.token_expiry[2:],
        "expiryYear": f"20{issued.token_expiry[:2]}",
        "cryptogram": made.cryptogram,
        "trid": "00000000004",
    }
    async with httpx.AsyncClient(timeout=AMPLE_S) as client:
        jwk = (await client.get(f"{person.shop}/payment-key")).json()
        pem = await client.get(f"{person.shop}/payment-key", headers={"accept": "application/x-pem-file"})
    details = await sealed_by_jose(claims, pem.text, jwk["kid"])
    request = CheckoutRequest(
        idempotency_key=f"jose-{details[-8:]}",
        amount_minor=1240,
        currency="840",
        tokenized_card=TokenizedCard(encrypted_details=details),
    )
    assert (await person.network.stub(MerchantStub, "merchant").Checkout(request)).approved
