"""docs/errors.md has every reason that the code can give, and no other."""

import ast
import re
from pathlib import Path

from cardnet import errors

ROOT = Path(__file__).parents[2]
KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.Fault)}
MALFORMED = "MALFORMED"
"""What a Malformed has for a reason where none is given; everyone gives one."""


def reasons() -> set[str]:
    """Every constant in capitals that some fault is made with."""
    found = set()
    for path in [*ROOT.joinpath("cardnet").rglob("*.py"), *ROOT.joinpath("services").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in KINDS | {
                "__init__"
            }:
                texts = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                found |= {text for text in texts if isinstance(text, str) and re.fullmatch("[A-Z_]{6,}", text)}
    return found


def test_every_reason_is_documented() -> None:
    documented = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)*)`", (ROOT / "docs" / "errors.md").read_text()))
    statuses = set(re.findall(r"StatusCode\.([A-Z_]+)", (ROOT / "cardnet" / "status.py").read_text()))
    assert len(reasons()) > 30
    assert documented - statuses - {"OK", "UNIMPLEMENTED"} == reasons() - {MALFORMED} - statuses
