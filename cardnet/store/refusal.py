"""What is kept of an error that Redis or Valkey answers with: its kind, and never its text, which echoes arguments."""

import re
from typing import Final

_EXPLANATIONS: Final = {
    "OOM": "it is out of memory",
    "MISCONF": "it cannot write to its disk",
    "READONLY": "it is a read-only replica",
    "NOPERM": "its user has no right to this command or key; see its ACL",
    "NOAUTH": "it wants a user and a password",
    "WRONGPASS": "it does not know this user and password",
    "WRONGTYPE": "a key holds another type of value",
    "BUSY": "it is busy with a script",
    "LOADING": "it is still reading its data",
}

_NOPERM_WITHIN_A_FUNCTION: Final = ("ERR ACL failure in script", "ERR The user executing the script can't")
"""How Valkey 9 and Redis 7.0 begin such an error, which lost its code on its way through Lua."""

_LINE: Final = re.compile(r"user_script:([0-9]{1,4})\b")
"""Where a function failed. Four digits at most, so that nothing else can pass for a line."""


class Refusal(Exception):  # noqa: N818 - hiredis wants an exception; it is handed around as a value and never raised
    """An error reply. code: its kind, such as "OOM" or "ERR"."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.code = _code(text)
        self.script_missing = text.startswith("NOSCRIPT")
        line = _LINE.search(text)
        self._place = f" (line {line[1]} of its script)" if line else ""

    @property
    def explanation(self) -> str:
        """What to tell people: half a sentence that quotes nothing but a line number."""
        return _EXPLANATIONS.get(self.code, "it answered with an error") + self._place


def _code(text: str) -> str:
    if text.startswith(_NOPERM_WITHIN_A_FUNCTION):
        return "NOPERM"
    first = text.partition(" ")[0]
    return first if first in _EXPLANATIONS else "ERR"
