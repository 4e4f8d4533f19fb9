"""The step `migrate`: bring green's schema forward, blue untouched.

Owns when the stream stops and starts around migrations; the tools are for
`migrators/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from bluegreen.migrators.migrator import Applied, History, Migrator
from bluegreen.migrators.sql_files import SqlFiles
from bluegreen.model.hazard import Hazard
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Refused, Satisfied, Verdict
from bluegreen.postgres.channel import Channel, read_subscription, stop_stream
from bluegreen.postgres.resubscribe import start_stream_over, subscribed_tables
from bluegreen.steps.contract import Action, Result, Step
from bluegreen.steps.fields import Duration
from bluegreen.steps.world import World

STREAM_STOPS = timedelta(seconds=30)
"""The apply worker ends within 20 ms; half a minute means that green is in trouble."""


@dataclass(frozen=True, slots=True)
class MigrateFacts:
    """Where green stands.

    Attributes:
        history: what is applied and what is pending.
        stopped: tables of the stream that we stopped and did not start again; None
            where it was not stopped by us.
    """

    history: History
    stopped: frozenset[tuple[str, str]] | None = None


class ApplyMigrations(Action[MigrateFacts]):
    """Every migration file is applied to green, and green's stream runs again.

    The stream from blue is stopped while DDL runs: an apply worker that waits behind
    a long lock lets blue's wal_sender_timeout end the connection again and again.

    Crash: a file in one transaction is applied whole or not at all; another goes on
    behind its last statement that was done. The stream may stay stopped, and blue keeps
    WAL for it, until the next run starts it.
    """

    hazards = frozenset({Hazard.CHANGES_GREEN_SCHEMA})
    title = "green has every migration"
    no_undo = (
        "a migration has no way back of its own: drop green and start again, or write "
        "a file that takes the change back"
    )

    def __init__(self, step_id: str, step: Migrate) -> None:
        super().__init__(step_id)
        self.step = step

    def observe(self, world: World) -> MigrateFacts:
        """Hold the files against what green remembers."""
        history = self._migrator(world).look(world.green)
        return MigrateFacts(history, stopped_by(self.id, world.journal.records()))

    def judge(self, facts: MigrateFacts) -> Verdict:
        """Satisfied when nothing is pending and the stream runs."""
        history = facts.history
        if history.fault:
            fault = history.fault
            return Refused(4004, fault.problem, fault.seen, fault.wanted, fault.hint)
        if history.pending:
            names = ", ".join(one.name for one in history.pending)
            return Needed(f"{len(history.pending)} to apply: {names}")
        if facts.stopped is not None:
            return Needed("the stream from blue was stopped for a migration")
        return Satisfied(f"{len(history.applied)} migrations are applied")

    def act(self, world: World, facts: MigrateFacts) -> Result:
        """Apply what is pending, with the stream stopped."""
        migrator = self._migrator(world)
        done: list[Applied] = []
        with self._stream_stopped(world, facts.stopped) as replaced:
            for one in facts.history.pending:
                world.point(f"{self.id}/before_file")
                applied = migrator.apply(world.green, one, world.tell)
                world.point(f"{self.id}/after_file")
                body = _told(applied)
                world.journal.append(Kind.NOTE, action=self.id, body=body)
                done.append(applied)
        return {"migrations": [_told(one) for one in done], "replaced": replaced}

    @contextmanager
    def _stream_stopped(
        self, world: World, left: frozenset[tuple[str, str]] | None
    ) -> Iterator[list[str]]:
        """Stop the stream and start it again, whatever happens in between.

        Gives a list that holds the replaced tables once the stream runs again.
        """
        name = Channel(world.name, Side.BLUE).name
        replaced: list[str] = []
        before = left if left is not None else self._stop(world, name)
        try:
            yield replaced
        finally:
            if before is not None:
                if read_subscription(world.green, name) is not None:
                    replaced += start_stream_over(world.green, name, before)
                self._note(world, {"stream": "started", "replaced": replaced})

    def _stop(self, world: World, name: str) -> frozenset[tuple[str, str]] | None:
        """Stop the stream if it runs; returns the tables that it feeds."""
        facts = read_subscription(world.green, name)
        if facts is None or not facts.enabled:
            return None
        tables = subscribed_tables(world.green, name)
        listed = sorted(map(list, tables))
        self._note(world, {"stream": "stopped", "tables": listed})
        stop_stream(world.green, name, clock=world.clock, deadline=STREAM_STOPS)
        return tables

    def _note(self, world: World, body: dict[str, Any]) -> None:
        world.journal.append(Kind.NOTE, action=self.id, body=body)

    def _migrator(self, world: World) -> Migrator:
        return SqlFiles(
            world.home,
            self.step.files,
            lock_timeout=self.step.lock_timeout,
            statement_timeout=self.step.statement_timeout,
            clock=world.clock,
        )


def stopped_by(
    action: str, records: Sequence[Record]
) -> frozenset[tuple[str, str]] | None:
    """Tables of a stream that an action stopped and did not start again. Pure.

    A move of traffic in between made the stream anew, so older notes count no more.
    """
    for record in reversed(records):
        if record.kind is Kind.COMMITTED:
            return None
        if record.action == action and "stream" in record.body:
            if record.body["stream"] == "started":
                return None
            return frozenset((schema, name) for schema, name in record.body["tables"])
    return None


def _told(one: Applied) -> dict[str, Any]:
    return {
        "migration": one.name,
        "sha256": one.digest,
        "seconds": one.seconds,
        **one.details,
    }


class Migrate(Step):
    """Apply schema migrations to green, file by file, statement by statement."""

    step: Literal["migrate"] = "migrate"

    tool: Literal["sql"] = "sql"
    """Who applies them; `sql` runs plain files in the order of their names."""

    files: tuple[str, ...]
    """Files or patterns, relative to the playbook, e.g. `migrations/*.sql`."""

    lock_timeout: Duration = timedelta(seconds=5)
    """A statement that waits longer for a lock fails and the file is rolled back."""

    statement_timeout: Duration = timedelta(hours=6)
    """A statement that runs longer fails."""

    def actions(self) -> tuple[Action[Any], ...]:
        """One action for the files that are not applied yet."""
        return (ApplyMigrations(self.key, self),)
