"""What a test asserts about a payment."""

from collections.abc import Sequence
from dataclasses import dataclass

from cardnet.response_code import ResponseCode
from cardnet.steps import Step
from cardnet.traced import Trace


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment that was answered, with its trace. elapsed_s: what the cardholder waited, in seconds."""

    response_code: ResponseCode
    notice: str
    auth_code: str
    rrn: str
    pan_last_four: str
    trace: Trace
    elapsed_s: float

    @property
    def approved(self) -> bool:
        """Whether the cardholder may have the goods."""
        return self.response_code.approved

    @property
    def steps(self) -> Sequence[Step]:
        """The steps that were taken, as rows of the table of steps."""
        return tuple(traced.step for traced in self.trace.steps)
