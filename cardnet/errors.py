"""What can go wrong with a question, as opposed to an answer that says no.

A refusal is an answer: a response code. A fault says that the question could not be answered; `cardnet/border.py` turns
each into a gRPC status. A fault's text names fields and rules and never quotes a value: anybody may see it.
"""


class Fault(Exception):
    """The question could not be answered.

    reason: a constant for programs, such as "DEADLINE_REQUIRED". sentence: for people; says what to do next.
    """

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence
        self.trace_id = ""
        """The trace of the call that ended with it, where a service told: what was done until then stands there."""


class Malformed(Fault):
    """The message could never have been valid. Nothing was stored."""

    def __init__(self, sentence: str, reason: str) -> None:
        super().__init__(reason, sentence)


class InvalidField(Malformed):
    """A field breaks its rule.

    field: the path of the field, such as "token_data.payment_token". rule: what would be right: "must be 11 digits".
    """

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}", "INVALID_FIELD")
        self.field = field
        self.rule = rule

    def within(self, parent: str) -> "InvalidField":
        """The same violation, seen from the message that contains this one in its field `parent`."""
        return InvalidField(f"{parent}.{self.field}", self.rule)


class Unauthenticated(Fault):
    """The caller did not show who it is."""


class NotPermitted(Fault):
    """The caller is known and may not make this call."""


class KeyReused(Fault):
    """An idempotency key or reference came again with another body. Nothing was done."""


class InProgress(Fault):
    """The same request is being answered at this moment. Ask again."""


class NotFound(Fault):
    """What the message names does not exist."""


class Overloaded(Fault):
    """Too much at once; the request was not begun."""


class Unavailable(Fault):
    """A neighbour or the store cannot be reached, or did not answer. Whether it acted is not known."""


class TimedOut(Unavailable):
    """The answer did not come before the deadline. Whether it was acted upon is not known."""
