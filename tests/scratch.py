"""Folders in memory for what a run throws away. A run that was killed leaves its own behind; the next removes it."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

PREFIX = "cardnet-run-"


@contextmanager
def scratch(place: Path) -> Iterator[Path]:
    """A new folder in a place, locked as long as this process lives, and removed after the block.

    What nobody holds a lock on there is of runs that are gone, and goes too.
    """
    with ExitStack() as ours:
        with _locked(place):  # so that nobody takes a folder for left that is not locked yet
            _sweep(place)
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
            ours.enter_context(_locked(folder))
        ours.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


def _sweep(place: Path) -> None:
    for left in place.glob(f"{PREFIX}*"):
        with suppress(OSError), _locked(left, fcntl.LOCK_NB):  # OSError: it is locked, or another user's
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _locked(folder: Path, option: int = 0) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | option)
        yield
    finally:
        os.close(descriptor)
