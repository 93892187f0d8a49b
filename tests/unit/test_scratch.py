"""What a run leaves in memory that was killed is removed by the next, and nothing of a run that lives."""

import subprocess
import sys
from pathlib import Path

from scratch import scratch

RUN = """
import sys
from pathlib import Path
from scratch import scratch
with scratch(Path(sys.argv[1])) as folder:
    (folder / "store").write_text("data")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_a_folder_goes_with_its_run_or_with_the_next_one(tmp_path: Path) -> None:
    command = (sys.executable, "-c", RUN, str(tmp_path))
    run = subprocess.Popen(
        command, cwd=Path(__file__).parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout
    with run:
        theirs = Path(run.stdout.readline().strip())
        with scratch(tmp_path) as ours:
            assert {*tmp_path.iterdir()} == {ours, theirs}, "a run that lives keeps its own"
        run.kill()
    assert [*tmp_path.iterdir()] == [theirs]

    with scratch(tmp_path) as ours:
        assert [*tmp_path.iterdir()] == [ours]
    assert not [*tmp_path.iterdir()]
