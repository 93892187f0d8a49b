"""An authorisation as one line of a list, and which lines somebody wants to see."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

from cardnet.errors import InvalidField
from cardnet.traces.picture import summary
from cardnet.traces.trace import Trace
from cardnet.traces.verdict import verdict_of
from cardnet.traces.words import approves, printable

Outcome = Literal["approved", "refused", "unanswered"]
OUTCOMES: tuple[Outcome, ...] = ("approved", "refused", "unanswered")


@dataclass(frozen=True, slots=True)
class Entry:
    """One authorisation. Text is printable, and empty where the trace does not tell."""

    trace_id: str
    started_ns: int
    """Nanoseconds since 1970."""
    elapsed_ms: float
    """0 where the clock is frozen."""
    outcome: Outcome
    """unanswered: the cardholder got no response code."""
    response_code: str
    answer: str
    """Code and meaning: "51 insufficient funds"."""
    amount: str
    """Such as "12.40 USD"."""
    merchant: str
    """The merchant's name, or else its identifier."""
    token_last_four: str
    decided_by: str
    """The service whose word it was; "fault switch" where that let the call fail which left the cardholder without."""
    decided_at: int
    """The step in which it said so; 0 where the trace does not tell."""
    steps: tuple[int, ...]
    """The numbers of the steps that were taken."""
    complete: bool

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


OnEntry = Callable[[Entry], None]
"""Is told of each authorisation once its trace is complete, or nothing more of it came; and again if something did."""


def entry_of(trace: Trace) -> Entry:
    """The line of a trace."""
    line, verdict = summary(trace), verdict_of(trace)
    by_number = {step.number: step for step in trace.steps}
    last = by_number[9].fields if 9 in by_number else {}
    code = last.get("response_code", "")
    return Entry(
        trace_id=trace.trace_id,
        started_ns=min((step.start_ns for step in trace.steps), default=0),
        elapsed_ms=round(line.elapsed_ms, 3),
        outcome="unanswered" if not code else "approved" if approves(code) else "refused",
        response_code=printable(code)[:2],
        answer=line.answer,
        amount=line.amount,
        merchant=printable(_first(trace, "merchant_name") or _first(trace, "merchant_id")),
        token_last_four=printable(_first(trace, "payment_token")[-4:]),
        decided_by=verdict.service if verdict else "",
        decided_at=verdict.step if verdict else 0,
        steps=tuple(trace.numbers()),
        complete=not trace.missing,
    )


def _first(trace: Trace, name: str) -> str:
    """What the first step says that has this field."""
    for step in trace.steps:
        if said := step.fields.get(name):
            return said
    return ""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines somebody wants. Empty members want everything. It is also the query of the console's address."""

    outcome: str = ""
    merchant: str = ""
    """A part of the name; capitals do not matter."""
    token: str = ""
    """The token's last four digits."""
    code: str = ""
    """The response code."""
    slower_ms: str = ""
    """At least so slow, in milliseconds."""

    @classmethod
    def parse(cls, query: str) -> "Filter":
        """Read "outcome=refused&merchant=shop"; names that it does not know are left alone. InvalidField."""
        given = dict(parse_qsl(query))
        wanted = cls(**{field.name: given.get(field.name, "").strip()[:100] for field in fields(cls)})
        wanted._check()
        return wanted

    def query(self) -> str:
        """What `parse` reads: empty for one that wants everything."""
        return urlencode({name: value for name, value in asdict(self).items() if value})

    def matches(self, entry: Entry) -> bool:
        """Whether a line is wanted."""
        return (
            self.outcome in ("", entry.outcome)
            and self.merchant.lower() in entry.merchant.lower()
            and self.token in ("", entry.token_last_four)
            and self.code.upper() in ("", entry.response_code)
            and entry.elapsed_ms >= float(self.slower_ms or 0)
        )

    def _check(self) -> None:
        if self.outcome not in ("", *OUTCOMES):
            raise InvalidField("outcome", f"must be one of {', '.join(OUTCOMES)}")
        if self.token and not (len(self.token) == 4 and self.token.isascii() and self.token.isdigit()):
            raise InvalidField("token", "must be the last four digits of a token")
        if self.code and not (len(self.code) == 2 and self.code.isascii() and self.code.isalnum()):
            raise InvalidField("code", "must be a response code of two letters or digits")
        if self.slower_ms and not (self.slower_ms.isascii() and self.slower_ms.isdigit() and len(self.slower_ms) <= 6):
            raise InvalidField("slower_ms", "must be a number of milliseconds, such as 250")
