"""In which form the shop gives the key to which wallets encrypt."""

import pytest

from services.merchant.shop.key_page import preferred


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("*/*", "application/jwk+json"),
        ("application/jwk+json", "application/jwk+json"),
        ("application/x-pem-file", "application/x-pem-file"),
        ("application/pkix-cert", "application/x-pem-file"),
        ("application/jwk+json;q=0.5, application/x-pem-file", "application/x-pem-file"),
        ("application/x-pem-file;q=0.1, application/jwk+json;q=0.9", "application/jwk+json"),
        ("text/html, */*;q=0.8", "application/jwk+json"),
        ("text/html", ""),
        ("application/jwk+json;q=0", ""),
        ("application/jwk+json;q=x", ""),
    ],
)
def test_the_key_is_given_in_the_form_that_is_preferred(accept: str, form: str) -> None:
    assert preferred(accept) == form
