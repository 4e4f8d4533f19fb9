"""All that a look before the work needs to know of one side, as one value.

Owns bringing the readings together; each of them has its file, and what they mean is
for `steps/preflight/`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from bluegreen.model.side import Side
from bluegreen.postgres.catalog.activity import (
    Clients,
    OpenTransaction,
    PreparedTransaction,
    read_clients,
    read_open_transactions,
    read_prepared_transactions,
)
from bluegreen.postgres.catalog.collations import Collation, read_collation
from bluegreen.postgres.catalog.contents import (
    Contents,
    read_contents,
    read_filled_tables,
)
from bluegreen.postgres.catalog.database_access import DatabaseAccess, read_access
from bluegreen.postgres.catalog.durability import Unsafe, read_unsafe, read_unvacuumed
from bluegreen.postgres.catalog.extension_rows import (
    ExtensionRows,
    read_extension_rows,
)
from bluegreen.postgres.catalog.extensions import Extensions, read_extensions
from bluegreen.postgres.catalog.identity import Identity, read_identity
from bluegreen.postgres.catalog.relations import Relation, read_relations
from bluegreen.postgres.catalog.roles import (
    Rights,
    Role,
    RoleSetting,
    read_rights,
    read_role_settings,
    read_roles,
)
from bluegreen.postgres.catalog.server_bound import (
    BoundColumn,
    Counters,
    read_bound_columns,
    read_counters,
)
from bluegreen.postgres.catalog.settings import Settings, read_settings
from bluegreen.postgres.catalog.slots import Streams, read_streams
from bluegreen.postgres.database import Database
from bluegreen.postgres.replication.sequence_facts import SequenceRange, read_ranges
from bluegreen.postgres.schema.partitions import PartitionsEnd, read_ends
from bluegreen.postgres.sync_wait import SyncWait, read_sync_wait


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """One side as it was at one moment.

    Attributes:
        version: server_version_num, e.g. 180004.
        in_recovery: it is a standby and takes no writes.
        clock_ahead_s: its clock less this machine's, give or take half the round
            trip.
        peer_password: what the other side would connect with has a password.
        asks_password: the server wanted one from our own session.
        unsafe: settings that make a commit no promise, or hide damage.
        unvacuumed: tables that autovacuum leaves alone by their own option.
        wait: the standbys that a commit waits for.
        sequences: where each goes, and where it stands.
        bound: columns whose values mean something on this server only.
        filled: tables that take up space, `schema.table`; read when asked for.
    """

    side: Side
    database: str
    version: int
    in_recovery: bool
    clock_ahead_s: float
    peer_password: bool
    asks_password: bool
    identity: Identity
    rights: Rights
    settings: Settings
    collation: Collation
    relations: tuple[Relation, ...] = ()
    contents: Contents = field(default_factory=Contents)
    extensions: Extensions = field(default_factory=Extensions)
    roles: tuple[Role, ...] = ()
    role_settings: tuple[RoleSetting, ...] = ()
    streams: Streams = field(default_factory=Streams)
    transactions: tuple[OpenTransaction, ...] = ()
    prepared: tuple[PreparedTransaction, ...] = ()
    clients: tuple[Clients, ...] = ()
    filled: frozenset[str] = frozenset()
    unsafe: tuple[Unsafe, ...] = ()
    unvacuumed: tuple[str, ...] = ()
    sequences: tuple[SequenceRange, ...] = ()
    ends: tuple[PartitionsEnd, ...] = ()
    wait: SyncWait = field(default_factory=SyncWait)
    access: DatabaseAccess = field(default_factory=DatabaseAccess)
    bound: tuple[BoundColumn, ...] = ()
    counters: Counters = field(default_factory=Counters)
    extension_rows: tuple[ExtensionRows, ...] = ()

    @property
    def major(self) -> int:
        """13 to 18."""
        return self.version // 10_000


def read_server_facts(database: Database, *, filled: bool = False) -> ServerFacts:
    """Read one side. Changes nothing; about 30 catalog queries.

    None of them waits for a table that is locked, but for `filled`.

    Raises:
        SqlError: the server refused one of them.
        ServerGoneError: the connection broke.
    """
    name, version, in_recovery = database.rows(_SERVER)[0]
    return ServerFacts(
        side=database.side,
        database=name,
        version=version,
        in_recovery=in_recovery,
        clock_ahead_s=_clock_ahead_s(database),
        peer_password=_has_password(database),
        asks_password=_asks_password(database),
        identity=read_identity(database),
        rights=read_rights(database),
        settings=read_settings(database),
        collation=read_collation(database),
        relations=read_relations(database, expressions=False),
        contents=read_contents(database),
        extensions=read_extensions(database),
        roles=read_roles(database),
        role_settings=read_role_settings(database),
        streams=read_streams(database),
        transactions=read_open_transactions(database),
        prepared=read_prepared_transactions(database),
        clients=read_clients(database),
        ends=read_ends(database),
        filled=read_filled_tables(database) if filled else frozenset(),
        unsafe=read_unsafe(database),
        unvacuumed=read_unvacuumed(database),
        sequences=read_ranges(database),
        wait=read_sync_wait(database),
        access=read_access(database),
        bound=read_bound_columns(database),
        counters=read_counters(database),
        extension_rows=read_extension_rows(database),
    )


_SERVER = sql.SQL(
    """
    SELECT pg_catalog.current_database(),
        pg_catalog.current_setting('server_version_num')::int,
        pg_catalog.pg_is_in_recovery()
    """
)


def _asks_password(database: Database) -> bool:
    """Whether it did: a server that trusts an address never asks (libpq tells)."""
    with database.translated():
        return database.session.pgconn.used_password


def _clock_ahead_s(database: Database) -> float:
    before = time.time()
    theirs = database.value(
        sql.SQL("SELECT extract(epoch FROM pg_catalog.clock_timestamp())::float8")
    )
    return float(theirs) - (before + time.time()) / 2


def _has_password(database: Database) -> bool:
    params = conninfo_to_dict(database.conninfo_for_peer().reveal())
    return "password" in params
