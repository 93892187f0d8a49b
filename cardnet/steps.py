"""The nine steps of the card-on-file authorisation (EMVCo), as one table.

Five calls have ten ends; the two ends of `Detokenise` are one step; so the steps are nine. The sender of a step records
it, but the merchant records step 1: the cardholder is no service. Traces, docs/steps.svg and tests are drawn from here.
"""

from typing import Literal, NamedTuple

End = Literal["request", "response", "both"]


class Step(NamedTuple):
    """One step: who sends it to whom, and which end of which call it is."""

    number: int
    sender: str
    receiver: str
    call: str
    end: End
    carries: str
    """What stands for the card in the message: ISO 8583 field 2."""
    prose: str


STEPS = (
    Step(1, "cardholder", "merchant", "Checkout", "request", "token", "pays with the card on file"),
    Step(2, "merchant", "acquirer", "SubmitPayment", "request", "token", "sends the token data and says: e-commerce"),
    Step(
        3, "acquirer", "network", "RouteAuthorisation", "request", "token", "checks, numbers and passes the payment on"
    ),
    Step(4, "network", "tsp", "Detokenise", "both", "token → PAN", "has token, domain and cryptogram checked"),
    Step(5, "network", "issuer", "Authorise", "request", "PAN", "puts the PAN in place of the token"),
    Step(6, "issuer", "network", "Authorise", "response", "PAN", "decides about the account and holds the amount"),
    Step(
        7, "network", "acquirer", "RouteAuthorisation", "response", "token", "puts the token in place of the PAN again"
    ),
    Step(8, "acquirer", "merchant", "SubmitPayment", "response", "token", "passes the answer on"),
    Step(9, "merchant", "cardholder", "Checkout", "response", "", "tells the customer"),
)

SERVICES = ("merchant", "acquirer", "network", "tsp", "issuer")
"""The five services, in the order in which an authorisation meets them."""

WITHOUT_ISSUER = tuple(step for step in STEPS if step.call != "Authorise")
"""What is left when the token is refused: the issuer is not asked."""

ISSUER_SILENT = tuple(step for step in STEPS if (step.call, step.end) != ("Authorise", "response"))
"""What is left when the issuer is asked and does not answer."""


def step_of(call: str, end: str) -> Step | None:
    """The step that an end of a call is, if it is one. call: the RPC's name. end: "request" or "response"."""
    return _BY_END.get((call, end))


_BY_END = {
    (step.call, end): step for step in STEPS for end in (("request", "response") if step.end == "both" else (step.end,))
}
