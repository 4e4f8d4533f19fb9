"""Two servers with nothing to find, to be spoilt one thing at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from bluegreen.model.side import Side
from bluegreen.postgres.catalog.collations import Collation
from bluegreen.postgres.catalog.columns import Column
from bluegreen.postgres.catalog.identity import Identity
from bluegreen.postgres.catalog.indexes import Index
from bluegreen.postgres.catalog.relations import Relation
from bluegreen.postgres.catalog.roles import Rights
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.postgres.catalog.settings import Settings
from bluegreen.steps.preflight.intent import Intent

INTENT = Intent("shop")

TEXTS: dict[str, str | None] = {
    "wal_level": "logical",
    "max_replication_slots": "20",
    "max_active_replication_origins": "20",
    "max_wal_senders": "20",
    "max_logical_replication_workers": "12",
    "max_sync_workers_per_subscription": "4",
    "max_worker_processes": "24",
    "max_slot_wal_keep_size": "20480",
    "max_wal_size": "1024",
    "max_prepared_transactions": "0",
    "max_connections": "100",
    "max_locks_per_transaction": "64",
    "autovacuum_max_workers": "3",
    "idle_replication_slot_timeout": "0",
    "wal_sender_timeout": "60000",
    "synchronous_commit": "on",
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "session_replication_role": "origin",
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "search_path": '"$user", public',
}
UNITS = {
    "max_slot_wal_keep_size": "MB",
    "max_wal_size": "MB",
    "idle_replication_slot_timeout": "s",
    "wal_sender_timeout": "ms",
    "lock_timeout": "ms",
    "work_mem": "kB",
    "statement_timeout": "ms",
    "transaction_timeout": "ms",
}
SUPERUSER = Rights("admin", *[True] * 11)
KEY = Index("orders_pkey", ("id",), unique=True, primary=True)


@dataclass(frozen=True)
class Case:
    """Two good servers, one thing spoilt on them, and the finding that is due."""

    id: str
    where: str
    blocks: bool
    fix: str
    blue: dict[str, Any] = field(default_factory=dict)
    green: dict[str, Any] = field(default_factory=dict)
    intent: Intent = INTENT


def table(name: str = "orders", *indexes: Index, **words: Any) -> Relation:
    words.setdefault("columns", (Column("id", "bigint", not_null=True),))
    return Relation(
        1, "public", name, root_name=f"public.{name}", indexes=indexes, **words
    )


def settings(**changes: str | None) -> Settings:
    return Settings({**TEXTS, **changes}, UNITS)


def clean(side: Side, **changes: Any) -> ServerFacts:
    identity = Identity(
        "", "", "", system=1 if side is Side.BLUE else 2, database_oid=5, timeline=1
    )
    plain = ServerFacts(
        side=side,
        database="shop",
        version=160014 if side is Side.BLUE else 180004,
        in_recovery=False,
        clock_ahead_s=0.0,
        peer_password=True,
        asks_password=True,
        identity=identity,
        rights=SUPERUSER,
        settings=settings(),
        collation=Collation("UTF8", "C.UTF-8", "C.UTF-8"),
        relations=(table("orders", KEY),) if side is Side.BLUE else (),
    )
    return replace(plain, **changes)


def set_up(side: Side, playbook: str = "shop", **changes: Any) -> ServerFacts:
    """The same, once the step replicate has begun."""
    facts = clean(side, **changes)
    identity = replace(facts.identity, side=str(side), id=str(side), playbook=playbook)
    return replace(facts, identity=identity)
