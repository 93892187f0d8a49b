"""British spelling, sizes in which one knows one's way, and no address of this or any registry's machine."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
AMERICAN = re.compile(
    r"\b(\w*(?:authoriz|tokeniz|recogniz|normaliz|serializ|initializ|organiz|customiz)(?:e|ed|es|ing|ation|er)|"
    r"color(?!-scheme)|behavior|favor|honor)\b",
    re.IGNORECASE,
)

LIBRARIES = re.compile(
    r"(?i:tokenized[ _-]?cards?)|TokenizedCard\w*|\.color\b|\"authorization\"|\b\w*[sS]erializ\w*|`[^`]*`"
)
"""Names that others chose, W3C's Tokenized Card Payment among them."""


def tracked(*endings: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    return [ROOT / name for name in listed.stdout.splitlines() if name.endswith(endings) and (ROOT / name).is_file()]


def test_the_spelling_is_british() -> None:
    found = []
    for path in tracked(".py", ".proto", ".md", ".lua"):
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            ours = LIBRARIES.sub("", line)
            found += [f"{path.relative_to(ROOT)}:{number}: {match.group()}" for match in AMERICAN.finditer(ours)]
    assert not found


def test_a_file_is_small_enough_to_know() -> None:
    sizes = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in tracked(".py")}
    assert not {path: lines for path, lines in sizes.items() if lines > 300}


def test_no_lock_or_setting_holds_an_address() -> None:
    for name in ("requirements.lock", "pyproject.toml", "Makefile"):
        text = (ROOT / name).read_text()
        assert "index-url" not in text
        assert not re.search(r"https?://[a-z0-9.]*py(pi|thonhosted)", text), name


def test_no_two_test_files_that_run_together_have_one_name() -> None:
    names = [path.name for path in tracked(".py") if path.name.startswith("test_") and "containers" not in path.parts]
    assert len(names) == len(set(names)), sorted({name for name in names if names.count(name) > 1})
