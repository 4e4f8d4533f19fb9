"""What `restore` answers with, and how it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from bluegreen.backups.restore_into import RestoredInto
from bluegreen.backups.way_back import KeptBackup
from bluegreen.model.counted import counted
from bluegreen.model.duration import format_bytes
from bluegreen.report.page import Page, Part, columns


@dataclass(frozen=True, slots=True)
class BackupLine:
    """A backup that the journal names, as it is shown."""

    id: str
    kind: str
    side: str
    taken_at: str
    where: str
    bytes: int
    tables: tuple[str, ...]
    proof: str
    sha256: str
    stored: bool
    encrypted: bool

    @classmethod
    def of(cls, kept: KeptBackup) -> Self:
        """From what the journal has."""
        proof = kept.proof
        return cls(
            kept.id,
            "pg_dump",
            str(proof.side),
            proof.taken_at,
            kept.where,
            kept.bytes,
            proof.tables,
            "restored and compared" if kept.restored else "read to its end",
            proof.sha256,
            kept.stored is not None,
            kept.is_encrypted,
        )


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """The backups there are, and the way back from one of them.

    Attributes:
        playbook: the playbook's name.
        backups: all that the journal names, oldest first.
        chosen: id of the one whose way is shown.
        into: the database that the call names.
        commands: the way by hand.
    """

    playbook: str
    backups: tuple[BackupLine, ...]
    chosen: str = ""
    into: str = ""
    commands: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        playbook: str,
        backups: Sequence[KeptBackup],
        chosen: KeptBackup,
        into: str,
        commands: tuple[str, ...],
    ) -> Self:
        """From what the journal has."""
        lines = tuple(map(BackupLine.of, backups))
        return cls(playbook, lines, chosen.id, into, commands)


def restore_plan_page(plan: RestorePlan) -> Page:
    """The list, then the acts, then the same by hand."""
    if not plan.backups:
        return [f"the journal of {plan.playbook} names no backup"]
    page: list[Part] = [f"backups that the journal of {plan.playbook} names:"]
    page += columns(map(_row, plan.backups))
    chosen = next(one for one in plan.backups if one.id == plan.chosen)
    fetched = "it is brought here and opened, " if chosen.stored else ""
    key = "" if not chosen.encrypted else "; it is encrypted: --identity FILE"
    page += [
        "",
        f"with --yes, {chosen.id} is restored into {plan.into}{key}:",
        f"  {fetched}held against SHA-256 {chosen.sha256}, restored by pg_restore",
        "  into a database that must be new and empty, and every table is compared",
        "",
        "the same by hand:",
        *(f"  {line}" for line in plan.commands),
    ]
    return page


def restored_page(done: RestoredInto) -> Page:
    """What came back, and what it was held against."""
    rows, tables = counted(done.rows, "row"), counted(done.tables, "table")
    if done.compared == "sums":
        held = "every row is as in the snapshot that was dumped"
    else:
        held = "all tables are there; the proof has no sums to hold rows against"
    return [
        f"{done.backup} is restored into {done.into}: {rows} in {tables}; {held}",
        "traffic was not touched, and nothing leads clients there yet",
    ]


def _row(one: BackupLine) -> tuple[str, ...]:
    what = "some tables" if one.tables else "whole"
    kept = "encrypted" if one.encrypted else "plain"
    size = format_bytes(one.bytes)
    return (
        one.id,
        one.taken_at,
        one.kind,
        f"{one.side}, {what}",
        size,
        kept,
        one.proof,
        one.where,
    )
