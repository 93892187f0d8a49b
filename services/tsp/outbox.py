"""What requestors have yet to be told of: written beside each token's record, in the same step as the change itself.

    tsp:{reference}:outbox  the version after each change -> the notification, without its position
    tsp:{outbox}:waiting    a mark for each change that may be in an outbox: "reference:version"

Whoever changes a token sets the mark first. A mark names one version and falls only when the record has come to that
version: only then can nothing be written any more that the mark is needed for. A mark for the token as a whole could
fall between somebody else's setting it and writing, and the change would be told by chance alone.
"""

from collections import defaultdict

from cardnet.store import Store

WAITING = "tsp:{outbox}:waiting"


def mark(reference: str, version: int) -> str:
    """What is put into WAITING before a token's record is written in this version."""
    return f"{reference}:{version}"


class Outbox:
    """The changes that wait. Raises Unavailable when the store does not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def waiting(self) -> dict[str, set[str]]:
        """The tokens that may have something, by their references, each with its marks."""
        marks: defaultdict[str, set[str]] = defaultdict(set)
        for member in await self._store.command("SMEMBERS", WAITING):
            text = member.decode(errors="replace")  # others may have written there
            marks[text.rpartition(":")[0]].add(text)
        return marks

    async def version_of(self, reference: str) -> int:
        """The version of a token's record; -1 where there is none."""
        return int(await self._store.command("HGET", f"tsp:{{{reference}}}:record", "version") or -1)

    async def changes(self, reference: str) -> list[tuple[int, bytes]]:
        """What waits of a token, each change with the version after it, in their order."""
        changes = await self._store.command("HGETALL", f"tsp:{{{reference}}}:outbox")
        return sorted((int(version), change) for version, change in changes.items())

    async def forget(self, reference: str, version: int) -> None:
        """Remove a change that has been passed on."""
        await self._store.command("HDEL", f"tsp:{{{reference}}}:outbox", str(version))

    async def clear(self, reference: str, marks: set[str], version: int) -> None:
        """Remove those of a token's marks that are for no later version than this one."""
        settled = [text for text in marks if int(text.rpartition(":")[2]) <= version]
        if settled:
            await self._store.command("SREM", WAITING, *settled)
