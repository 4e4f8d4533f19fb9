"""The step `migrate`: bring green's schema forward, blue untouched.

Owns which files ran and how; the tools are for `migrators/`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from bluegreen.steps.contract import Action, Step
from bluegreen.steps.fields import Duration


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
        return ()
