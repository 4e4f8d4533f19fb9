"""The verb `restore`: the way back from a backup, into a new database.

Owns the words of the call. Which backups there are is for `backups/way_back.py`, what
may be restored into for `backups/restore_into.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bluegreen.cli.options import AsJson, Log, LogForm, PlaybookFile
from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bluegreen.backups.restore_into import RestoredInto
    from bluegreen.cli.context import Context
    from bluegreen.engine.events import Tell
    from bluegreen.model.record import Record
    from bluegreen.postgres.database import Database

EXAMPLE = (
    "Examples: bluegreen restore shop.yml; bluegreen restore shop.yml --into "
    "'host=10.0.0.9 dbname=shop_again user=bg_admin' --yes"
)


def restore(
    playbook: PlaybookFile,
    into: Annotated[
        str | None,
        typer.Option(metavar="DSN", help="The new, empty database to restore into."),
    ] = None,
    backup: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Start of the backup's SHA-256; else the newest."
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Restore it. Without it the way is shown.")
    ] = False,
    identity: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Identity of age that opens the backup."),
    ] = None,
    owners: Annotated[
        bool,
        typer.Option("--owners", help="Owners and grants too; their roles must exist."),
    ] = False,
    workers: Annotated[
        int, typer.Option(min=1, max=64, metavar="N", help="Tables at once.")
    ] = 2,
    spool: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where a stored backup is opened; `backups` beside the playbook.",
        ),
    ] = None,
    log: Log = LogForm.TEXT,
    json_: AsJson = False,
) -> None:
    """Restore a backup into a new database, and compare what came back.

    Without --yes it lists the backups that the journal names and shows the way back by
    hand. With --yes it brings the backup here, checks it against the checksum in the
    journal, restores it, and compares every table. Blue and green are never restored
    into, nor is a database that holds anything. One of the two sides is enough.

    Raises:
        BluegreenError: by its code: 2008 the words of the call; 3010 the database is
            not a new, empty one; 4002 the backup does not hold or does not restore.
    """
    if yes and into is None:
        raise _no_target()
    from bluegreen.cli.context import open_context
    from bluegreen.report.answer import show
    from bluegreen.report.teller import make_teller

    asked = _Asked(into, backup, identity, spool, owners=owners, workers=workers)
    with (
        make_teller(str(log)) as teller,
        open_context(playbook, "restore", teller) as open_,
    ):
        result = _restore(open_, asked, teller) if yes else _show(open_, asked)
    show(result, as_json=json_)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The words of the call."""

    into: str | None
    backup: str | None
    identity: Path | None
    spool: Path | None
    owners: bool
    workers: int


def _show(open_: Context, asked: _Asked) -> object:
    from bluegreen.backups.restore_into import require_new
    from bluegreen.backups.way_back import by_hand, choose, kept_backups
    from bluegreen.report.restores import RestorePlan

    backups = kept_backups(_records(open_))
    if not backups:
        return RestorePlan(open_.world.name, ())
    chosen = choose(backups, asked.backup)
    address, conninfo = "the database of --into", "DSN"
    if asked.into:
        target = _target(asked.into)
        try:
            require_new(target, (open_.world.blue, open_.world.green), chosen.proof)
        finally:
            target.close()
        address, (conninfo, _) = target.address, target.conninfo_for_tools()
    commands = by_hand(chosen, conninfo, asked.workers)
    return RestorePlan.of(open_.world.name, backups, chosen, address, commands)


def _restore(open_: Context, asked: _Asked, tell: Tell) -> RestoredInto:
    from bluegreen.backups.restore_into import (
        brought_here,
        require_new,
        restore_into,
    )
    from bluegreen.backups.sealing import read_identities
    from bluegreen.backups.way_back import choose, kept_backups

    world = open_.world
    chosen = choose(kept_backups(_records(open_)), asked.backup)
    identities = read_identities(asked.identity) if asked.identity else ()
    spool = asked.spool or world.home / "backups"
    target = _target(asked.into or "")
    try:
        sides = (world.blue, world.green)
        require_new(target, sides, chosen.proof)
        with brought_here(chosen, spool.absolute(), identities) as proof:
            # Fetching may have taken an hour.
            require_new(target, sides, proof)
            done = restore_into(
                target, proof, workers=asked.workers, owners=asked.owners, tell=tell
            )
    finally:
        target.close()
    return replace(done, backup=chosen.id)


def _records(open_: Context) -> Sequence[Record]:
    """The journal: as both sides agree on it, or as the one that answers tells it.

    Raises:
        ServerRefused: 3001, no side answers.
    """
    from bluegreen.model.errors import ServerRefused
    from bluegreen.model.side import Side
    from bluegreen.postgres.database import ServerGoneError

    journal, told = open_.world.journal, []
    away: list[ServerRefused | ServerGoneError] = []
    for side in Side:
        try:
            told.append(journal.told_by(side))
        except (ServerRefused, ServerGoneError) as error:
            away.append(error)
    if not told:
        raise away[0]
    # A record that a kill left on one side alone may name a backup as well.
    return max(told, key=len) if away else journal.records()


def _target(dsn: str) -> Database:
    import os

    from bluegreen.backups.restore_into import CALLED
    from bluegreen.playbook.resolve import database_from_dsn

    return database_from_dsn("--into", dsn, CALLED, "bluegreen restore", os.environ)


def _no_target() -> PlaybookRefused:
    return PlaybookRefused(
        Code.CALL_NOT_VALID,
        "restore needs a database to restore into",
        seen="--yes without --into",
        wanted="--into DSN, a new, empty database",
        hint="without --yes it only shows the way back",
    )
