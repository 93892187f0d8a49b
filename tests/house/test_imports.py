"""Who may import whom: the house's floor plan, kept by reading the code."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VALUES = {
    "traces.picture",
    "traces.trace",
    "traces.verdict",
    "traces.words",
    "traces.mermaid",
    "traces.refusals",
    "traces.lettering",
    "traces.sheet",
    "traces.timing",
    "traces.switches",
    "traces.entry",
    "traces.checks",
    "traces.difference",
    "traces.drawing",
    "traces.iso8583",
    "diagram",
    "steps",
    "card",
    "money",
    "response_code",
    "errors",
    "rules",
    "test_cards",
    "origin",
}
SERVICES = ("merchant", "acquirer", "network", "tsp", "issuer")
EDGE = ("merchant", "acquirer")
STANDARD = sys.stdlib_module_names


def modules(folder: str) -> Iterator[Path]:
    return (path for path in sorted((ROOT / folder).rglob("*.py")) if "_pb2" not in path.name)


def imports(path: Path) -> set[str]:
    """The modules that a file imports, `from a.b import c` counting as a.b."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def outside(names: set[str]) -> set[str]:
    """Those imports that are neither the standard library's nor cardnet's nor a service's."""
    return {name for name in names if name.split(".")[0] not in STANDARD | {"cardnet", "services"}}


@pytest.mark.parametrize("name", sorted(VALUES))
def test_a_value_imports_the_standard_library_and_values_alone(name: str) -> None:
    found = imports((ROOT / "cardnet").joinpath(*name.split(".")).with_suffix(".py"))
    assert not outside(found)
    ours = {module.removeprefix("cardnet.") for module in found if module.startswith("cardnet")}
    assert ours <= VALUES


def test_importing_every_value_does_not_load_grpc() -> None:
    lines = "\n".join(f"import cardnet.{name}" for name in sorted(VALUES))
    code = f"{lines}\nimport sys\nassert not {{'grpc', 'redis', 'google.protobuf'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_imports_no_other_service(service: str) -> None:
    for path in modules(f"services/{service}"):
        others = {name for name in imports(path) if name.startswith("services.")}
        assert all(name.startswith(f"services.{service}") for name in others), path


@pytest.mark.parametrize("service", EDGE)
def test_the_edge_never_touches_the_cardholder_data_environment(service: str) -> None:
    for path in modules(f"services/{service}"):
        assert not any(name.startswith("cardnet.cde") for name in imports(path)), path


@pytest.mark.parametrize("service", SERVICES)
def test_a_domain_imports_values_alone(service: str) -> None:
    found = imports(ROOT / "services" / service / "domain.py")
    assert not outside(found)
    assert not found & {"os", "time", "random", "secrets"}
    ours = {name.removeprefix("cardnet.") for name in found if name.startswith("cardnet")}
    assert ours <= VALUES


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_same_floor_plan(service: str) -> None:
    rooms = {path.name for path in (ROOT / "services" / service).iterdir()}
    store = "vault.py" if service == "tsp" else "store.py"
    assert {"__init__.py", "__main__.py", "app.py", "servicer.py", "domain.py", store, "README.md"} <= rooms


def test_what_all_share_names_no_service() -> None:
    for path in modules("cardnet"):
        named = {name for name in imports(path) if name.split(".")[0] == "services"}
        assert not named, path


def test_the_console_stands_without_the_kit() -> None:
    for path in (*modules("cardnet/console"), ROOT / "cardnet" / "cli" / "collected.py"):
        assert not {name for name in imports(path) if name.startswith("cardnet.testing")}, path


def test_only_env_reads_a_clock_or_draws_a_number() -> None:
    for folder in ("cardnet", "services"):
        for path in modules(folder):
            if path.name in ALLOWED_TIME_AND_CHANCE:
                continue
            found = imports(path) & {"random", "time", "datetime.datetime.now"}
            assert not found, f"{path} imports {found}"


ALLOWED_TIME_AND_CHANCE = {
    "env.py",  # the one source
    "call.py",  # deadlines, on the monotonic clock
    "border.py",  # deadlines
    "acting.py",  # the kit times what a cardholder waits
}


def test_no_folder_or_file_is_named_after_nothing() -> None:
    nothing = {"utils", "common", "helpers", "manager", "base", "misc"}
    for folder in ("cardnet", "services"):
        for path in modules(folder):
            assert not {path.stem, *path.parts} & nothing, path
