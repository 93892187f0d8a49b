"""The clock of a whole network: the real one, one that can be moved on, or one that stands."""

from datetime import timedelta
from pathlib import Path

from cardnet.env import SharedClock
from cardnet.errors import InvalidField


class NetworkClock:
    """What a network's services are told of their clock, and the hand that moves it."""

    def __init__(self, kind: str, frozen_at: str) -> None:
        """kind: "real" or "simulated". frozen_at: where it stands; empty for one that runs."""
        assert kind in ("real", "simulated"), 'clock must be "real" or "simulated"'
        self._frozen_at = frozen_at
        self._movable = bool(frozen_at) or kind == "simulated"
        self.file = ""
        """The file of the SharedClock; empty where the clock cannot be moved."""

    def prepare(self, folder: Path, data_dir: Path | None) -> None:
        """Make the file. A running clock that was moved on goes on from there where the data are kept.

        InvalidField if the data have seen a time that the real clock has not reached.
        """
        file = Path(data_dir if data_dir and not self._frozen_at else folder, "clock")
        if self._movable:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            SharedClock.create(file)
            self.file = str(file)
        elif file.exists() and SharedClock(file).ahead:
            raise InvalidField("clock", "must be simulated here: the clock of these data has been moved on")

    def advance(self, by: timedelta) -> None:
        """Move it on, for all services at once. ValueError if that is not forwards."""
        assert self.file, 'needs frozen_at="…" or clock="simulated"'
        SharedClock(Path(self.file), self._frozen_at).advance(by)
