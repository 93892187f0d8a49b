"""An authorisation as people look at it: who sent what to whom, what changed on the way, and who saw the PAN.

Everything is read from a recorded trace; nothing is known beforehand. The command line puts colours to it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from cardnet.errors import InvalidField
from cardnet.money import Currency, Money
from cardnet.response_code import ResponseCode
from cardnet.steps import STEPS, Step
from cardnet.traced import Change, Trace, TracedStep

SHOWN_DIGITS = 8
"""How much of a trace's identifier is shown: enough to find it again."""

WIDTH = 100
INDENT = 28
"""Columns of a picture, and of the number and names before each step's fields."""


class Phrase(NamedTuple):
    """One thing to say of a step. before: empty unless the step changed the field."""

    label: str
    before: str
    after: str

    def __str__(self) -> str:
        return " ".join(filter(None, (self.label, self.before, "→" if self.before else "", self.after)))


class Row(NamedTuple):
    """One step of a picture. note: why it was not taken, or what went wrong; else empty."""

    step: Step
    phrases: Sequence[Phrase]
    note: str

    @property
    def heading(self) -> str:
        """ "5 network    → issuer", padded so that the rows stand below each other."""
        arrow = "⇄" if self.step.end == "both" else "→"
        return f"{self.step.number:2} {self.step.sender:<10} {arrow} {self.step.receiver:<10}"

    def lines(self, width: int = WIDTH) -> list[list[Phrase]]:
        """The phrases, broken into lines so that none is wider than what is left beside the heading."""
        lines: list[list[Phrase]] = [[]]
        for phrase in (*self.phrases, *([Phrase("", "", self.note)] if self.note else [])):
            if lines[-1] and len("  ".join(map(str, (*lines[-1], phrase)))) > width - INDENT:
                lines.append([])
            lines[-1].append(phrase)
        return lines


class Summary(NamedTuple):
    """An authorisation in one line. Empty where the trace does not tell. elapsed_ms: 0 where the clock was frozen."""

    id: str
    amount: str
    answer: str
    auth_code: str
    elapsed_ms: float


def rows(trace: Trace, *, every_field: bool = False) -> list[Row]:
    """All nine steps, those too that were not taken. every_field: not only what is new to the one who receives it."""
    known: dict[str, set[tuple[str, str]]] = {}
    found = {traced.number: traced for traced in trace.steps}
    drawn = []
    for step in STEPS:
        traced = found.get(step.number)
        if traced is None:
            drawn.append(Row(step, (), _why_missing(found, step)))
            continue
        # The fault of a call stands where its answer would be.
        note = _fault(traced) if step.end == "both" else ""
        said = _all(traced) if every_field else _news(trace, traced, known.get(step.receiver, set()))
        drawn.append(Row(step, _phrases(traced, said), note))
        for party in (step.sender, step.receiver):
            known.setdefault(party, set()).update(traced.fields.items())
    return drawn


def plain(trace: Trace) -> str:
    """The picture as text without colours."""
    _, amount, answer, auth_code, _ = summary(trace)
    text = [" · ".join(filter(None, (f"authorisation {trace.trace_id}", amount, answer, auth_code)))]
    for row in rows(trace):
        heading = row.heading
        for line in row.lines():
            text.append(f"{heading:<{INDENT}}{'  '.join(map(str, line))}".rstrip())
            heading = ""
    return "\n".join((*text, *(f"missing: {sentence}" for sentence in trace.missing)))


def summary(trace: Trace) -> Summary:
    """The authorisation in one line."""
    first = next((traced for traced in trace.steps if traced.number == 1), None)
    last = next((traced for traced in trace.steps if traced.number == 9), None)
    fields = last.fields if last else {}
    elapsed_ms = (first.end_ns - first.start_ns) / 1e6 if first else 0.0
    return Summary(
        trace.trace_id[:SHOWN_DIGITS],
        _amount(first.fields) if first else "",
        _answer(fields["response_code"]) if "response_code" in fields else "",
        _printable(fields.get("auth_code", "")),
        elapsed_ms,
    )


def who_saw_the_pan(trace: Trace) -> tuple[list[str], list[str]]:
    """The services that sent or received a message with a PAN in it, and those that took part and did not."""
    saw, took_part = set(), set()
    for traced in trace.steps:
        ends = {traced.step.sender, traced.step.receiver} - {"cardholder"}
        took_part |= ends
        if "pan" in traced.fields:
            saw |= ends
    return _in_order(saw), _in_order(took_part - saw)


def _in_order(services: set[str]) -> list[str]:
    met = dict.fromkeys(party for step in STEPS for party in (step.sender, step.receiver))
    return [party for party in met if party in services]


def _all(traced: TracedStep) -> list[Change]:
    return [Change(name, traced.iso8583.get(name, 0), "", value) for name, value in traced.fields.items()]


def _news(trace: Trace, traced: TracedStep, known: set[tuple[str, str]]) -> list[Change]:
    """What the step changed, what it added that its receiver did not know, and the answer if it brings one."""
    changes = trace.changes(traced.number) if traced.number > 1 else _all(traced)
    news = [change for change in changes if change.before or (change.name, change.after) not in known]
    if not any(change.name == "response_code" for change in news):
        news += [change for change in _all(traced) if change.name == "response_code"]
    aside = _ASIDE_IN.get(traced.number, _ASIDE)
    told = [change for change in news if change.name not in aside]
    return sorted(told, key=lambda change: (not change.before, _rank(change.name)))


def _rank(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def _phrases(traced: TracedStep, changes: Sequence[Change]) -> list[Phrase]:
    return [phrase for change in changes for phrase in _spoken(traced, change)]


def _spoken(traced: TracedStep, change: Change) -> Iterator[Phrase]:
    number = f"DE{change.iso8583}" if change.iso8583 else ""
    label = f"{number} {_WORDS.get(change.name) or _printable(change.name.replace('_', ' '))}".strip()
    match change.name:
        case "currency" if "amount_minor" in traced.fields:
            return  # said with the amount
        case "amount_minor":
            yield Phrase(label, "", _amount(traced.fields))
        case "response_code":
            yield Phrase(number, "", _answer(change.after))
        case "controls_passed":
            yield from (Phrase(_CONTROLS.get(passed, _value(passed)), "", "✓") for passed in change.after.split(", "))
        case "pan" | "payment_token" if change.before:
            was, is_ = ("token", "PAN") if change.name == "pan" else ("PAN", "token")
            yield Phrase(number, f"{was} {_value(change.before)}", f"{is_} {_value(change.after)}")
        case "notice":
            yield Phrase("", "", f'"{_printable(change.after)}"')
        case name if name in _AS_WRITTEN:
            yield Phrase(label, _printable(change.before), _printable(change.after))
        case _:
            yield Phrase(label, _value(change.before), _value(change.after))


def _amount(fields: Mapping[str, str]) -> str:
    """Amount and currency; as they were recorded where they are not of cardnet's making."""
    minor, number = fields.get("amount_minor", ""), fields.get("currency", "")
    try:
        return str(Money(int(minor), Currency.of(number))) if _DIGITS.fullmatch(minor) else _printable(minor)
    except InvalidField:
        return _printable(f"{minor} {number}")


def _answer(code: str) -> str:
    try:
        return f"{code} {ResponseCode(code).meaning}"
    except ValueError:
        return _printable(code)


def _value(text: str) -> str:
    """Values of enumerations are written like words: CREDENTIAL_ON_FILE as "credential on file"."""
    return text.lower().replace("_", " ") if _CONSTANTS.fullmatch(text) else _printable(text)


def _printable(text: str) -> str:
    # Anybody may send spans to a collector, and a terminal obeys what is not printable.
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _why_missing(found: Mapping[int, TracedStep], step: Step) -> str:
    asked = next((traced for traced in found.values() if traced.step.call == step.call), None)
    if asked:
        return _fault(asked) or "no answer was recorded"
    if step.call == "Authorise" and 4 in found and "refusal" in found[4].fields:
        return "not asked: step 4 refused"
    return "not taken"


def _fault(traced: TracedStep) -> str:
    return _FAULTS.get(traced.fault) or _value(traced.fault)


_DIGITS = re.compile(r"[0-9]{1,12}")
_CONSTANTS = re.compile(r"[A-Z]{3,}[A-Z_]*(, [A-Z_]+)*")

_AS_WRITTEN = {
    *("auth_code", "rrn", "par", "pan_product_id", "merchant_id", "merchant_name"),
    *("idempotency_key", "payment_reference", "card_on_file_id", "token_reference_id"),
}
"""Fields that may be capitals by chance, and are no enumeration's."""

_WORDS = {
    "response_code": "answer",
    "payment_token": "token",
    "pan": "PAN",
    "token_expiry": "expiry",
    "pan_expiry": "expiry",
    "amount_minor": "amount",
    "pos_entry_mode": "entry mode",
    "token_requestor_id": "TRID",
    "cryptogram": "cryptogram",
    "merchant_name": "merchant",
    "stan": "STAN",
    "rrn": "RRN",
    "refusal": "refused",
    "controls_passed": "checked",
    "on_behalf_of_validation": "on-behalf-of validation",
    "token_assurance_level": "assurance level",
    "pan_last_four": "last four",
    "pan_product_id": "product",
    "auth_code": "auth code",
    "par": "PAR",
}
"""What a field is called in a picture, where its own name is long; the fields of a step stand in this order."""

_ORDER = tuple(_WORDS)

_CONTROLS = {
    "TOKEN_REQUESTOR_ID": "TRID",
    "POS_ENTRY_MODE": "entry mode",
    "TOKEN_STATE": "state",
    "TOKEN_EXPIRY": "expiry",
}
"""What a control is called in a picture, where its own name is long."""

_ASIDE = frozenset(
    {
        "idempotency_key",
        "payment_reference",
        "card_on_file_id",
        "merchant_id",
        "merchant_domain",
        "merchant_category_code",
        "merchant_country",
        "acquirer_id",
        "transmission_time",
        "token_assurance_data",
        "par",
        "approved",
        "trace_id",
    }
)
"""Fields that a picture leaves out unless every field is asked for."""

_ASIDE_IN = {5: _ASIDE | {"controls_passed"}}
"""Step 5 repeats to the issuer what step 4 just said."""

_FAULTS = {
    "DEADLINE_EXCEEDED": "no answer in time",
    "UNAVAILABLE": "could not be reached, or could not answer",
    "INVALID_ARGUMENT": "refused as malformed",
    "INTERNAL": "an error inside the service; its log has more",
    "CANCELLED": "the caller went away",
}
"""What a gRPC status means in a picture."""
