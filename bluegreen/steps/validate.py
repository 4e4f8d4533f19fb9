"""The step `validate`: prove that green holds what blue holds.

Owns the list of proofs; each has its file in `validation/`, comparing is for
`postgres/`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from bluegreen.steps.contract import Action, Step
from bluegreen.steps.fields import Duration
from bluegreen.steps.validation.command import RunCommand
from bluegreen.steps.validation.foreign_keys import CheckForeignKeys
from bluegreen.steps.validation.queries import RunQueries
from bluegreen.steps.validation.rows import CompareRows
from bluegreen.steps.validation.schema import CompareSchema


class Validate(Step):
    """Compare schema, row counts and checksums; run the user's own checks."""

    step: Literal["validate"] = "validate"

    compare_schema: bool = True
    """Everything blue has must be on green, alike, unless the playbook accepts it:
    `schema-difference`, and the thing as `object`, e.g. `column public.orders.note`."""

    compare_rows: Literal["checksum", "count", "none"] = "checksum"
    """How rows are compared: canonical checksums of every table, counts, or not."""

    queries: dict[str, str] = Field(default_factory=dict)
    """Named SQL checks, run on green; each must return no row."""

    command: tuple[str, ...] = ()
    """A program and its arguments that must exit 0; run without a shell, with
    `PGHOST` and friends pointing at green."""

    workers: int = Field(default=2, ge=1, le=64)
    """How many tables are compared at once."""

    deadline: Duration = timedelta(hours=6)
    """Give up when rows are not equal after this time."""

    def actions(self) -> tuple[Action[Any], ...]:
        """One action a proof, cheap ones first."""
        proofs: list[Action[Any]] = []
        if self.compare_schema:
            proofs.append(CompareSchema(self.key))
        proofs.append(CheckForeignKeys(self.key))
        if self.compare_rows != "none":
            proofs.append(
                CompareRows(self.key, self.compare_rows, self.workers, self.deadline)
            )
        if self.queries:
            proofs.append(RunQueries(self.key, self.queries, self.deadline))
        if self.command:
            proofs.append(RunCommand(self.key, self.command, self.deadline))
        return tuple(proofs)
