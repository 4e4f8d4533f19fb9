"""Plain SQL files in the order of their names: the migration tool that needs no tool.

Owns running one file. Which files there are and in which order is for `order.py`, how
a file falls into statements for `script.py`, remembering for
`postgres/schema/applied.py`.

A file runs in one transaction. A file with statements that cannot, or with its own
BEGIN, runs statement by statement, and a run that is cut off goes on behind the last
statement that was done.

What contracts the schema, by file or by comment, is remembered under names of its own,
so that both halves of a file have their own history.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from bluegreen.migrators.halves import CONTRACT, Halves, Waiting
from bluegreen.migrators.migrator import Applied, History, LockNotFreeError, Pending
from bluegreen.migrators.order import compare
from bluegreen.migrators.script import Half, Part, Script
from bluegreen.model.clock import Clock, SystemClock
from bluegreen.model.codes import Code
from bluegreen.model.errors import StepError
from bluegreen.model.progress import Progress
from bluegreen.postgres.catalog.locks import taken_since
from bluegreen.postgres.database import Database
from bluegreen.postgres.schema.applied import (
    AppliedRow,
    drop_invalid_index,
    find_index,
    make_table,
    read_applied,
    remember,
)
from bluegreen.postgres.user_session import RefusedBySql, UserSession, user_session

_MOST_TOLD = 200
"""A journal record stays readable; slow and locking statements are told first."""

Tell = Callable[[Progress], None]

_TRAFFIC: dict[Half, str] = {
    "expand": "blue serves and nothing has moved",
    "contract": "green serves, and blue was released",
}


class SqlFiles:
    """The files of one playbook.

    Args:
        home: the playbook's folder.
        patterns: files or patterns, in the order in which they apply; within one
            pattern files go by name, numbers by value.
        contract: files or patterns of what waits until blue is released.
        waiting: statements of the other files that wait as well.
        half: which half is meant.
        lock_timeout: how long a statement may wait for a lock.
        statement_timeout: how long it may run.
    """

    def __init__(
        self,
        home: Path,
        patterns: Sequence[str],
        *,
        contract: Sequence[str] = (),
        waiting: Waiting | None = None,
        half: Half = "expand",
        lock_timeout: timedelta,
        statement_timeout: timedelta,
        clock: Clock | None = None,
    ) -> None:
        self._halves = Halves(home, patterns, contract, waiting or {})
        self._half = half
        self._lock_timeout = lock_timeout
        self._statement_timeout = statement_timeout
        self._clock = clock or SystemClock()

    def look(self, database: Database) -> History:
        """Hold the files against what green remembers; change nothing."""
        ours = self._half == "contract"
        rows = [
            row for row in read_applied(database) if row.name.endswith(CONTRACT) == ours
        ]
        return compare(self.scripts(), rows)

    def scripts(self) -> list[Script]:
        """What there is to run of this half, in order."""
        return self._halves.scripts(self._half)

    def preview(self, one: Pending) -> Sequence[str]:
        """The statements that are still to run."""
        return [part.text for part in self._halves.read(one.name).parts[one.done :]]

    def apply(self, database: Database, one: Pending, tell: Tell) -> Applied:
        """Run one file, or the rest of it."""
        script = self._halves.read(one.name)
        make_table(database)
        begun = next((r.begun for r in read_applied(database) if r.name == one.name), 0)
        started = self._clock.monotonic()
        with user_session(
            database,
            lock_timeout=self._lock_timeout,
            statement_timeout=self._statement_timeout,
        ) as session:
            run = _Run(script, session, self._clock, tell, _TRAFFIC[self._half])
            if script.together:
                run.together()
            else:
                run.one_by_one(one.done, begun)
        seconds = self._clock.monotonic() - started
        return Applied(script.name, script.digest, round(seconds, 3), run.details())


class _Run:
    """One file being run in one session."""

    def __init__(
        self,
        script: Script,
        session: UserSession,
        clock: Clock,
        tell: Tell,
        traffic: str,
    ) -> None:
        self._traffic = traffic
        self._script = script
        self._session = session
        self._clock = clock
        self._tell = tell
        self._held: dict[str, str] = {}
        self._done: list[dict[str, Any]] = []

    def together(self) -> None:
        """Everything and its record in one transaction."""
        number = 0
        try:
            with self._session.transaction():
                for number, part in enumerate(self._script.parts, start=1):
                    self._run(number, part)
                self._remember(len(self._script.parts))
        except RefusedBySql as error:
            undone = "the whole file was rolled back"
            raise self._failed(number, error, undone) from None

    def one_by_one(self, done: int, begun: int) -> None:
        """Statement after statement, from behind the first `done`."""
        parts = self._script.parts
        number = kept = done
        try:
            for part in parts[:done]:
                if part.setting:
                    self._session.run(part.text)
            for number, part in enumerate(parts[done:], start=done + 1):
                self._one(number, part, begun)
                kept = kept if self._session.in_transaction else number
        except RefusedBySql as error:
            undone = "this statement was rolled back"
            if kept:
                undone = f"statements 1 to {kept} of this file are done and stay"
            raise self._failed(number, error, undone) from None
        if not parts[done:]:
            with self._session.transaction():
                self._remember(len(parts))

    def details(self) -> dict[str, Any]:
        """What is told of the statements, as JSON."""
        first = sorted(self._done, key=lambda one: (not one["locks"], -one["seconds"]))
        told = sorted(first[:_MOST_TOLD], key=lambda one: int(one["line"]))
        return {"count": len(self._done), "statements": told}

    def _one(self, number: int, part: Part, begun: int) -> None:
        if self._session.in_transaction:
            if part.transaction == "commit":
                self._remember(number)
            self._run(number, part)
        elif part.transaction == "begin":
            self._run(number, part)
        elif part.alone:
            self._alone(number, part, begun)
        else:
            with self._session.transaction():
                self._run(number, part)
                self._remember(number)
        if part.transaction == "rollback":
            with self._session.transaction():
                self._remember(number)

    def _alone(self, number: int, part: Part, begun: int) -> None:
        if not self._is_built(number, part, begun):
            with self._session.transaction():
                self._remember(number - 1, begun=number)
            self._run(number, part)
        with self._session.transaction():
            self._remember(number)

    def _is_built(self, number: int, part: Part, begun: int) -> bool:
        """Whether a concurrent build that was cut off came to its end after all.

        One that did not leaves an invalid index, which is dropped here.
        """
        if part.index is None:
            return False
        index = part.index
        found = find_index(self._session, index.schema, index.table, index.name)
        if found is None:
            return False
        schema, valid = found
        if not valid:
            drop_invalid_index(self._session, schema, index.name)
        return valid and begun == number

    def _run(self, number: int, part: Part) -> None:
        if not self._session.in_transaction:
            self._held = {}
        started = self._clock.monotonic()
        self._session.run(part.text)
        seconds = round(self._clock.monotonic() - started, 3)
        held = self._held if part.silent else dict(self._session.locks())
        locks = taken_since(self._held, held)
        self._held = held
        self._done.append({"line": part.line, "seconds": seconds, "locks": locks})
        self._tell_of(number, part, seconds, locks)

    def _tell_of(
        self, number: int, part: Part, seconds: float, locks: dict[str, str]
    ) -> None:
        where = f"{self._script.name}:{part.line}"
        words = ", ".join(f"{mode} on {name}" for name, mode in locks.items())
        self._tell(
            Progress(
                "statement_run",
                f"{where} took {seconds:.1f} s{f', locked {words}' if words else ''}",
                done=number,
                total=len(self._script.parts),
                unit="statements",
                values={"place": where, "seconds": seconds, "locks": locks},
            )
        )

    def _remember(self, done: int, *, begun: int = 0) -> None:
        script = self._script
        remember(
            self._session,
            AppliedRow(
                script.name,
                script.digest,
                done,
                script.digest_of_first(done),
                begun,
                finished=done == len(script.parts),
            ),
        )

    def _failed(self, number: int, error: RefusedBySql, undone: str) -> StepError:
        part = self._script.parts[max(number, 1) - 1]
        hint = "fix the statement and run again"
        if error.sqlstate == "55P03":
            hint = "something on green holds the lock: see pg_stat_activity there, or "
            hint += "raise `lock_timeout` of the step; then run again"
        elif part.alone:
            hint += "; if it was cut off before, it may be done: make it repeatable"
        kind = LockNotFreeError if error.sqlstate == "55P03" else StepError
        return kind(
            Code.MIGRATION_FAILED,
            f"a migration failed at {self._script.name}:{part.line_at(error.at)}",
            seen=error.message,
            wanted="every statement of the file done",
            traffic=f"{self._traffic}; on green {undone}",
            hint=hint,
        )
