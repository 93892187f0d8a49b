"""Fault switches: what happens to the calls of a hop, on a network that was started to be disturbed.

The network's owner writes the switches into a file, whole and at once; each caller looks at each of its calls whether
that file has changed. A service that is told of no such file has none of this on the way of its calls.
"""

import json
import logging
import os
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from grpc import StatusCode

from cardnet.errors import InvalidField, NotFound
from cardnet.identity import MAY_CALL
from cardnet.span import SERVED_BY

Kind = Literal["latency", "drop request", "drop answer", "duplicate", "error"]
KINDS: tuple[Kind, ...] = get_args(Kind)

ERRORS = tuple(code.name for code in StatusCode if code is not StatusCode.OK)
"""The gRPC statuses that a switch may answer with."""

STREAMS = {"/cardnet.v1.TokenNotifications/FollowTokens"}
"""What `Faulty` lets pass undisturbed: no payment is a stream."""

MOST_MS, MOST_TIMES, MOST_SWITCHES = 60_000, 10_000, 50


log = logging.getLogger("cardnet")


@dataclass(frozen=True, kw_only=True)
class Switch:
    """One disturbance of one hop."""

    id: int
    hop: str
    """Who asks and who is asked: "network-issuer"."""
    kind: Kind
    call: str = ""
    """The RPC that alone is disturbed: "Authorise"; empty for all that travel there, reversals too."""
    latency_ms: int = 0
    """With "latency": how much later the request arrives."""
    error: str = ""
    """With "error": the gRPC status that the caller gets; nobody is asked."""
    times: int = 0
    """How many calls it disturbs; 0 for all, until it is taken back."""
    left: int = 0
    """How many of them are still to come. 0 with times 0, too."""

    @property
    def spent(self) -> bool:
        """Whether it has done what it was set for."""
        return self.times > 0 and self.left == 0

    @property
    def words(self) -> str:
        """What it does, for people."""
        return {
            "latency": f"each request arrives {self.latency_ms:,} ms later",
            "drop request": "the request does not arrive",
            "drop answer": "the answer is lost",
            "duplicate": "each request arrives twice",
            "error": f"answered {self.error}, nobody is asked",
        }[self.kind]

    def claim(self, file: Path) -> bool:
        """Whether this call is one of those to be disturbed; counted if so.

        A byte for each, appended: where it came to lie is its number, exact among all processes and over a restart.
        """
        if not self.times:
            return True
        counted = os.open(_count_of(file, self.id), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if os.fstat(counted).st_size >= self.times:
                return False
            os.write(counted, b".")
            return os.lseek(counted, 0, os.SEEK_CUR) <= self.times
        finally:
            os.close(counted)


class Faults:
    """The switches of a network, in its owner's hand."""

    def __init__(self, file: Path, hops: Collection[str]) -> None:
        """file: where the callers read them. hops: those that there are."""
        self._file = file
        self.hops = tuple(hops)
        self._set: dict[int, Switch] = {}
        self._last = self._edition = 0
        self._write()

    @property
    def switches(self) -> list[Switch]:
        """All that are set, in the order in which they were, with the calls that each has left."""
        return [replace(switch, left=self._left(switch)) for switch in self._set.values()]

    def set(
        self,
        hop: str,
        *,
        latency_ms: int = 0,
        drop: str = "",
        duplicate: bool = False,
        error: str = "",
        call: str = "",
        times: int = 0,
    ) -> Switch:
        """Disturb a hop, such as "network-issuer", in one way, from its next call on. InvalidField.

        latency_ms: each request arrives so much later. drop: "request": it does not arrive; "answer": it does, and the
        caller never hears of it; either way the caller waits for its deadline. duplicate: each request arrives twice.
        error: the caller gets this gRPC status at once, nobody is asked. call: this RPC alone, such as "Authorise";
        else every call counts, reversals too. times: for so many calls; 0: until `clear`.
        """
        kind = _kind(latency_ms, drop, duplicate, error)
        self._check(hop, call, latency_ms, error, times)
        self._last += 1
        switch = Switch(
            id=self._last, hop=hop, kind=kind, call=call, latency_ms=latency_ms, error=error, times=times, left=times
        )
        self._set[switch.id] = switch
        self._write()
        return switch

    def clear(self, switch: Switch | int | None = None) -> None:
        """Take a switch back, or all of them. NotFound where it was taken back already."""
        if switch is None:
            self._set.clear()
        elif self._set.pop(switch.id if isinstance(switch, Switch) else switch, None) is None:
            raise NotFound("FAULT_UNKNOWN", "no such switch: it was taken back already")
        self._write()

    def _check(self, hop: str, call: str, latency_ms: int, error: str, times: int) -> None:
        if hop not in self.hops:
            raise InvalidField("hop", f"must be one of {', '.join(self.hops)}")
        if call and call not in calls_of(hop):
            raise InvalidField("call", f"must be one of {', '.join(calls_of(hop))}; empty for all")
        if not 0 <= latency_ms <= MOST_MS:
            raise InvalidField("latency_ms", f"must be 1 to {MOST_MS:,}")
        if error and error not in ERRORS:
            raise InvalidField("error", f"must be a gRPC status: {', '.join(ERRORS)}")
        if not 0 <= times <= MOST_TIMES:
            raise InvalidField("times", f"must be 0 to {MOST_TIMES:,}; 0 is until it is taken back")
        if len(self._set) >= MOST_SWITCHES:
            raise InvalidField("faults", f"must be {MOST_SWITCHES} at most: take some back")

    def _left(self, switch: Switch) -> int:
        try:
            used = _count_of(self._file, switch.id).stat().st_size
        except FileNotFoundError:
            used = 0
        return max(0, switch.times - used)

    def _write(self) -> None:
        new = self._file.with_name(f"{self._file.name}.new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
            json.dump([asdict(switch) for switch in self._set.values()], opened)
        # When a file was written is told too coarsely for two in one millisecond: its time is its edition's number.
        self._edition += 1
        os.utime(new, (self._edition, self._edition))
        new.replace(self._file)


class Reading:
    """The switches of one hop as its caller reads them: anew whenever the file is another."""

    def __init__(self, file: Path, hop: str) -> None:
        self._file, self._hop = file, hop
        self._edition = 0.0
        self._switches: tuple[Switch, ...] = ()
        self._said = False

    def now(self) -> tuple[Switch, ...]:
        """Those that are set at this moment; none where the file is gone, with its network.

        Where the file cannot be read, those that were read last: a call is not to fail of it.
        """
        try:
            edition = self._file.stat().st_mtime
            if edition != self._edition:
                read = json.loads(self._file.read_bytes())
                self._switches = tuple(Switch(**one) for one in read if one["hop"] == self._hop)
                self._edition = edition  # one that was written in between is read at the next call
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            if not self._said:
                log.warning("the fault switches of %s cannot be read: %s", self._hop, type(error).__name__)
            self._said = True
        return self._switches


def calls_of(hop: str) -> list[str]:
    """The RPCs that travel there and can be disturbed, by their own names."""
    caller, _, callee = hop.partition("-")
    return sorted(
        method.rpartition("/")[2]
        for method, callers in MAY_CALL.items()
        if caller in callers and SERVED_BY.get(method.split("/")[1]) == callee and method not in STREAMS
    )


def _kind(latency_ms: int, drop: str, duplicate: bool, error: str) -> Kind:
    if drop not in ("", "request", "answer"):
        raise InvalidField("drop", 'must be "request" or "answer"')
    wanted: list[Kind] = []
    if latency_ms:
        wanted.append("latency")
    if drop:
        wanted.append("drop request" if drop == "request" else "drop answer")
    if duplicate:
        wanted.append("duplicate")
    if error:
        wanted.append("error")
    if len(wanted) != 1:
        raise InvalidField("kind", "must be exactly one of latency_ms, drop, duplicate and error")
    return wanted[0]


def _count_of(file: Path, id_: int) -> Path:
    """Where the calls are counted that a switch has disturbed, a byte each."""
    return file.with_name(f"{file.name}.{id_}")
