"""The monitor thread: beats and looks in a thread of its own while a run goes on.

Owns when each monitor looks, telling what changed, and stopping a run whose end is
already lost. What the monitors look at is in `steps/monitors/`.

It has sessions of its own: an act may keep the run's busy for hours.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from bluegreen.engine.drop_slot import remember_abandoned
from bluegreen.engine.events import Event, MonitorChanged
from bluegreen.engine.heartbeats import forget_heartbeats, write_heartbeat
from bluegreen.engine.journal import TwinJournal
from bluegreen.engine.records import read_on
from bluegreen.model import bodies
from bluegreen.model.codes import Code
from bluegreen.model.errors import BluegreenError, StepError
from bluegreen.model.finding import Blocks, Finding, Severity
from bluegreen.model.history import Records, fold
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.server_life import read_server_life
from bluegreen.postgres.database import Database
from bluegreen.postgres.replication.stream import drop_slot
from bluegreen.steps.monitors.every import MONITORS, round_of, worst_first
from bluegreen.steps.monitors.gate import stop_of_run
from bluegreen.steps.monitors.kept_wal import MonitorKeptWal, is_over
from bluegreen.steps.monitors.monitor import Round, look_through
from bluegreen.steps.world import World

BEAT_EVERY_S = 1.0
"""A hole is seen two heartbeats after it was made, well within five seconds."""

FORGET_EVERY = 60
"""Rounds: old heartbeats are deleted a minute's worth at a time."""

GONE_BY_S = 3.0
"""How long the end of a run waits for the thread. One that hangs in a server which
does not answer is left behind; it ends with the process."""


@dataclass
class _Journals:
    """The journal as far as it was read; each round reads what is new."""

    told: dict[Side, Records] = field(
        default_factory=lambda: {side: Records() for side in Side}
    )

    def read(self, databases: Sequence[Database]) -> frozenset[Side]:
        """Read on; returns the sides that could not be asked."""
        away = set()
        for database in databases:
            side = database.side
            try:
                self.told[side] = read_on(database, self.told[side])
            except BluegreenError:
                away.add(database.side)
        return frozenset(away)

    @property
    def records(self) -> Sequence[Record]:
        """The longer journal; the other only lacks its end."""
        return max(self.told.values(), key=len)


class MonitorThread:
    """Monitors from `with` to its end.

    Args:
        world: the run's; its journal is used by the run's own thread alone.
        tell: takes an event whenever a monitor changes its mind.
        may_abandon: the playbook lets green's slot be dropped when it keeps too much.
        every_s: seconds between two heartbeats.
    """

    def __init__(
        self,
        world: World,
        tell: Callable[[Event], None],
        *,
        may_abandon: bool = False,
        every_s: float = BEAT_EVERY_S,
    ) -> None:
        self._world = world
        self._tell = tell
        self._may_abandon = may_abandon
        self._every_s = every_s
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._found: dict[str, tuple[Finding, ...]] = {}
        self._due: dict[str, float] = {}
        self._rounds = 0
        self._dropped: int | None = None
        self._ended = False
        self._known = {side: Records() for side in Side}
        self._thread = threading.Thread(
            target=self._monitor, name="monitor thread", daemon=True
        )

    def __enter__(self) -> Self:
        if isinstance(self._world.journal, TwinJournal):
            self._known = dict(self._world.journal.twins.told)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(GONE_BY_S)
        self._remember_dropped()

    @property
    def found(self) -> tuple[Finding, ...]:
        """What was last seen, worst first."""
        with self._lock:
            return worst_first(one for told in self._found.values() for one in told)

    def require_fit(self) -> None:
        """Stop the run when its end is lost already; called by the run's own thread.

        Raises:
            StepError: 4011; 70001 when the thread has ended by itself.
            RollbackUnavailable: 6001, it is the way back that is lost.
        """
        self._remember_dropped()
        if self._ended and not self._stop.is_set():
            raise StepError(
                Code.SWITCHOVER_BLOCKED,
                "the monitors have ended by themselves",
                wanted="monitors that look as long as a run goes on",
                hint="this is a bug; its traceback stands above. Run again",
            )
        lost = [one for one in self.found if one.blocks is Blocks.RUN]
        if not lost:
            return
        told = tuple(bodies.FindingTold(w.id, w.where, w.seen) for w in lost)
        self._world.journal.append(Kind.NOTE, body=bodies.Found(told).as_body())
        serving = fold(self._world.journal.records()).serving
        raise stop_of_run(lost, serving.other)

    def _remember_dropped(self) -> None:
        """Tell the journal of a drop; the thread may not, the journal is not its."""
        if self._dropped is not None:
            kept, self._dropped = self._dropped, None
            remember_abandoned(self._world, Side.BLUE, kept, by="monitor")

    def _monitor(self) -> None:
        world = replace(
            self._world,
            blue=Database.of_spec(self._world.blue.spec()),
            green=Database.of_spec(self._world.green.spec()),
            pointers=tuple(type(p).from_spec(p.spec()) for p in self._world.pointers),
        )
        journals = _Journals(dict(self._known))
        try:
            while not self._stop.is_set():
                self._round(world, journals)
                self._stop.wait(self._every_s)
        finally:
            world.blue.close()
            world.green.close()
            for pointer in world.pointers:
                pointer.close()
            self._ended = True

    def _round(self, world: World, journals: _Journals) -> None:
        away = journals.read((world.green, world.blue))
        green = "" if Side.GREEN in away else _identity_of_green(world)
        seen = round_of(world, journals.records, away=away, green=green)
        self._rounds += 1
        write_heartbeat(seen)
        for monitor in MONITORS:
            now = world.clock.monotonic()
            if self._due.get(monitor.id, 0.0) <= now:
                self._due[monitor.id] = now + monitor.every_s
                self._take(monitor.id, look_through(monitor, seen))
        self._abandon(seen)
        if self._rounds % FORGET_EVERY == 0:
            forget_heartbeats(seen)

    def _take(self, monitor: str, told: tuple[Finding, ...]) -> None:
        with self._lock:
            before = {one.where: one for one in self._found.get(monitor, ())}
            self._found[monitor] = told
        for one in told:
            was = before.get(one.where)
            good = Severity.OK if was is None else was.severity
            if one.severity is not good:
                self._tell(_changed(one, good))

    def _abandon(self, world: Round) -> None:
        """Blue's disk comes before green, where the playbook says so."""
        if not self._may_abandon or world.state.serving is not Side.BLUE:
            return
        told = self._found.get(MonitorKeptWal.id, ())
        if not any(
            w.where == Side.BLUE and w.severity is Severity.CRITICAL for w in told
        ):
            return
        try:
            facts = MonitorKeptWal().observe(world, Side.BLUE)
            if facts is not None and is_over(facts, world.limits):
                drop_slot(world.blue, facts.kept.slot, world.clock)
                self._dropped = facts.kept.kept
        except BluegreenError:
            return  # the next round tries again


def _identity_of_green(world: World) -> str:
    try:
        return read_server_life(world.green).identity
    except BluegreenError:
        return ""


def _changed(one: Finding, was: Severity) -> MonitorChanged:
    return MonitorChanged(
        one.id,
        one.where,
        str(one.severity),
        str(was),
        one.seen,
        one.fix,
        str(one.blocks),
    )
