"""How the TSP grows with its tokens: one vault that is sown further and further, and looked at in between."""

from collections.abc import Sequence

from bench.results import Results
from bench.usage import memory_mb
from bench.vault.figures import Size
from bench.vault.house import House
from bench.vault.rows import call_rows
from bench.vault.sowing import sown
from bench.vault.supply import Supply

SIZES = (1_000, 10_000, 100_000, 1_000_000)
IN_FLIGHT = (1, 8)


async def grown(house: House, tokens: int, before: Sequence[Size], rounds: int, share: float) -> Size:
    """Sow on to so many tokens, start the TSP over them and ask it. before: the sizes so far. share: of rows.CALLS."""
    had = before[-1].tokens if before else 0
    stored = await sown(house, range(had + 1, tokens + 1))
    start_s = await house.start_again(fresh_log=True)
    rows, calls = await call_rows(house, Supply(house, tokens)), Results()
    for _ in range(rounds):
        for in_flight in IN_FLIGHT:
            calls.add("detokenise", in_flight, await rows["detokenise"].measure(in_flight, share))
    for row in rows.values():
        row.close()
    return Size(tokens, stored.per_token, start_s, memory_mb(house.pid), calls)
