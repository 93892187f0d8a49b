"""What is kept of an error that Redis or Valkey answers with: its kind, and never its text, which echoes arguments."""

import re
from typing import Final, NamedTuple

_EXPLANATIONS: Final = {
    "OOM": "it is out of memory",
    "MISCONF": "it cannot write to its disk",
    "READONLY": "it is a read-only replica",
    "NOPERM": "its user has no right to this command or key; see its ACL",
    "NOAUTH": "it wants a user and a password",
    "WRONGPASS": "it does not know this user and password",
    "WRONGTYPE": "a key holds another type of value",
    "BUSY": "it is busy with a script",
    "MOVED": "it is a node of a cluster: its URL must begin with redis+cluster:// or rediss+cluster://",
    "ASK": "it is a node of a cluster: its URL must begin with redis+cluster:// or rediss+cluster://",
    "NOCLUSTER": "it is no cluster: its URL must begin with redis:// or rediss://",
}

_PASSING: Final = {
    "LOADING": "is still reading its data; ask again in a moment",
    "CLUSTERDOWN": "is a cluster in which nobody serves this key now; ask again when a replica has taken over",
    "TRYAGAIN": "is a cluster that is moving this key to another node; ask again in a moment",
    "NOREPLICAS": "has too few replicas to take writes; ask again when they are back",
    "UNSTEADY": "is a cluster that is moving keys between its nodes: ask again when that is done",
}
"""What is so for a while. Nothing was done."""

_NOPERM_WITHIN_A_FUNCTION: Final = ("ERR ACL failure in script", "ERR The user executing the script can't")
"""How Valkey 9 and Redis 7.0 begin such an error, which lost its code on its way through Lua."""

_NO_CLUSTER: Final = "ERR This instance has cluster support disabled"

_LINE: Final = re.compile(r"user_script:([0-9]{1,4})\b")
"""Where a function failed. Four digits at most, so that nothing else can pass for a line."""

_ELSEWHERE: Final = re.compile(r"(?:MOVED|ASK) [0-9]{1,5} ([^ ]*):([0-9]{1,5})")


class Place(NamedTuple):
    """Where a node of a cluster listens. host: empty for the host of whoever said so."""

    host: str
    port: int


class Refusal(Exception):  # noqa: N818 - hiredis wants an exception; it is handed around as a value and never raised
    """An error reply. code: its kind, such as "OOM" or "ERR". elsewhere: who is to be asked instead, in a cluster."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.code = _code(text)
        self.script_missing = text.startswith("NOSCRIPT")
        line = _LINE.search(text)
        self._at_line = f" (line {line[1]} of its script)" if line else ""
        node = _ELSEWHERE.fullmatch(text)
        self.elsewhere = Place(node[1], int(node[2])) if node else None

    @property
    def passing(self) -> str:
        """What to tell people of a state that passes: half a sentence about the store; empty for any other error."""
        return _PASSING.get(self.code, "")

    @property
    def explanation(self) -> str:
        """What to tell people: half a sentence that quotes nothing but a line number."""
        return _EXPLANATIONS.get(self.code, "it answered with an error") + self._at_line


def _code(text: str) -> str:
    if text.startswith(_NOPERM_WITHIN_A_FUNCTION):
        return "NOPERM"
    if text.startswith(_NO_CLUSTER):
        return "NOCLUSTER"
    first = text.partition(" ")[0]
    return first if first in _EXPLANATIONS or first in _PASSING else "ERR"
