"""How many spans the services say that they had to drop. Anybody may say so: only a network's programs are believed."""

from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from cardnet.identity import PROGRAMS

MOST_DROPPED = 10**12
"""The most that is believed of one service."""

MOST_RUNS = 100
"""How many counts of one service are kept apart."""


class Dropped:
    """The spans that each service had to drop."""

    def __init__(self) -> None:
        self._runs: dict[str, list[int]] = {}

    @property
    def by_service(self) -> Mapping[str, int]:
        """How many, by the services' names: those of all their instances, and from before they were started again."""
        return {name: min(sum(runs), MOST_DROPPED) for name, runs in self._runs.items()}

    def hear(self, resource: ResourceSpans) -> None:
        """Take what a service says with its spans: how many it dropped since it started."""
        known: dict[str, Any] = {attribute.key: attribute.value for attribute in resource.resource.attributes}
        if "cardnet.dropped_spans" not in known or "service.name" not in known:
            return
        name, count = known["service.name"].string_value, known["cardnet.dropped_spans"].int_value
        if name in PROGRAMS and count > 0:
            self._count(self._runs.setdefault(name, []), min(count, MOST_DROPPED))

    def _count(self, runs: list[int], count: int) -> None:
        # A count never falls: a lower one than all that are known is of another instance, or of one that began anew.
        below = max((one for one in runs if one <= count), default=None)
        if below is not None:
            runs.remove(below)
        elif len(runs) >= MOST_RUNS:
            return
        runs.append(count)
