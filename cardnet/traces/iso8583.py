"""What ISO 8583:1987 calls the fields that our messages are carried in."""

NAMES = {
    2: "primary account number",
    3: "processing code",
    4: "amount, transaction",
    7: "transmission date and time",
    11: "systems trace audit number",
    14: "date, expiration",
    18: "merchant type",
    19: "acquiring institution country code",
    22: "point of service entry mode",
    32: "acquiring institution identification code",
    37: "retrieval reference number",
    38: "authorisation identification response",
    39: "response code",
    41: "card acceptor terminal identification",
    42: "card acceptor identification code",
    43: "card acceptor name/location",
    49: "currency code, transaction",
    55: "integrated circuit card data",
    56: "payment account reference",
}
"""By field number; 56 as ISO 8583:2003 uses it."""

NUMBERS = {
    "pan": 2,
    "payment_token": 2,
    "amount_minor": 4,
    "transmission_time": 7,
    "stan": 11,
    "pan_expiry": 14,
    "token_expiry": 14,
    "merchant_category_code": 18,
    "merchant_country": 19,
    "pos_entry_mode": 22,
    "acquirer_id": 32,
    "rrn": 37,
    "auth_code": 38,
    "response_code": 39,
    "merchant_id": 42,
    "merchant_name": 43,
    "currency": 49,
    "par": 56,
}
"""The fields of our messages that ISO 8583 has, by the protos' names; tests/unit/test_verdict.py compares."""


def name_of(number: int) -> str:
    """The name of a field; empty for one that has none here."""
    return NAMES.get(number, "")
