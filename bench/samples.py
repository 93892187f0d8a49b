"""The messages of one authorisation, filled in as the five services fill them in: what the empty chain relays."""

from cardnet.cde.v1.issuer_pb2 import (
    AuthoriseRequest,
    AuthoriseResponse,
    VerifyAccountRequest,
    VerifyAccountResponse,
)
from cardnet.cde.v1.token_vault_pb2 import (
    CONTROL_CRYPTOGRAM,
    CONTROL_MERCHANT,
    CONTROL_POS_ENTRY_MODE,
    CONTROL_TOKEN,
    CONTROL_TOKEN_EXPIRY,
    CONTROL_TOKEN_REQUESTOR_ID,
    CONTROL_TOKEN_STATE,
    ON_BEHALF_OF_VALIDATION_PASSED,
    DetokeniseRequest,
    DetokeniseResponse,
)
from cardnet.v1.acquirer_pb2 import SubmitPaymentRequest, SubmitPaymentResponse
from cardnet.v1.merchant_pb2 import CheckoutResponse
from cardnet.v1.network_pb2 import RouteAuthorisationRequest, RouteAuthorisationResponse
from cardnet.v1.payment_pb2 import (
    POS_ENTRY_MODE_CREDENTIAL_ON_FILE,
    POS_ENTRY_MODE_ECOMMERCE,
    MerchantData,
    TokenData,
    TransactionKey,
)
from cardnet.v1.token_pb2 import TOKEN_STATE_ACTIVE
from cardnet.v1.token_service_pb2 import (
    TOKEN_DECISION_APPROVED,
    RequestCryptogramRequest,
    RequestCryptogramResponse,
    RequestTokenResponse,
)

CARD_ON_FILE_ID = f"card-{0:024x}"

_PAN, _TOKEN = "9999000000000012", "9999400000000014"
_TOKEN_EXPIRY, _REQUESTOR, _PAR = "2911", "00000000001", f"SIMX{0:025}"
_AMOUNT, _CURRENCY, _MODE = 1, "840", POS_ENTRY_MODE_CREDENTIAL_ON_FILE
_APPROVED, _AUTH_CODE, _RRN = "00", "A1B2C3", "632603000001"
_LEVEL, _HOW, _PRODUCT = "10", "issuer account verification", "SIMC1"
_CRYPTOGRAM, _REFERENCE = f"{0:027}=", f"{0:032x}"
_SHOP = MerchantData(
    merchant_id="MERCHANT0000001",
    merchant_domain="shop.example",
    merchant_name="Example Shop",
    merchant_category_code="5732",
    merchant_country="840",
)
_TRANSACTION = TransactionKey(acquirer_id="99990000001", stan="000001", transmission_time="1122031500", rrn=_RRN)
_TOKEN_DATA = TokenData(
    payment_token=_TOKEN, token_expiry=_TOKEN_EXPIRY, token_requestor_id=_REQUESTOR, cryptogram=_CRYPTOGRAM
)
_CONTROLS = (
    CONTROL_TOKEN,
    CONTROL_TOKEN_REQUESTOR_ID,
    CONTROL_MERCHANT,
    CONTROL_POS_ENTRY_MODE,
    CONTROL_TOKEN_STATE,
    CONTROL_TOKEN_EXPIRY,
    CONTROL_CRYPTOGRAM,
)

CHECKOUT_RESPONSE = CheckoutResponse(
    approved=True,
    response_code=_APPROVED,
    notice="Thank you. The payment was approved.",
    auth_code=_AUTH_CODE,
    rrn=_RRN,
    pan_last_four=_PAN[-4:],
    trace_id=f"{1:032x}",
)
CRYPTOGRAM_REQUEST = RequestCryptogramRequest(
    token_requestor_id=_REQUESTOR,
    payment_token=_TOKEN,
    token_expiry=_TOKEN_EXPIRY,
    merchant=_SHOP,
    amount_minor=_AMOUNT,
    currency=_CURRENCY,
)
CRYPTOGRAM_RESPONSE = RequestCryptogramResponse(
    response_code=_APPROVED,
    cryptogram=_CRYPTOGRAM,
    eci="07",
    token_expiry=_TOKEN_EXPIRY,
    atc=1,
    key_index=1,
    expires_at="2026-11-22T12:00:00Z",
)
TOKEN_RESPONSE = RequestTokenResponse(
    response_code=_APPROVED,
    payment_token=_TOKEN,
    token_expiry=_TOKEN_EXPIRY,
    token_reference_id=_REFERENCE,
    token_assurance_level=_LEVEL,
    par=_PAR,
    pan_last_four=_PAN[-4:],
    pos_entry_modes=[POS_ENTRY_MODE_ECOMMERCE],
    decision=TOKEN_DECISION_APPROVED,
    state=TOKEN_STATE_ACTIVE,
)
VERIFY_REQUEST = VerifyAccountRequest(pan=_PAN, pan_expiry="3011", token_reference_id=_REFERENCE)
VERIFY_RESPONSE = VerifyAccountResponse(
    response_code=_APPROVED,
    token_state=TOKEN_STATE_ACTIVE,
    decision=TOKEN_DECISION_APPROVED,
    token_assurance_level=_LEVEL,
    token_assurance_data=_HOW,
)
PAYMENT_REQUEST = SubmitPaymentRequest(
    payment_reference=f"{1:016x}",
    token_data=_TOKEN_DATA,
    merchant=_SHOP,
    amount_minor=_AMOUNT,
    currency=_CURRENCY,
    pos_entry_mode=_MODE,
)
PAYMENT_RESPONSE = SubmitPaymentResponse(
    payment_token=_TOKEN,
    response_code=_APPROVED,
    auth_code=_AUTH_CODE,
    transaction=_TRANSACTION,
    token_assurance_level=_LEVEL,
    pan_last_four=_PAN[-4:],
    pan_product_id=_PRODUCT,
    par=_PAR,
)
ROUTE_REQUEST = RouteAuthorisationRequest(
    transaction=_TRANSACTION,
    token_data=_TOKEN_DATA,
    merchant=_SHOP,
    amount_minor=_AMOUNT,
    currency=_CURRENCY,
    pos_entry_mode=_MODE,
)
ROUTE_RESPONSE = RouteAuthorisationResponse(
    transaction=_TRANSACTION,
    payment_token=_TOKEN,
    amount_minor=_AMOUNT,
    currency=_CURRENCY,
    response_code=_APPROVED,
    auth_code=_AUTH_CODE,
    token_assurance_level=_LEVEL,
    pan_last_four=_PAN[-4:],
    pan_product_id=_PRODUCT,
    par=_PAR,
)
DETOKENISE_REQUEST = DetokeniseRequest(
    transaction=_TRANSACTION,
    token_data=_TOKEN_DATA,
    merchant=_SHOP,
    amount_minor=_AMOUNT,
    currency=_CURRENCY,
    pos_entry_mode=_MODE,
)
DETOKENISE_RESPONSE = DetokeniseResponse(
    controls_passed=_CONTROLS,
    on_behalf_of_validation=ON_BEHALF_OF_VALIDATION_PASSED,
    pan=_PAN,
    pan_expiry="3011",
    token_requestor_id=_REQUESTOR,
    token_assurance_level=_LEVEL,
    token_assurance_data=_HOW,
    par=_PAR,
    pan_product_id=_PRODUCT,
)
AUTHORISE_REQUEST = AuthoriseRequest(
    transaction=_TRANSACTION,
    pan=_PAN,
    pan_expiry="3011",
    amount_minor=_AMOUNT,
    currency=_CURRENCY,
    merchant=_SHOP,
    pos_entry_mode=_MODE,
    on_behalf_of_validation=ON_BEHALF_OF_VALIDATION_PASSED,
    controls_passed=_CONTROLS,
    payment_token=_TOKEN,
    token_expiry=_TOKEN_EXPIRY,
    token_assurance_level=_LEVEL,
    token_assurance_data=_HOW,
    token_requestor_id=_REQUESTOR,
    par=_PAR,
)
AUTHORISE_RESPONSE = AuthoriseResponse(pan=_PAN, response_code=_APPROVED, auth_code=_AUTH_CODE)
