"""docs/conformance.md: no statement is without a test, and every test that it names is there to be run."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]

STATEMENTS = [
    *("A01", "A02", "A03"),
    *("A11", "A12", "A13", "A14", "A15", "A16"),
    *("A21", "A22", "A31", "A32"),
    *("A41", "A42", "A43", "A44", "A45", "A46", "A47"),
    *("A51", "A52", "A53", "A61", "A62", "A63", "A64", "A65", "A66", "A67"),
    *("A71", "A72", "A73", "A74", "A75", "A76", "A81", "A91"),
    *("L1", "L2", "L3", "L4", "L5", "L6", "L7"),
    *("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10"),
    *("B21", "B22", "B23", "B31", "B32", "B33", "B34", "B35", "B36", "B41", "B42"),
    *(f"C{number:02}" for number in range(1, 13)),
]


class Row(NamedTuple):
    """One row of a table. kind: R for required, O for optional. tests: their ids, each within backticks."""

    id: str
    kind: str
    statement: str
    tests: str


def rows() -> list[Row]:
    lines = (ROOT / "docs" / "conformance.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [Row(*row) for row in cells if re.fullmatch(r"[A-Z][0-9]+", row[0])]


def test_every_statement_stands_there_once_and_in_order() -> None:
    assert [row.id for row in rows()] == STATEMENTS
    assert all(row.statement and row.kind in ("R", "O") for row in rows())


NAMED = [(row.id, test) for row in rows() for test in row.tests.split("<br>")]


@pytest.mark.parametrize(("id_", "test"), NAMED)
def test_the_tests_of_a_statement_exist_and_are_run(id_: str, test: str) -> None:
    path, _, name = test.strip("`").partition("::")
    assert test == f"`{path}::{name}`", id_
    assert path.startswith("tests/")

    tests = [
        node
        for node in ast.parse((ROOT / path).read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
    ]

    assert len(tests) == 1, f"{path} has no test of its own called {name}"
    assert name.startswith("test_")
    marks = " ".join(ast.unparse(decorator) for decorator in tests[0].decorator_list)
    assert not [word for word in ("skip", "xfail") if word in marks]


def test_no_test_stands_for_two_statements() -> None:
    named = [test for _, test in NAMED]
    assert len(set(named)) == len(named)
