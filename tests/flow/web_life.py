"""What browsers bring about at shop, token service and wallet, without one."""

import re

import httpx
from joserfc.jwk import RSAKey

from cardnet.encrypted_card import encrypt
from cardnet.test_cards import test_card
from cardnet.testing import LocalNetwork

CARD = test_card("approved")


async def token_in_a_page(network: LocalNetwork, browser: httpx.AsyncClient) -> str:
    """What the token service's script would get for a card."""
    tokens = network.origins["tsp"]
    key = (await browser.get(f"{tokens}/v1/key")).json()
    encrypted = encrypt(CARD.pan, CARD.expiry, key["kid"], RSAKey.import_key(key["jwk"]).as_pem().decode())
    wish = {"merchantId": "MERCHANT0000001", "serviceId": "001", "encryptedCard": encrypted}
    made = await browser.post(f"{tokens}/v1/tokens", json=wish)
    assert made.status_code == 201, made.text
    return str(made.json()["token"])


async def buy(network: LocalNetwork, product: str = "tea") -> None:
    """Sign in, type a card and have it kept."""
    shop = network.origins["merchant"]
    async with httpx.AsyncClient(headers={"origin": shop}, timeout=30) as browser:
        await browser.post(f"{shop}/sign-in", data={"customer": "mina", "next": "/"})
        page = (await browser.get(f"{shop}/checkout/{product}")).text
        key = re.search(r'data-order-key="([^"]+)"', page)
        assert key
        token = await token_in_a_page(network, browser)
        order = {"product": product, "orderKey": key[1], "browserToken": token, "keep": True}
        assert (await browser.post(f"{shop}/orders", json=order)).json()["approved"] is True


async def keep_a_wallet(network: LocalNetwork) -> None:
    """Open a wallet, take a card out of it, put another in and pay with that."""
    origin = network.origins["wallet"]
    host = origin.removeprefix("http://")  # a name that browsers know, and not every system
    wallet = f"http://localhost:{host.rpartition(':')[2]}"
    async with httpx.AsyncClient(headers={"origin": origin, "host": host}, timeout=30) as browser:
        cards = re.findall(r'id="remove-([0-9a-f]+)"', (await browser.get(f"{wallet}/")).text)
        assert len(cards) == 3
        assert (await browser.delete(f"{wallet}/v1/cards/{cards[0]}")).status_code == 204
        key = (await browser.get(f"{wallet}/v1/encryption-key")).json()
        card = {"nickname": "Another", "encryptedCard": encrypt(CARD.pan, CARD.expiry, key["kid"], key["pem"])}
        added = await browser.post(f"{wallet}/v1/cards", json=card)
        assert added.status_code == 201
        shop = network.origins["merchant"]
        asked = {
            "methodData": [{"supportedMethods": f"{origin}/pay", "data": {"keyProviderURL": f"{shop}/payment-key"}}],
            "total": {"currency": "USD", "value": "12.40"},
            "topOrigin": shop,
            "paymentRequestId": "request-1",
        }
        wish = {"card": added.json()["id"], "request": asked, "userAuthenticated": True}
        given = await browser.post(f"{wallet}/v1/tokenized-cards", json=wish)
        assert "claims" in given.json()
