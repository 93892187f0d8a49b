"""Card keys that are made once and given out again in each test: 2,048 bits of RSA take a processor 70 ms or more."""

from threading import Lock

from services.tsp.keyed import new_card_secret


class CardSecrets:
    """In the place of `new_card_secret`. Within one test no two are alike, and none is like one from outside a test."""

    def __init__(self) -> None:
        self._made: list[bytes] = []
        self._given: int | None = None
        self._lock = Lock()  # keys are made in threads

    def begin(self) -> None:
        """A test begins: all may be given out again."""
        self._given = 0

    def end(self) -> None:
        """It has ended: whoever asks now stays for several tests, and gets a key that nobody else has."""
        self._given = None

    def __call__(self) -> bytes:
        with self._lock:
            if self._given is None:
                return new_card_secret()
            if self._given == len(self._made):
                self._made.append(new_card_secret())
            self._given += 1
            return self._made[self._given - 1]
