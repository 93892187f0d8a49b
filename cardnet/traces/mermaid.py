"""One authorisation as a Mermaid sequence diagram, which GitHub and many wikis draw."""

from textwrap import wrap

from cardnet.steps import SERVICES
from cardnet.traces.picture import Row, rows, summary
from cardnet.traces.trace import Trace
from cardnet.traces.verdict import verdict_of
from cardnet.traces.words import printable

MOST_PHRASES, LONGEST_PHRASE, NOTE = 6, 60, 40
"""Of a step, and in letters of a phrase and of a note's line: arrows get no wider than a page."""


def mermaid(trace: Trace) -> str:
    """The diagram. What has a meaning in Mermaid's language is replaced, whatever the trace says."""
    verdict = verdict_of(trace)
    id_, amount, answer, _, _ = summary(trace)
    lines = ["sequenceDiagram", f"    title {_plain(' · '.join(filter(None, (id_, amount, answer or 'no answer'))))}"]
    lines += ["    actor cardholder"]
    lines += [f"    participant {name}" for name in SERVICES]
    for row in rows(trace):
        lines.append(f"    {_arrow(row)}: {_said(row)}")
        if verdict and verdict.step == row.step.number:
            lines.append(f"    Note over {_over(row)}: {_note(f'decided here: {verdict.reason}')}")
    lines += [f"    Note over cardholder,issuer: {_note(f'missing: {sentence}')}" for sentence in trace.missing[:9]]
    return "\n".join(lines) + "\n"


def _arrow(row: Row) -> str:
    """-x: it failed. Dotted: an answer. --): it was not taken."""
    if not row.taken:
        kind = "--x" if row.failed else "--)"
    elif row.failed:
        kind = "-x"
    else:
        kind = "-->>" if row.step.end == "response" else "->>"
    return f"{row.step.sender}{kind}{row.step.receiver}"


def _said(row: Row) -> str:
    told = [_plain(str(phrase), LONGEST_PHRASE) for phrase in row.phrases[:MOST_PHRASES]]
    told += [f"and {len(row.phrases) - MOST_PHRASES} more"] if len(row.phrases) > MOST_PHRASES else []
    told += [_note(row.note)] if row.note else []
    call = f"{row.step.call} answer" if row.step.end == "response" else row.step.call
    return f"{row.step.number} {call}{'<br/>' if told else ''}{', '.join(told)}"


def _over(row: Row) -> str:
    return f"{row.step.sender},{row.step.receiver}"


def _note(sentence: str) -> str:
    """A sentence in lines, because Mermaid breaks none itself."""
    return "<br/>".join(wrap(_plain(sentence, 200), NOTE)) or "-"


def _plain(text: str, longest: int = 100) -> str:
    return printable(text, longest).translate(_REPLACED)


_REPLACED = str.maketrans(dict.fromkeys(";#<>{}[]`\\%&|$*~@", "?") | {'"': "'", "_": " "})
"""What ends a statement, begins an entity or a tag, or is Markdown's."""
