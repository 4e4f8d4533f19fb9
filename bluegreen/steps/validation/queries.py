"""The user's own checks in SQL: each must give no row on green.

Owns running them so that they cannot write.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bluegreen.model.codes import Code
from bluegreen.model.errors import StepError
from bluegreen.postgres.user_session import RefusedBySql, UserSession, user_session
from bluegreen.steps.validation.proof import SERVES, Proof, differs
from bluegreen.steps.world import World

ROWS_SHOWN = 3


class RunQueries(Proof):
    """Every query of the playbook gives no row on green, in a read-only session.

    Crash: nothing was changed; the queries run again.
    """

    title = "the playbook's queries find nothing on green"

    def __init__(
        self, step_id: str, queries: Mapping[str, str], deadline: timedelta
    ) -> None:
        super().__init__(step_id)
        self.queries = dict(queries)
        self.deadline = deadline

    def asked(self, world: World) -> Mapping[str, Any]:
        """The queries."""
        return self.queries

    def prove(self, world: World) -> dict[str, Any]:
        """Run each; show the first rows of those that find something."""
        seconds: dict[str, float] = {}
        lines: list[str] = []
        with user_session(
            world.green, statement_timeout=self.deadline, read_only=True
        ) as session:
            for name, text in self.queries.items():
                started = world.clock.monotonic()
                rows = self._run(session, name, text)
                seconds[name] = round(world.clock.monotonic() - started, 3)
                lines += [f"{name}: {row}" for row in rows[:ROWS_SHOWN]]
                if len(rows) > ROWS_SHOWN:
                    lines.append(f"{name}: and more")
        if lines:
            raise differs(
                "a query of the playbook finds something on green",
                lines,
                wanted="no row from any of them",
                hint="fix what it finds, or the query; then run again",
            )
        summary = f"{len(seconds)} queries find nothing on green"
        return {"summary": summary, "seconds": seconds}

    def _run(self, session: UserSession, name: str, text: str) -> list[tuple[Any, ...]]:
        try:
            return session.first_rows(text, ROWS_SHOWN + 1)
        except RefusedBySql as error:
            raise StepError(
                Code.DIFFERENCE_FOUND,
                f"the query {name!r} of the playbook cannot be run on green",
                seen=error.message,
                wanted="one SELECT that changes nothing",
                traffic=SERVES,
                hint="fix the query, then run again",
            ) from None
