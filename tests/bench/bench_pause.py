"""The pause at few and at many tables, as a multiple of PAUSE and RESUME alone.

Run it: `python -m tests.bench.bench_pause [TABLES …]`, by default 10, 1,000 and 5,000,
each with as many sequences. Traffic goes to and fro while clients write through the
pooler; between the moves PgBouncer is paused and resumed and nothing else, which is the
floor. Prints the median of each part of the pause, and one JSON line.

The parts that must not grow with the number of tables are `fence` and `commit`.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from bluegreen.lab.ledger import LedgerClients
from bluegreen.lab.pooler import Pooler
from bluegreen.lab.server import Server
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.steps.world import World
from tests.kit.arena import Arena, move, open_arena, replicate
from tests.kit.databases import Database, DatabasePair, create_database
from tests.kit.wait import wait_until

MOVES = 6
FLOORS = 5
PATIENCE = timedelta(seconds=30)
AT_ONCE = 200
"""Tables made in one transaction: the locks of more do not fit the lock table."""


def main() -> int:
    """Measure and print."""
    sizes = [int(word) for word in sys.argv[1:]] or [10, 1000, 5000]
    found = {size: measure(size) for size in sizes}
    names = list(next(iter(found.values())))
    print(f"{'median ms':<14}" + "".join(f"{size:>12,}" for size in sizes))
    for name in names:
        row = "".join(f"{found[size].get(name, 0.0):12.1f}" for size in sizes)
        print(f"{name:<14}{row}")
    for size in sizes:
        ratio = found[size]["whole"] / found[size]["floor"]
        print(f"{size:,} tables: {ratio:.1f} times PAUSE and RESUME")
    print(json.dumps({"bench": "pause", **{str(k): v for k, v in found.items()}}))
    return 0


def measure(tables: int) -> dict[str, float]:
    """Medians in ms: the floor, the whole pause, and each part of it."""
    with ExitStack() as stack:
        here = opened(stack, tables)
        world = here.guarded_world()
        replicate(world)
        floors: list[float] = []
        with LedgerClients(here.client, 4) as clients:
            clients.start()
            for number in range(MOVES):
                to = Side.BLUE if number % 2 else Side.GREEN
                move(world, to, max_pause=PATIENCE, wait_for_lag=PATIENCE)
                for _ in range(FLOORS):
                    go_on(clients)
                    floors.append(floor(world))
                go_on(clients)
            result = clients.stop()
        assert result.errors == 0, result.error_texts
        return {"floor": statistics.median(floors), **parts(world)}


def opened(stack: ExitStack, tables: int) -> Arena:
    """Two servers and a pooler, with so many tables and sequences on blue."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
    folder.chmod(0o755)
    servers = [
        stack.enter_context(Server.start(major, folder / side))
        for major, side in ((16, "blue"), (18, "green"))
    ]
    pair = DatabasePair(*(create_database(s, "bench") for s in servers))
    fill(pair.blue, tables)
    LedgerClients.prepare(pair.blue.conninfo())

    def pooler(databases: object, **words: object) -> Pooler:
        started = Pooler.start(folder / "pooler", databases, **words)  # type: ignore[arg-type]
        return stack.enter_context(started)

    return stack.enter_context(open_arena(pair, pooler))


def fill(blue: Database, tables: int) -> None:
    """Make the tables, each with a sequence of its own."""
    for first in range(0, tables, AT_ONCE):
        numbers = range(first, min(tables, first + AT_ONCE))
        blue.run(
            "BEGIN;"
            + "".join(
                f"CREATE TABLE t{n} (id serial PRIMARY KEY, v text);" for n in numbers
            )
            + "COMMIT"
        )


def go_on(clients: LedgerClients) -> None:
    """Wait until the pool has logged in again: an interrupted login stalls it."""
    enough = clients.acknowledged() + 100
    wait_until(lambda: clients.acknowledged() > enough, "clients to write")


def floor(world: World) -> float:
    """PAUSE and RESUME under the same load, ms."""
    [pointer] = world.pointers
    started = time.perf_counter()
    pointer.pause(PATIENCE)
    pointer.resume()
    return (time.perf_counter() - started) * 1000


def parts(world: World) -> dict[str, float]:
    """Medians over the moves, as the journal tells them."""
    told = [r.body for r in world.journal.records() if r.kind is Kind.MOVED]
    names = list(told[0]["parts_ms"])
    return {
        "whole": statistics.median(body["pause_ms"] for body in told),
        **{n: statistics.median(body["parts_ms"][n] for body in told) for n in names},
    }


if __name__ == "__main__":
    sys.exit(main())
