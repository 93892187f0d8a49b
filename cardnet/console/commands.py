"""The commands that ask this very network, to be typed in another terminal."""

from dataclasses import dataclass

_USUAL = ("127.0.0.1:50051", "127.0.0.1:50054", "127.0.0.1:4317")


@dataclass(frozen=True)
class Commands:
    """What is to be added to commands so that they ask this network: options after a space, empty where none is needed.

    name: what the command is called.
    """

    name: str = "cardnet"
    to_pay: str = ""
    to_trace: str = ""
    to_act: str | None = ""
    """For what an operator does; None where it cannot be done from a terminal."""

    @classmethod
    def at(cls, merchant: str, tsp: str, collector: str, name: str = "cardnet", *, acting: bool = True) -> "Commands":
        """Of a network of this machine, at host:port each. acting: whether an operator is let in."""
        usual = (merchant, tsp, collector) == _USUAL
        return cls(
            name,
            "" if usual else f" --merchant {merchant} --tsp {tsp}",
            "" if usual else f" --collector {collector}",
            None if not acting else "" if usual else f" --network {merchant.rpartition(':')[2]}",
        )

    def pay(self, card: str = "approved") -> str:
        """A payment with one of the test cards."""
        return f"{self.name} pay --card {card} --amount 12.40{self.to_pay}"

    def trace(self, trace_id: str = "") -> str:
        """The steps of one authorisation, or the list of the latest."""
        return f"{self.name} trace{f' {trace_id}' if trace_id else ''}{self.to_trace}"

    def trigger(self, path: str) -> str:
        """A negative path; empty where nobody can play it."""
        return "" if self.to_act is None else f"{self.name} trigger {path}{self.to_act}"

    def tokens(self, action: str, reference: str = "") -> str:
        """Something that is done to a token, or to all; empty where it cannot be done."""
        named = f" {reference}" if reference else ""
        return "" if self.to_act is None else f"{self.name} tokens {action}{named}{self.to_act}"
