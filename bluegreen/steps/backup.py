"""The step `backup`: a dump of blue that is proved readable before anything changes.

Owns when a backup counts as taken and proved; dumping is for `backups/`.
"""

from __future__ import annotations

from typing import Any, Literal

from bluegreen.steps.contract import Action, Step


class Backup(Step):
    """Take a pg_dump of blue, prove that it can be listed, record its checksum."""

    step: Literal["backup"] = "backup"

    to: str = "backups"
    """Folder for the archive; relative to the playbook."""

    tables: tuple[str, ...] = ()
    """Only these tables, `schema.table`; everything where it is left out."""

    workers: int = 2
    """How many tables are dumped at once (1 writes a single custom-format file)."""

    def actions(self) -> tuple[Action[Any], ...]:
        """One action: the dump, proved."""
        return ()
