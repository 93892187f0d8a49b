"""An authorisation as people look at it: who sent what to whom, what changed on the way, and who saw the PAN.

Everything is read from a recorded trace; nothing is known beforehand. The command line puts colours to it.
"""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import NamedTuple

import cardnet.traces.words as words
from cardnet.steps import STEPS, Step
from cardnet.traces.trace import Change, Trace, TracedStep
from cardnet.traces.verdict import verdict_of

SHOWN_DIGITS = 8
"""How much of a trace's identifier is shown: enough to find it again."""

WIDTH = 100
INDENT = 28
"""Columns of a picture, and of the number and names before each step's fields."""

LONGEST_SENTENCE = 300
"""Letters of one that says what is missing."""

MOST_CONTROLS = 20
"""How many passed controls are shown of a step: cardnet has nine, and somebody else's spans may have any number."""


MOST_ASIDES = 3
"""Calls beside the steps of which is told: one checkout of cardnet's makes two of them, or three."""


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
    taken: bool
    failed: bool
    """Whether a call failed, so that an answer is not here."""

    @property
    def heading(self) -> str:
        """The step's own."""
        return heading_of(self.step)

    def lines(self, width: int = WIDTH - INDENT) -> list[list[Phrase]]:
        """The phrases, broken into lines so that none is wider."""
        lines: list[list[Phrase]] = [[]]
        for phrase in (*self.phrases, *([Phrase("", "", self.note)] if self.note else [])):
            if lines[-1] and len("  ".join(map(str, (*lines[-1], phrase)))) > width:
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


def heading_of(step: Step) -> str:
    """ "5 network    → issuer", padded so that the rows stand below each other."""
    arrow = "⇄" if step.end == "both" else "→"
    return f"{step.number:2} {step.sender:<10} {arrow} {step.receiver:<10}"


def rows(trace: Trace, *, every_field: bool = False) -> list[Row]:
    """All nine steps, those too that were not taken. every_field: not only what is new to the one who receives it."""
    known: dict[str, set[tuple[str, str]]] = {}
    found = {traced.number: traced for traced in trace.steps}
    drawn = []
    for step in STEPS:
        traced = found.get(step.number)
        if traced is None:
            note, failed = _why_missing(found, step, lost=bool(trace.missing))
            drawn.append(Row(step, (), note, taken=False, failed=failed))
            continue
        # The fault of a call stands where its answer would be.
        fault = traced.fault if step.end == "both" else ""
        why = "" if traced.explained else words.fault(fault)
        said = _all(traced) if every_field else _news(trace, traced, known.get(step.receiver, set()))
        notes = filter(None, (why, words.disturbance(traced.disturbed), *(_asides(trace) if step.number == 1 else ())))
        drawn.append(Row(step, _phrases(traced, said), "; ".join(notes), taken=True, failed=bool(fault)))
        for party in (step.sender, step.receiver):
            known.setdefault(party, set()).update(traced.fields.items())
    return drawn


def _asides(trace: Trace) -> Iterator[str]:
    """What there is to say of calls that the merchant made before it took step 2."""
    for aside in trace.asides[:MOST_ASIDES]:
        failed = aside.fault and not aside.explained
        yield f"the {aside.service}, asked {aside.call}: {words.fault(aside.fault)}" if failed else ""
        yield words.disturbance(aside.disturbed, on=aside.call)


def plain(trace: Trace) -> str:
    """The picture as text without colours: the steps, who decided, who saw the PAN, and what is missing."""
    _, amount, answer, auth_code, _ = summary(trace)
    text = [" · ".join(filter(None, (f"authorisation {words.printable(trace.trace_id)}", amount, answer, auth_code)))]
    for row in rows(trace):
        heading = row.heading
        for line in row.lines():
            text.append(f"{heading:<{INDENT}}{'  '.join(map(str, line))}".rstrip())
            heading = ""
    told = [*_told(trace), *(f"missing: {words.printable(sentence, LONGEST_SENTENCE)}" for sentence in trace.missing)]
    return "\n".join((*text, *(line for sentence in told for line in wrap(sentence, WIDTH))))


def _told(trace: Trace) -> Iterator[str]:
    verdict, (saw, never) = verdict_of(trace), who_saw_the_pan(trace)
    if verdict:
        yield f"decided at {verdict.reason}"
    yield "; ".join(
        (
            f"PAN seen by: {', '.join(saw) or nobody_seen(trace)}",
            f"never by: {', '.join(never) or 'nobody'}",
            *who_may_have_seen_the_pan(trace).values(),
        )
    )


def summary(trace: Trace) -> Summary:
    """The authorisation in one line."""
    first = next((traced for traced in trace.steps if traced.number == 1), None)
    last = next((traced for traced in trace.steps if traced.number == 9), None)
    fields = last.fields if last else {}
    elapsed_ms = (first.end_ns - first.start_ns) / 1e6 if first else 0.0
    return Summary(
        trace.trace_id[:SHOWN_DIGITS],
        words.amount(first.fields) if first else "",
        words.answer(fields["response_code"]) if "response_code" in fields else "",
        words.printable(fields.get("auth_code", "")),
        elapsed_ms,
    )


def who_saw_the_pan(trace: Trace) -> tuple[list[str], list[str]]:
    """The services that sent or received a message with a PAN in it, and those that took part and did not.

    A message counts as received where its arrival was recorded; who may have seen the PAN is in neither.
    """
    saw, took_part = set(), set()
    for traced in trace.steps:
        ends = _known_ends(trace, traced)
        took_part |= ends
        if "pan" in traced.fields:
            saw |= ends
    return _in_order(saw), _in_order(took_part - saw - who_may_have_seen_the_pan(trace).keys())


def who_may_have_seen_the_pan(trace: Trace) -> dict[str, str]:
    """The services of which it is not known whether they saw the PAN, and why, such as "sent to the issuer, …"."""
    saw = {end for traced in trace.steps if "pan" in traced.fields for end in _known_ends(trace, traced)}
    perhaps = {}
    for traced in trace.steps:
        receiver = traced.step.receiver
        reached = receiver in _known_ends(trace, traced)
        if "pan" in traced.fields and not reached and not traced.unsent:
            perhaps[receiver] = f"sent to the {receiver}, arrival not recorded"
        elif traced.step.end == "both" and reached and traced.fault:
            perhaps[receiver] = f"the {receiver}'s answer was not recorded"
    return {service: why for service, why in perhaps.items() if service not in saw}


def nobody_seen(trace: Trace) -> str:
    """What is said where no service is known to have seen the PAN: that is not that none did."""
    return "not known" if trace.missing or who_may_have_seen_the_pan(trace) else "nobody"


def _known_ends(trace: Trace, traced: TracedStep) -> set[str]:
    """The services that certainly had the message of a step: its sender, and its receiver if it arrived."""
    ends = {traced.step.sender} | ({traced.step.receiver} if _reached(trace, traced) else set())
    return ends - {"cardholder"}


def _reached(trace: Trace, traced: TracedStep) -> bool:
    """Whether a message arrived: its arrival was recorded, or who received it went on with it."""
    if traced.arrived or (traced.step.end == "both" and not traced.fault and "pan" in traced.fields):
        return True
    later = (step.step for step in trace.steps if step.number > traced.number)
    # Who waited for an answer in vain goes on without.
    return traced.step.end == "request" and any(step.sender == traced.step.receiver for step in later)


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
    label = words.field_name(change.name, change.iso8583)
    match change.name:
        case "currency" if "amount_minor" in traced.fields:
            return  # said with the amount
        case "amount_minor":
            yield Phrase(label, "", words.amount(traced.fields))
        case "response_code":
            yield Phrase(number, "", words.answer(change.after))
        case "controls_passed":
            yield from (Phrase(words.control(passed), "", "✓") for passed in change.after.split(", ")[:MOST_CONTROLS])
        case "pan" | "payment_token" if change.before:
            was, is_ = ("token", "PAN") if change.name == "pan" else ("PAN", "token")
            yield Phrase(number, f"{was} {words.value(change.before)}", f"{is_} {words.value(change.after)}")
        case "notice":
            yield Phrase("", "", f'"{words.printable(change.after)}"')
        case name:
            yield Phrase(label, words.field_value(name, change.before), words.field_value(name, change.after))


def _why_missing(found: Mapping[int, TracedStep], step: Step, *, lost: bool) -> tuple[str, bool]:
    """Why a step is not there, and whether because its call failed. lost: records are known to be missing."""
    other = next((traced for traced in found.values() if traced.step.call == step.call), None)
    if other and step.end == "response":
        if other.unsent:
            return "nobody was asked", True
        if step.receiver == "cardholder" and other.fault not in ("", "CANCELLED", "DEADLINE_EXCEEDED"):
            # It is the merchant itself that says so.
            return f"the merchant answered its caller with an error: {words.value(other.fault)}", True
        return words.fault(other.fault) or "no answer was recorded", bool(other.fault)
    if other or _within(found, step):
        return "taken, but not recorded", False
    if step.call == "Authorise" and 4 in found and "refusal" in found[4].fields:
        return "not asked: step 4 refused", False
    if step.call == "Authorise" and 4 in found and found[4].fault:
        return "not asked: step 4 was not answered", False
    return "not taken, or not recorded" if lost else "not taken", False


def _within(found: Mapping[int, TracedStep], step: Step) -> bool:
    """Whether a step was taken that only this one's call brings about: calls lie within one another."""
    request = min(step.number, 10 - step.number)
    return step.call not in ("Detokenise", "Authorise") and any(request < number < 10 - request for number in found)


_ORDER = tuple(words.WORDS)

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
