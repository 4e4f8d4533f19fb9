"""From a loaded playbook to handles: both databases and the pointers.

Owns which parameter goes where. Nothing is connected here; the handles open their
sessions when they are first used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bluegreen.model.side import Side
from bluegreen.notify.outbox import Entry
from bluegreen.notify.ways import Apprise, Command, Way, Webhook
from bluegreen.playbook.dsn import Dsn, dsn_from_call
from bluegreen.playbook.load import Loaded
from bluegreen.playbook.models import (
    NotifyConfig,
    PgBouncerConfig,
    Playbook,
    SideConfig,
)
from bluegreen.playbook.references import resolver
from bluegreen.pointers.handover import require_guardable
from bluegreen.pointers.pgbouncer.pointer import PgBouncer
from bluegreen.pointers.pointer import Pointer
from bluegreen.postgres.database import Database


def open_databases(
    loaded: Loaded, label: str = "bluegreen"
) -> tuple[Database, Database]:
    """Blue and green of a playbook; `label` shows in their sessions' names."""
    playbook = loaded.playbook
    return (
        _database(Side.BLUE, playbook.blue, label),
        _database(Side.GREEN, playbook.green, label),
    )


def databases_from_dsns(
    blue_dsn: str,
    green_dsn: str,
    label: str = "bluegreen",
    environ: Mapping[str, str] | None = None,
) -> tuple[Database, Database]:
    """Blue and green where there is no playbook, from `--blue` and `--green`.

    A password may stand in them by reference, `password=${env:BLUE_PASSWORD}`.

    Raises:
        PlaybookRefused: 2003 to 2005, as for a playbook.
    """
    resolve = resolver(os.environ if environ is None else environ, Path.cwd())
    blue = dsn_from_call("--blue", blue_dsn, resolve)
    green = dsn_from_call("--green", green_dsn, resolve)
    return (
        Database(Side.BLUE, str(blue), password=blue.password, label=label),
        Database(Side.GREEN, str(green), password=green.password, label=label),
    )


def database_from_dsn(
    option: str, dsn: str, called: str, label: str, environ: Mapping[str, str]
) -> Database:
    """A database that is none of the two sides, from an option of the call.

    It is given blue's side, as the copy of blue that it is to be; messages call it
    `called`.

    Raises:
        PlaybookRefused: 2003 to 2005, as for a playbook.
    """
    read = dsn_from_call(option, dsn, resolver(environ, Path.cwd()))
    return Database(
        Side.BLUE, str(read), password=read.password, label=label, called=called
    )


def open_pointers(loaded: Loaded) -> tuple[Pointer, ...]:
    """The playbook's pointers, in its order.

    Raises:
        PlaybookRefused: 2003, one cannot be used, or no guard could take it over.
    """
    return tuple(
        require_guardable(_pgbouncer(config, loaded.playbook, loaded.home))
        for config in loaded.playbook.pointers
    )


def notify_entries(playbook: Playbook) -> tuple[Entry, ...]:
    """The playbook's ways to tell people, in its order."""
    return tuple(
        Entry(_way(one), frozenset(one.when), one.window_ends_in)
        for one in playbook.notify
    )


def _way(config: NotifyConfig) -> Way:
    if config.webhook is not None:
        return Webhook(config.webhook, config.timeout)
    if config.apprise is not None:
        return Apprise(config.apprise)
    return Command(config.command, config.timeout)


def _database(side: Side, config: SideConfig, label: str) -> Database:
    return Database(
        side,
        str(config.dsn),
        password=config.password or config.dsn.password,
        seen_from_peer=config.seen_from_peer,
        label=label,
    )


def _pgbouncer(config: PgBouncerConfig, playbook: Playbook, home: Path) -> PgBouncer:
    console = Dsn({"dbname": "pgbouncer", **config.console.words})
    client = config.client
    return PgBouncer(
        id=config.id,
        console=str(console),
        console_password=config.console_password or config.console.password,
        config_file=home / config.config_file,
        database=config.database,
        addresses={
            Side.BLUE: config.blue.filled(playbook.blue.dsn),
            Side.GREEN: config.green.filled(playbook.green.dsn),
        },
        client=str(client) if client else None,
        client_password=config.client_password or (client.password if client else None),
    )
