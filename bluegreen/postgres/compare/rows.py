"""Comparing the rows of one table on both sides while blue takes writes.

Owns going from buckets to finer buckets to rows, and looking again until each row is
settled. Expressions are in `checksum.py`, weighing in `live_differences.py`, pairing
tables in `table_plans.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from psycopg import sql

from bluegreen.model.clock import Clock
from bluegreen.model.codes import Code
from bluegreen.model.errors import BudgetError
from bluegreen.model.side import Side
from bluegreen.postgres.compare import checksum
from bluegreen.postgres.compare.checksum import COARSE_BITS, FINE_BITS, TablePlan
from bluegreen.postgres.compare.live_differences import Look, Weighed, weigh
from bluegreen.postgres.compare.pair import MarkerSender, Pair
from bluegreen.postgres.database import Row

ROWS_AT_ONCE = 200_000
"""Keys and hashes of this many rows take some 50 MB here."""

KEYS_AT_ONCE = 1_000
"""Looked up by the index in well under a second."""

PAUSE_S = 0.1
"""Between two looks: a commit may be on green before blue shows it, by its backend's
last instructions on a crowded machine, or by a standby's answer."""

MOST_NAMED = 10
"""Rows that are named for each table; the rest is counted."""

Key = tuple[str | None, ...]
Sum = tuple[int, int]
"""How many rows, and the sum of their hashes."""

_EMPTY: Sum = (0, 0)


@dataclass(frozen=True, slots=True)
class TableResult:
    """What came out for one table.

    Attributes:
        table: `schema.table`.
        rows: on blue at the first look.
        checksum: of blue's rows at the first look, hexadecimal; empty where only
            counts were compared.
        looked_again: rows that differed at first and were settled by later looks.
        differences: in words; each names the row.
        more: how many differences are not named.
        seconds: how long it took.
    """

    table: str
    rows: int
    checksum: str = ""
    looked_again: int = 0
    differences: tuple[str, ...] = ()
    more: int = 0
    seconds: float = 0.0


@dataclass
class Comparer:
    """Compares tables over one pair of sessions.

    Attributes:
        pair: the sessions.
        both: runs the same query on both sides at once.
        sender: makes green catch up with what was seen on blue.
        out_of_time: whether to give up.
    """

    pair: Pair
    both: Executor
    sender: MarkerSender
    clock: Clock
    out_of_time: Callable[[], bool]

    def checksums(self, plan: TablePlan) -> TableResult:
        """Compare every row.

        Raises:
            BudgetError: 5002; rows were not settled in time, or a marker was lost.
        """
        started = self.clock.monotonic()
        sums = self._on_both(
            plan, lambda s: checksum.bucket_query(plan, s, COARSE_BITS)
        )
        here = sums[Side.BLUE]
        suspects = differing(here, sums[Side.GREEN])
        found, settled = {}, 0
        for candidates in self._candidates(plan, suspects, sums):
            found.update(self._settle(plan, candidates))
            settled += len(candidates)
            if found:
                break
        settled -= len(found)
        return TableResult(
            plan.full_name,
            rows=sum(count for count, _ in here.values()),
            checksum=f"{sum(total for _, total in here.values()) % (1 << 64):016x}",
            looked_again=settled,
            differences=tuple(self._name(plan, found)),
            more=max(len(found) - MOST_NAMED, 0),
            seconds=round(self.clock.monotonic() - started, 3),
        )

    def counts(self, plan: TablePlan) -> TableResult:
        """Compare how many rows there are."""
        started = self.clock.monotonic()
        known: Weighed | None = None
        while known is None or known.severity == "open":
            self._require_time(plan)
            blue, green, after = self._count_look(plan)
            known = weigh(Look(blue, green, after), known)
            if known.severity == "open":
                self.clock.sleep(PAUSE_S)
        words = f"{after} rows on blue, {green} on green"
        return TableResult(
            plan.full_name,
            rows=after,
            differences=(words,) if known.severity == "differs" else (),
            seconds=round(self.clock.monotonic() - started, 3),
        )

    def _count_look(self, plan: TablePlan) -> tuple[int, int, int]:
        def count(side: Side) -> int:
            return int(self.pair.rows(side, checksum.count_query(plan, side))[0][0])

        before = count(Side.BLUE)
        self.sender.trip()
        there, after = count(Side.GREEN), count(Side.BLUE)
        low, high = sorted((before, after))
        # Green was counted between the two: what lies between them is what it saw.
        return (
            (before, before, after) if low <= there <= high else (before, there, after)
        )

    def _on_both(
        self,
        plan: TablePlan,
        query: Callable[[Side], sql.Composed],
        *params: Any,
    ) -> dict[Side, dict[Any, Sum]]:
        """Run a query of (name, count, sum) on both sides at the same time."""
        self._require_time(plan)
        futures = {
            side: self.both.submit(self.pair.rows, side, query(side), *params)
            for side in Side
        }
        return {side: _sums(future.result()) for side, future in futures.items()}

    def _candidates(
        self, plan: TablePlan, suspects: Sequence[int], sums: Mapping[Side, Any]
    ) -> Iterator[list[Key]]:
        """Keys of rows that look different in the buckets that do."""
        bits = COARSE_BITS
        if _rows_in(sums, suspects) > ROWS_AT_ONCE:
            # One bucket alone tells soon when green lacks half of everything.
            yield self._rows_apart(plan, bits, suspects[:1])
            sums = self._on_both(
                plan,
                lambda s: checksum.bucket_query(plan, s, FINE_BITS, COARSE_BITS),
                suspects,
            )
            suspects = differing(sums[Side.BLUE], sums[Side.GREEN])
            bits = FINE_BITS
        for portion in portions(suspects, sums):
            yield self._rows_apart(plan, bits, portion)

    def _rows_apart(
        self, plan: TablePlan, bits: int, buckets: Sequence[int]
    ) -> list[Key]:
        rows = self._on_both(
            plan, lambda s: checksum.row_query(plan, s, bits), list(buckets)
        )
        return differing(rows[Side.BLUE], rows[Side.GREEN])

    def _settle(self, plan: TablePlan, keys: list[Key]) -> dict[Key, Look]:
        """Look again at each row until it is known whether it differs."""
        differs: dict[Key, Look] = {}
        for batch in _batches(keys, KEYS_AT_ONCE):
            known: dict[Key, Weighed] = {}
            left = batch
            while left:
                self._require_time(plan)
                looks = self._look(plan, left)
                known = {key: weigh(looks[key], known.get(key)) for key in left}
                for key, one in known.items():
                    if one.severity == "differs":
                        differs[key] = one.look
                left = [key for key, one in known.items() if one.severity == "open"]
                if left:
                    self.clock.sleep(PAUSE_S)
            if len(differs) > MOST_NAMED:
                break
        return differs

    def _look(self, plan: TablePlan, keys: list[Key]) -> dict[Key, Look]:
        before = self._values(plan, Side.BLUE, keys)
        self.sender.trip()
        there = self._values(plan, Side.GREEN, keys)
        after = self._values(plan, Side.BLUE, keys)
        return {
            key: Look(before.get(key), there.get(key), after.get(key)) for key in keys
        }

    def _values(self, plan: TablePlan, side: Side, keys: list[Key]) -> dict[Any, Sum]:
        query = checksum.look_up_query(plan, side)
        params = [list(values) for values in zip(*keys, strict=True)]
        return _sums(self.pair.rows(side, query, *params))

    def _name(self, plan: TablePlan, found: Mapping[Key, Look]) -> Iterator[str]:
        """Say of each row what is different, by key and column and never by value."""
        named = dict(islice(found.items(), MOST_NAMED))
        cells = self._cells(plan, [*named]) if plan.key and named else {}
        for key, look in named.items():
            yield describe(plan, key, look, cells.get(key))

    def _cells(
        self, plan: TablePlan, keys: list[Key]
    ) -> dict[Key, tuple[list[str | None], list[str | None]]]:
        params = [list(values) for values in zip(*keys, strict=True)]
        blue, green = (
            {
                tuple(name): texts
                for name, texts in self.pair.rows(
                    side, checksum.cell_query(plan, side), *params
                )
            }
            for side in (Side.BLUE, Side.GREEN)
        )
        return {key: (blue[key], green[key]) for key in blue.keys() & green.keys()}

    def _require_time(self, plan: TablePlan) -> None:
        if self.out_of_time():
            raise BudgetError(
                Code.WAIT_OVER_DEADLINE,
                f"rows of {plan.full_name} were not compared in time",
                seen="the deadline of the step passed",
                wanted="every row seen equal on both sides",
                traffic="blue serves and nothing has moved",
                hint="give the step a longer `deadline` or more `workers`, then run "
                "again",
            )


def differing(blue: Mapping[Any, Sum], green: Mapping[Any, Sum]) -> list[Any]:
    """Names whose sums are not equal. Pure."""
    names = blue.keys() | green.keys()
    return [n for n in names if blue.get(n, _EMPTY) != green.get(n, _EMPTY)]


def portions(
    suspects: Iterable[int], sums: Mapping[Side, Mapping[int, Sum]]
) -> Iterator[list[int]]:
    """Group buckets so that each group holds a bearable number of rows. Pure."""
    group: list[int] = []
    held = 0
    for bucket in suspects:
        size = _rows_in(sums, [bucket])
        if group and held + size > ROWS_AT_ONCE:
            yield group
            group, held = [], 0
        group.append(bucket)
        held += size
    if group:
        yield group


def describe(
    plan: TablePlan,
    key: Key,
    look: Look,
    cells: tuple[Sequence[str | None], Sequence[str | None]] | None,
) -> str:
    """One difference in words. Pure."""
    if not plan.key:
        blue, green = _count(look.after), _count(look.green)
        return (
            f"a row with hash {key[0]} is there {blue} times on blue, {green} on green"
        )
    pairs = zip(plan.key, key, strict=True)
    row = "row " + ", ".join(f"{name}={value}" for name, value in pairs)
    if look.green is None:
        return f"{row} is missing on green"
    if look.after is None:
        return f"{row} is on green only"
    if cells is None or _count(look.after) != _count(look.green):
        return f"{row} is there {_count(look.green)} times on green"
    names = [
        column.name
        for column, here, there in zip(plan.columns, *cells, strict=True)
        if here != there
    ]
    return f"{row} differs in {', '.join(names) or 'a column that changes now'}"


def _count(value: Any) -> int:
    return int(value[0]) if value else 0


def _sums(rows: Iterable[Row]) -> dict[Any, Sum]:
    return {
        tuple(name) if isinstance(name, list) else name: (count, int(total))
        for name, count, total in rows
    }


def _rows_in(sums: Mapping[Side, Mapping[int, Sum]], buckets: Iterable[int]) -> int:
    return sum(
        max(side.get(bucket, _EMPTY)[0] for side in sums.values()) for bucket in buckets
    )


def _batches(keys: Sequence[Key], size: int) -> Iterator[list[Key]]:
    for start in range(0, len(keys), size):
        yield list(keys[start : start + size])
