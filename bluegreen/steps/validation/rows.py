"""The proof that every row of blue is on green, while blue takes writes.

Owns running many tables at once; one table is compared by `postgres/compare/rows.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from queue import SimpleQueue
from typing import Any, Literal

from bluegreen.model.body import Body
from bluegreen.model.codes import Code
from bluegreen.model.errors import StepError
from bluegreen.model.hazard import Hazard
from bluegreen.model.progress import Progress
from bluegreen.model.side import Side
from bluegreen.model.witness import Witness
from bluegreen.postgres.compare.checksum import TablePlan
from bluegreen.postgres.compare.pair import MarkerSender, Pair
from bluegreen.postgres.compare.rows import Comparer, TableResult
from bluegreen.postgres.compare.table_plans import (
    read_plans,
    sent_only,
    subscription_oid,
)
from bluegreen.postgres.replication.publication import read_publication
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.postgres.replication.witness import read_witness
from bluegreen.postgres.schema.mapping_triggers import read_given
from bluegreen.steps.validation.proof import SERVES, Proof, differs
from bluegreen.steps.world import World

_LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class TableCompared(Body):
    """A table that was found alike; see `TableResult`."""

    table: str
    rows: int
    checksum: str = ""
    looked_again: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RowsCompared(Body):
    """What the result of `CompareRows` holds beside what every proof has.

    Attributes:
        summary: in words.
        tables: what was proved of each.
        witness: green then; None where only counts were compared.
    """

    summary: str = ""
    tables: tuple[TableCompared, ...] = ()
    witness: Witness | None = None


class CompareRows(Proof):
    """Every row of every common table is the same on both sides.

    Tables that green's subscription feeds are compared, or all common tables where
    there is none. Columns that only one side has, that blue keeps back, or that a
    mapping gives a value on green, are left out.

    Crash: nothing was changed but marker rows; the proof is made again.
    """

    hazards = frozenset({Hazard.LOADS_BLUE})
    title = "green holds blue's rows"
    max_age = timedelta(hours=24)
    """A stream has been seen to leave rows out without a trace; a day's worth of trust
    is what a person gives a backup as well."""

    def __init__(
        self,
        step_id: str,
        how: Literal["checksum", "count"],
        workers: int,
        deadline: timedelta,
    ) -> None:
        super().__init__(step_id)
        self.how = how
        self.workers = workers
        self.deadline = deadline

    def asked(self, world: World) -> Mapping[str, Any]:
        """How rows are compared."""
        return {"how": self.how}

    def prove(self, world: World) -> dict[str, Any]:
        """Compare all tables."""
        stream = ReplicationStream(world.name, Side.BLUE).name
        published = read_publication(world.blue, stream) or ()
        plans = sent_only(
            read_plans(world.blue, world.green, stream),
            published,
            read_given(world.green),
        )
        witness = read_witness(world.green, stream, world.blue)
        streams = bool(subscription_oid(world.green, stream))
        if not plans:
            raise _nothing_compared(streams=streams)
        results = self.compare(world, Side.BLUE, plans, streams=streams)
        lines = [
            f"{one.table}: {words}"
            for one in results
            for words in (*one.differences, *_more(one))
        ]
        if lines:
            tables = sum(bool(one.differences) for one in results)
            raise differs(
                f"rows differ between blue and green in {tables} tables",
                lines,
                wanted="every row alike in the columns that both sides have",
                hint="was green written to by hand, does a migration change these "
                "columns, or does a trigger on green? Fix green's rows, or make green "
                "again, then run again",
            )
        rows = sum(one.rows for one in results)
        return RowsCompared(
            summary=f"{rows} rows in {len(results)} tables are alike ({self.how})",
            tables=tuple(map(_told, results)),
            witness=witness if self.how == "checksum" else None,
        ).as_body()

    def compare(
        self,
        world: World,
        publisher: Side,
        plans: Sequence[TablePlan],
        *,
        streams: bool,
    ) -> list[TableResult]:
        """Compare tables of the side that serves with those of its subscriber."""
        end = world.clock.monotonic() + self.deadline.total_seconds()
        ends = world.on(publisher), world.on(publisher.other)
        sender = MarkerSender(*ends, world.clock, streams=streams)
        pairs = [Pair(*ends) for _ in range(self.workers)]
        free: SimpleQueue[Pair] = SimpleQueue()
        with (
            ThreadPoolExecutor(2 * self.workers) as both,
            ThreadPoolExecutor(self.workers) as pool,
        ):

            def compare(plan: TablePlan) -> TableResult:
                pair = free.get()
                try:
                    comparer = Comparer(
                        pair,
                        both,
                        sender,
                        world.clock,
                        lambda: world.clock.monotonic() > end,
                    )
                    if self.how == "count":
                        return comparer.counts(plan)
                    return comparer.checksums(plan)
                finally:
                    free.put(pair)

            try:
                for pair in pairs:
                    pair.open()
                    free.put(pair)
                return _gather([pool.submit(compare, plan) for plan in plans], world)
            except BaseException:
                _stop(pool, pairs)
                raise
            finally:
                pool.shutdown()
                both.shutdown()
                for pair in pairs:
                    pair.close()


def _nothing_compared(*, streams: bool) -> StepError:
    """Nothing is never taken for an answer: no row of anybody was seen."""
    seen = "green has no table in common with blue"
    if streams:
        seen = "green's subscription feeds no table that blue publishes"
    return StepError(
        Code.DIFFERENCE_FOUND,
        "no table was compared, which proves nothing",
        seen=seen,
        wanted="at least one table whose rows are on both sides",
        traffic=SERVES,
        hint="was the publication changed, or does `exclude` of the step replicate "
        "leave every table out? `compare_rows: none` goes on without a proof",
    )


def _gather(futures: Sequence[Future[TableResult]], world: World) -> list[TableResult]:
    """Wait for all; the first that fails ends the wait."""
    left = set(futures)
    while left:
        done, left = wait(left, _LOOK_EVERY_S, FIRST_COMPLETED)
        for future in done:
            _tell(world.tell, future.result(), len(futures) - len(left), len(futures))
    return [future.result() for future in futures]


def _stop(pool: ThreadPoolExecutor, pairs: Sequence[Pair]) -> None:
    """Let no table begin any more and end the queries that run."""
    pool.shutdown(wait=False, cancel_futures=True)
    for pair in pairs:
        pair.cancel()


def _tell(
    tell: Callable[[Progress], None], result: TableResult, done: int, total: int
) -> None:
    state = "differs" if result.differences else "is alike"
    tell(
        Progress(
            "table_compared",
            f"{result.table} {state}: {result.rows} rows in {result.seconds:.1f} s",
            done=done,
            total=total,
            unit="tables",
            values=_told(result).as_body(),
        )
    )


def _more(result: TableResult) -> tuple[str, ...]:
    return (f"and at least {result.more} more rows",) if result.more else ()


def _told(result: TableResult) -> TableCompared:
    return TableCompared(
        result.table,
        result.rows,
        result.checksum,
        result.looked_again,
        result.seconds,
    )
