"""How many authorisations there were, and how they ended: each counts once, in however many parts its trace comes."""

from collections import Counter, OrderedDict

from cardnet.traces.entry import Outcome


class Outcomes:
    """Counts authorisations by how they ended."""

    def __init__(self, remembered: int) -> None:
        """remembered: of how many, the latest, it is known as what they were counted."""
        self._remembered = remembered
        self._counted: OrderedDict[str, Outcome] = OrderedDict()
        self.seen = 0
        """Authorisations in all."""
        self.by_name: Counter[str] = Counter()
        """How many ended so: by `Entry.outcome`."""

    def count(self, trace_id: str, outcome: Outcome) -> Outcome:
        """Count an authorisation, or count it as something else than before; gives what it is counted as.

        What was counted by its answer stays so where the trace tells none any more: that half of it was let go.
        """
        before = self._counted.pop(trace_id, None)
        if before is None:
            self.seen += 1
        else:
            self.by_name[before] -= 1
        counted = before if before and outcome == "unanswered" else outcome
        self.by_name[counted] += 1
        self.remember(trace_id, counted)
        return counted

    def remember(self, trace_id: str, counted: Outcome) -> None:
        """Know as what an authorisation was counted, in another life perhaps."""
        self._counted[trace_id] = counted
        if len(self._counted) > self._remembered:
            self._counted.popitem(last=False)
