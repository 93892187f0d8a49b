"""Whose word the cardholder got: which hop decided, in which step, and on which field.

Answers travel back through steps 6 to 9, so it was decided by the first to say what the last one said.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import cardnet.traces.words as words
from cardnet.steps import STEPS
from cardnet.traces.iso8583 import NUMBERS
from cardnet.traces.refusals import REFUSALS
from cardnet.traces.trace import Aside, Trace, TracedStep

Steps = Mapping[int, TracedStep]
"""Those that were recorded, by their numbers."""


class Verdict(NamedTuple):
    """Whose word it was that the cardholder got."""

    step: int
    """The step in which it was said."""
    service: str
    """Who said it, such as "issuer"; "fault switch" where that let the call fail which left the cardholder without."""
    field: str
    """The field on which it was decided, by the protos' name, such as "merchant_id"; empty where no single one is."""
    iso8583: int
    """Its ISO 8583 number, or 0."""
    reason: str
    """One sentence."""


def verdict_of(trace: Trace) -> Verdict | None:
    """The verdict; None where the trace does not tell."""
    steps = {step.number: step for step in trace.steps}
    lost = None if _answer(steps, 9) else _unanswered(steps, trace.asides)
    code = _answer(steps, 9, 8, 7, 6)
    if lost or not code:
        return lost or _refused(steps)
    said = _first_to_say(steps, code)
    return _DECIDERS[said](steps, code) if said else None


def _first_to_say(steps: Steps, code: str) -> int:
    """The first step on the way back that carries the answer which came out; 0 if there is none."""
    first = 0
    for number in (9, 8, 7, 6):
        if number in steps and _code(steps[number]) != code:
            return first
        first = number if number in steps else first
    return first


def _by_issuer(steps: Steps, code: str) -> Verdict:
    field, found = _ISSUER_FINDS.get(code, ("", ""))
    if words.approves(code):
        about = _about(steps)
        return _verdict(6, "issuer", "", f"the issuer approved{f' {about}' if about else ''}")
    told = _filled(found, lambda name: _about(steps) if name == "amount" else _said(steps, name))
    return _verdict(6, "issuer", field, f"the issuer answered {words.answer(code)}{f': {told}' if told else ''}")


def _by_network(steps: Steps, code: str) -> Verdict | None:
    refused = _refused(steps)
    if refused and _code(steps[4]) == code and 5 not in steps:
        return refused
    answered = f"the network answered {words.answer(code)}"
    for number, asked in ((5, "the issuer"), (4, "the token service provider")):
        if number in steps and steps[number].fault:
            told = f"{answered} in place of {asked} (step {number}: {_cause(steps[number])})"
            return _verdict(7, "network", "", told + (_though_said(steps, 6) if 6 in steps else ""))
    if 6 in steps:
        return _verdict(7, "network", "", f"{answered} in place of the issuer's {words.answer(_code(steps[6]))}")
    # The issuer was asked and answered; what is not here is its own record of that.
    return _by_issuer(steps, code) if 5 in steps else None


def _by_acquirer(steps: Steps, code: str) -> Verdict | None:
    answered = f"the acquirer answered {words.answer(code)}"
    if 7 in steps:
        return _verdict(8, "acquirer", "", f"{answered} in place of the network's {words.answer(_code(steps[7]))}")
    if 3 in steps:
        return None  # the network answered, and its records are not here
    if "rrn" in steps[8].fields:
        return _verdict(8, "acquirer", "payment_reference", f"{answered}, as it did when this payment came before")
    field, found = _ACQUIRER_FINDS.get(code, ("", ""))
    told = _filled(found, lambda name: _said(steps, name))
    return _verdict(
        8, "acquirer", field, f"the acquirer refused with {words.answer(code)}{f': {told}' if told else ''}"
    )


def _by_merchant(steps: Steps, code: str) -> Verdict | None:
    answered = f"the merchant answered {words.answer(code)}"
    if 8 in steps:
        return _verdict(9, "merchant", "", f"{answered} in place of the acquirer's {words.answer(_code(steps[8]))}")
    if 2 in steps:
        return None  # the acquirer answered, and its record is not here
    asked = steps[1].fields if 1 in steps else {}
    if "service_id" in asked and "rrn" not in steps[9].fields:
        return _verdict(9, "merchant", "", f"{answered}: the card that was typed in gave nothing to pay with")
    return _verdict(9, "merchant", "idempotency_key", f"{answered}, as it did when this checkout came before")


def _refused(steps: Steps) -> Verdict | None:
    """The token service provider's refusal, if it refused."""
    if 4 not in steps or "refusal" not in steps[4].fields:
        return None
    said = steps[4].fields
    refused = REFUSALS.get(said["refusal"])
    told = _filled(refused.sentence, lambda name: words.field_value(name, said.get(name, ""))) if refused else ""
    field = refused.field if refused else ""
    return _verdict(4, "tsp", field, f"the token service provider refused: {told or words.value(said['refusal'])}")


def _unanswered(steps: Steps, asides: Sequence[Aside]) -> Verdict | None:
    """Why the cardholder got no answer: of the calls that failed within one another, the one furthest inside."""
    number = _failed(steps)
    if not number:
        return None
    # Before step 2 the merchant asks others for what it pays with, which is no step: then it is not to blame.
    aside = _failed_aside(asides) if number == 1 and 2 not in steps else None
    if aside:
        return _by_aside(aside)
    asked, cause = STEPS[number - 1].receiver, _cause(steps[number])
    told = cause if steps[number].explained else f"the {_NAMES.get(asked, asked)}: {cause}"
    return _verdict(number, "fault switch" if steps[number].explained else asked, "", told + _though(steps))


def _failed_aside(asides: Sequence[Aside]) -> Aside | None:
    """Of the calls beside the steps, the failed one furthest inside: the merchant's, or what that was in need of."""
    found, asking = None, STEPS[0].receiver
    for _ in asides:
        failed = [aside for aside in asides if aside.fault and aside.caller == asking]
        if not failed:
            break
        found, asking = failed[-1], failed[-1].service
    return found


def _by_aside(aside: Aside) -> Verdict:
    hop = f"{aside.call} ({aside.caller} → {aside.service})"
    cause = words.cause(aside.fault, aside.disturbed, explained=aside.explained, on=hop)
    if aside.explained:
        return _verdict(1, "fault switch", "", cause)
    asked = _NAMES.get(aside.service, aside.service)
    return _verdict(1, aside.service, "", f"the {asked}, asked {aside.call}: {cause}")


def _failed(steps: Steps) -> int:
    """The step whose call failed, and with it all that it was made for; 0 if none did."""
    failed = 0
    for number in (1, 2, 3, 4, 5):
        failed = number if number in steps and steps[number].fault else failed
        # Who answered was not kept from it by what failed further inside.
        if number <= 3 and (10 - number in steps or (number in steps and not steps[number].fault)):
            break
    return failed


def _though(steps: Steps) -> str:
    """What was decided further inside, and did not come out."""
    code = _answer(steps, 8, 7, 6)
    said = _first_to_say({number: step for number, step in steps.items() if number != 9}, code) if code else 0
    if "refusal" in (steps[4].fields if 4 in steps else {}) and said in (0, 7):
        return ", though the token service provider refused in step 4"
    return _though_said(steps, said) if said else ""


def _though_said(steps: Steps, number: int) -> str:
    code = _code(steps[number])
    told = "approved" if words.approves(code) else f"answered {words.answer(code)}"
    return f", though the {STEPS[number - 1].sender} {told} in step {number}"


def _cause(step: TracedStep) -> str:
    return words.cause(step.fault, step.disturbed, explained=step.explained)


def _verdict(step: int, service: str, field: str, found: str) -> Verdict:
    return Verdict(step, service, field, NUMBERS.get(field, 0), f"step {step}: {found}")


def _code(step: TracedStep) -> str:
    return step.fields.get("response_code", "")


def _answer(steps: Steps, *numbers: int) -> str:
    """The response code of the first of these steps that was recorded."""
    return next((_code(steps[number]) for number in numbers if number in steps), "")


def _about(steps: Steps) -> str:
    """The amount that was asked for."""
    return next((words.amount(step.fields) for step in steps.values() if "amount_minor" in step.fields), "")


def _said(steps: Steps, name: str) -> str:
    return next((words.field_value(name, step.fields[name]) for step in steps.values() if name in step.fields), "")


def _filled(sentence: str, shown: Callable[[str], str]) -> str:
    """The sentence with values in the places of names in braces; empty where the trace has not all of them."""
    names = _NAMES_WITHIN.findall(sentence)
    values = {name: shown(name) for name in names}
    return _NAMES_WITHIN.sub(lambda name: values[name[1]], sentence) if all(values.values()) else ""


_NAMES_WITHIN = re.compile(r"\{([a-z_]+)\}")

_DECIDERS = {6: _by_issuer, 7: _by_network, 8: _by_acquirer, 9: _by_merchant}

_NAMES = {"tsp": "token service provider"}

_ISSUER_FINDS = {
    "05": ("pan", "it does not honour card {pan}"),
    "14": ("pan", "it has no account for card {pan}"),
    "41": ("pan", "card {pan} was reported lost"),
    "43": ("pan", "card {pan} was reported stolen"),
    "51": ("amount_minor", "{amount} is more than is available"),
    "54": ("pan_expiry", "the card has expired, or its expiry is not {pan_expiry} (YYMM)"),
    "57": ("currency", "the account is in another currency"),
    "61": ("amount_minor", "{amount} is above the card's limit for a purchase"),
    "62": ("pan", "card {pan} is blocked"),
    "63": ("on_behalf_of_validation", "the token service provider validated nothing on its behalf"),
    "82": ("cryptogram", "the cryptogram, whose validation is left to it, is wrong or was used"),
    "96": ("cryptogram", "the cryptogram was left to it, and it has no keys"),
}
"""What the issuer's rulebook looked at, by the answer that it gave."""

_ACQUIRER_FINDS = {
    "03": ("merchant_id", "{merchant_id} may not take payments so: not registered, closed, or registered otherwise"),
    "12": ("pos_entry_mode", "it takes no payments by entry mode {pos_entry_mode}"),
    "57": ("merchant_id", "{merchant_id} may not sell this, or not in this currency"),
    "68": ("", "the payment had been given up before it came"),
}
"""What the acquirer's processing checks looked at, by the answer that it gave."""
