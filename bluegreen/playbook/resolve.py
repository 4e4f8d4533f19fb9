"""From a loaded playbook to handles: both databases and the pointers.

Owns which parameter goes where. Nothing is connected here; the handles open their
sessions when they are first used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bluegreen.model.side import Side
from bluegreen.notify.outbox import Entry
from bluegreen.notify.ways import Apprise, Command, Way, Webhook
from bluegreen.playbook.dsn import Dsn, dsn_from_call
from bluegreen.playbook.load import Loaded
from bluegreen.playbook.models import Playbook, SideConfig
from bluegreen.playbook.notify_models import NotifyConfig
from bluegreen.playbook.pointer_models import (
    CommandConfig,
    DnsConfig,
    HaproxyConfig,
    NameConfig,
    PgBouncerConfig,
    PointerConfig,
    Route53Config,
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
        require_guardable(_pointer(config, loaded.playbook, loaded.home))
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


def _pointer(config: PointerConfig, playbook: Playbook, home: Path) -> Pointer:
    """Of its kind; the packages that a kind needs are read for that kind alone."""
    if isinstance(config, PgBouncerConfig):
        return _pgbouncer(config, playbook, home)
    if isinstance(config, Route53Config):
        return _route53(config)
    if isinstance(config, CommandConfig):
        return _command(config, home)
    if isinstance(config, HaproxyConfig):
        return _haproxy(config, home)
    assert isinstance(config, DnsConfig)
    return _dns(config)


def _command(config: CommandConfig, home: Path) -> Pointer:
    from bluegreen.pointers.command.pointer import CommandPointer

    client = config.client
    names = ("get", "set", "pause", "resume", "check")
    return CommandPointer(
        id=config.id,
        timeout_s=config.timeout.total_seconds(),
        home=str(home),
        client=str(client) if client else None,
        client_password=config.client_password or (client.password if client else None),
        **{name: list(map(str, getattr(config, name) or ())) for name in names},
    )


def _haproxy(config: HaproxyConfig, home: Path) -> Pointer:
    from bluegreen.pointers.haproxy.pointer import HaproxyPointer

    client = config.client
    return HaproxyPointer(
        id=config.id,
        socket=str(config.socket),
        backend=str(config.backend),
        servers={Side.BLUE: str(config.blue), Side.GREEN: str(config.green)},
        config_file=str(home / config.config_file) if config.config_file else None,
        client=str(client) if client else None,
        client_password=config.client_password or (client.password if client else None),
    )


def _route53(config: Route53Config) -> Pointer:
    from bluegreen.pointers.route53.pointer import Route53Pointer

    given = config.set_identifier
    return Route53Pointer(
        **_of_name(config),
        hosted_zone=str(config.hosted_zone),
        set_identifier=str(given) if given else None,
    )


def _dns(config: DnsConfig) -> Pointer:
    from bluegreen.pointers.dns.pointer import DnsPointer

    return DnsPointer(
        **_of_name(config),
        server=str(config.server),
        key=config.key,
        key_algorithm=config.key_algorithm,
        key_secret=config.key_secret,
        authorities=tuple(map(str, config.authorities)),
        resolvers=tuple(map(str, config.resolvers)),
    )


def _of_name(config: NameConfig) -> dict[str, Any]:
    """What every name is made of."""
    client = config.client
    return {
        "id": config.id,
        "name": str(config.name),
        "type": str(config.type),
        "values": {
            Side.BLUE: tuple(map(str, config.blue)),
            Side.GREEN: tuple(map(str, config.green)),
        },
        "max_ttl_s": int(config.max_ttl.total_seconds()),
        "lower_ttl": config.lower_ttl,
        "client": str(client) if client else None,
        "client_password": config.client_password
        or (client.password if client else None),
    }


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
