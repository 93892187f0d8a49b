"""What cannot be read is left out, and said once: a sender of such would have it said with each span."""

import logging

log = logging.getLogger("cardnet")


class Unreadable:
    """Says what could not be read."""

    def __init__(self) -> None:
        self._said = False

    def say(self, error: Exception) -> None:
        """Once, and by type and place alone: the text may hold anything."""
        place = error.__traceback__
        while place and place.tb_next:
            place = place.tb_next
        if not self._said:
            where = f"{place.tb_frame.f_code.co_name}:{place.tb_lineno}" if place else "?"
            log.warning("a trace cannot be read and is left out: %s at %s", type(error).__name__, where)
        self._said = True
