"""The pause at few and at many tables, as a multiple of PAUSE and RESUME alone.

Run it: `python -m tests.bench.bench_pause [TABLES …]`, by default 10, 1,000 and 5,000,
each with as many sequences, all of which have given a number. The sizes take turns, so
that a machine that is busy now and then is busy for all of them. Traffic goes to and
fro while clients write through the pooler; between the moves PgBouncer is paused and
resumed and nothing else, which is the floor. Prints the median of each part of the
pause, and one JSON line. `MOVES` in the environment is how often traffic moves.

The parts that must not grow with the number of tables are `fence` and `commit`; `look`
are the questions behind the fence, of which one more is in `catch_up`.
"""

from __future__ import annotations

import json
import os
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
from bluegreen.postgres.replication.stream import ReplicationStream, create_subscription
from bluegreen.steps.switchover.switchover import PARTS
from bluegreen.steps.world import World
from tests.kit.arena import Arena, move, open_arena, replicate
from tests.kit.databases import Database, DatabasePair, create_database
from tests.kit.wait import wait_until

MOVES = int(os.environ.get("MOVES", "6"))
FLOORS = 5
PATIENCE = timedelta(seconds=30)

LOCKS = {"max_locks_per_transaction": "512"}
"""The schema comes to green in one transaction: some 4 locks a table."""

FILL = """
DO $$ BEGIN
    FOR n IN 1..{tables} LOOP
        EXECUTE format('CREATE TABLE %I (id serial PRIMARY KEY, v text)', 't' || n);
        -- The locks of more do not fit the lock table.
        IF n % 100 = 0 THEN COMMIT; END IF;
    END LOOP;
END $$
"""
COUNT_ON = "SELECT count(nextval(seqrelid)) FROM pg_sequence"


def main() -> int:
    """Measure and print."""
    sizes = [int(word) for word in sys.argv[1:]] or [10, 1000, 5000]
    found = measure(sizes)
    print(f"{'median ms':<14}" + "".join(f"{size:>12,}" for size in sizes))
    for name in ("floor", "whole", *PARTS, "pointer", "resume"):
        row = "".join(f"{found[size].get(name, 0.0):12.1f}" for size in sizes)
        print(f"{name:<14}{row}")
    for size in sizes:
        ratio = found[size]["whole"] / found[size]["floor"]
        print(f"{size:,} tables: {ratio:.1f} times PAUSE and RESUME")
    print(json.dumps({"bench": "pause", **{str(k): v for k, v in found.items()}}))
    return 0


def measure(sizes: list[int]) -> dict[int, dict[str, float]]:
    """Medians in ms by size: the floor, the whole pause, and each part of it."""
    with ExitStack() as stack:
        worlds = {}
        for size in sizes:
            here = opened(stack, size)
            worlds[size] = here, ready(here)
        floors: dict[int, list[float]] = {size: [] for size in sizes}
        for number in range(MOVES):
            to = Side.BLUE if number % 2 else Side.GREEN
            for size, (here, world) in worlds.items():
                floors[size] += move_once(here, world, to)
                say(size, f"tables moved to {to}")
        return {
            size: {"floor": statistics.median(floors[size]), **parts(world)}
            for size, (_, world) in worlds.items()
        }


def move_once(here: Arena, world: World, to: Side) -> list[float]:
    """Move under load; the floors right after it."""
    floors = []
    with LedgerClients(here.client, 4, think_s=0.002) as clients:
        clients.start()
        move(world, to, max_pause=PATIENCE, wait_for_lag=PATIENCE)
        for _ in range(FLOORS):
            go_on(clients)
            floors.append(floor(world))
        go_on(clients)
        result = clients.stop()
    assert result.errors == 0, result.error_texts
    return floors


def ready(here: Arena) -> World:
    """Green follows blue; 28 tables a second would be copied, and all are empty."""

    def point(name: str) -> None:
        if name == "replicate/create_slot/after_result":
            stream = ReplicationStream(here.name, Side.BLUE).name
            sides = world.green, world.blue
            create_subscription(*sides, stream, copy_data=False, enabled=True)

    world = here.guarded_world(point=point)
    replicate(world)
    # They travel with the stream.
    LedgerClients.prepare(here.pair.blue.conninfo())
    say(len(world.journal.records()), "records, and green follows")
    return world


def say(number: int, words: str) -> None:
    """What has been done, on stderr: a run takes many minutes."""
    print(f"{time.monotonic():.0f} s: {number:,} {words}", file=sys.stderr, flush=True)


def opened(stack: ExitStack, tables: int) -> Arena:
    """Two servers and a pooler, with so many tables and sequences on blue."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
    folder.chmod(0o755)
    servers = [
        stack.enter_context(Server.start(major, folder / side, settings=LOCKS))
        for major, side in ((16, "blue"), (18, "green"))
    ]
    pair = DatabasePair(*(create_database(s, "bench") for s in servers))
    LedgerClients.prepare(pair.blue.conninfo())
    fill(pair.blue, tables)

    def pooler(databases: object, **words: object) -> Pooler:
        started = Pooler.start(folder / "pooler", databases, **words)  # type: ignore[arg-type]
        return stack.enter_context(started)

    return stack.enter_context(open_arena(pair, pooler))


def fill(blue: Database, tables: int) -> None:
    """Make the tables, all empty, each with a sequence that has given a number."""
    blue.run(FILL.format(tables=tables), COUNT_ON, "TRUNCATE bank")
    say(tables, "tables are made")


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
