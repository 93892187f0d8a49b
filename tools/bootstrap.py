"""Prepares this folder for work: `.venv` with the locked dependencies and cardnet itself, and the code of `protos/`.

`make setup` runs it with the system's Python; it needs the standard library alone. It does only what has changed since
the last time: each part leaves a stamp in `.venv`, the digest of everything it was made from.
"""

import sys

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
if sys.version_info < (3, 11):  # this file parses in Python 3.6, so that it can say so
    sys.exit(f"cardnet: Python 3.11 or newer is needed and this is {VERSION}: please install a newer one")

import fcntl
import hashlib
import re
import subprocess
import sysconfig
import tempfile
from pathlib import Path

NO_VENV = f"cardnet: python3-venv is missing: apt-get install python{VERSION}-venv (elsewhere: a Python with ensurepip)"
try:
    import venv
except ImportError:
    sys.exit(NO_VENV)

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.lock"
PROJECT = ROOT / "pyproject.toml"


def main() -> None:
    with Path(__file__).open() as this_file:
        fcntl.flock(this_file, fcntl.LOCK_EX)  # if two come at once, the second waits and finds all done
        install_dependencies()
        install_project()
        generate_code()


def install_dependencies() -> None:
    """Build `.venv` anew: exactly what the lock names, each file checked against its hashes."""
    if PYTHON.exists() and is_fresh("dependencies", LOCK):
        return
    bundled_pip = find_bundled_pip()
    say("installing the locked dependencies (once, about 20 s) …")
    venv.create(VENV, clear=True, symlinks=True)
    # The lock's own pip first: the one that a Python of 2023 brings along needs half as long again.
    locked_pip = VENV / "pip.lock"
    locked_pip.write_text(entry_in_lock("pip"))
    install = ("install", "--quiet", "--no-compile", "--require-hashes", "--only-binary=:all:")
    failure = "the dependencies could not be installed; pip gives the reason above, often a missing network"
    run(PYTHON, bundled_pip, *install, "-r", locked_pip, failure=failure)
    run(PYTHON, "-m", "pip", *install, "-r", LOCK, failure=failure)
    compile_bytecode(sysconfig.get_path("purelib", vars={"base": str(VENV), "platbase": str(VENV)}))
    stamp("dependencies", LOCK)


def install_project() -> None:
    """Give `.venv` the command `cardnet` and the packages of this folder, as they stand (an editable install)."""
    if is_fresh("project", PROJECT):
        return
    say("installing cardnet itself …")
    install = ("install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--editable", ROOT)
    run(PYTHON, "-m", "pip", *install, failure="cardnet itself could not be installed; pip gives the reason above")
    stamp("project", PROJECT)


def generate_code() -> None:
    """Write `cardnet/v1` and `cardnet/cde/v1` from `protos/`, and remove what no proto stands behind any more."""
    protos = sorted((ROOT / "protos").rglob("*.proto"))
    if is_fresh("protos", LOCK, *protos, *generated_files()):
        return
    say("generating Python code from protos/ …")
    with tempfile.TemporaryDirectory(dir=VENV) as folder:
        protoc(f"--python_out={folder}", f"--pyi_out={folder}", *protos)
        protoc(f"--grpc_python_out={folder}", *filter(has_service, protos))
        made = {path.relative_to(folder): path for path in Path(folder).rglob("*_pb2*")}
        for stale in {path.relative_to(ROOT) for path in generated_files()} - made.keys():
            (ROOT / stale).unlink()
        for name, path in made.items():
            (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
            path.replace(ROOT / name)
    compile_bytecode("cardnet", "services")
    stamp("protos", LOCK, *protos, *generated_files())


def compile_bytecode(*folders: str) -> None:
    """Compile once, here, on all cores: else five services compile for themselves at each start, where bytecode may not
    be written. That a package has a file for another Python is no failure.
    """
    command = (str(PYTHON), "-m", "compileall", "-q", "-j", "0", *folders)
    subprocess.run(command, capture_output=True, cwd=ROOT, check=False)


def find_bundled_pip() -> Path:
    """The pip that a Python brings along for its own `ensurepip`: a wheel, and a wheel can be run as it is."""
    homes = [sysconfig.get_config_var("WHEEL_PKG_DIR"), Path(sysconfig.get_path("stdlib"), "ensurepip", "_bundled")]
    for home in filter(None, homes):
        for wheel in Path(home).glob("pip-*.whl"):
            return wheel / "pip"
    sys.exit(NO_VENV)


def entry_in_lock(package: str) -> str:
    entries = re.split(r"\n(?=\S)", LOCK.read_text())
    return next(entry for entry in entries if entry.startswith(f"{package}=="))


def protoc(*arguments: object) -> None:
    command = (PYTHON, "-m", "grpc_tools.protoc", f"-I{ROOT / 'protos'}", *arguments)
    run(*command, failure="no code could be generated from protos/; protoc gives the reason above")


def has_service(proto: Path) -> bool:
    return re.search(r"^service ", proto.read_text(), re.MULTILINE) is not None


def generated_files() -> list[Path]:
    return sorted(path for path in (ROOT / "cardnet").rglob("*_pb2*") if path.suffix in {".py", ".pyi"})


def is_fresh(part: str, *sources: Path) -> bool:
    path = stamp_of(part)
    return path.exists() and path.read_text() == digest(sources)


def stamp(part: str, *sources: Path) -> None:
    stamp_of(part).write_text(digest(sources))


def stamp_of(part: str) -> Path:
    return VENV / f"{part}.stamp"


def digest(sources: tuple[Path, ...]) -> str:
    """Of all names and contents; the names begin with this folder's, for a `.venv` does not outlive a move."""
    contents = [(str(source), hashlib.sha256(source.read_bytes()).hexdigest()) for source in sources]
    return hashlib.sha256(repr(contents).encode()).hexdigest()


def run(*command: object, failure: str) -> None:
    """Run a command in silence. If it fails, show what it said and then, in one sentence, what failed."""
    result = subprocess.run([str(word) for word in command], capture_output=True, cwd=ROOT, text=True)
    if result.returncode != 0:
        sys.exit(f"{result.stdout}{result.stderr}cardnet: {failure}")


def say(progress: str) -> None:
    print(f"cardnet: {progress}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("cardnet: interrupted; the next run takes up where this one stopped")
