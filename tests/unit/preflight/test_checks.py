"""Every finding: what brings it up, where, whether it blocks, and what fixes it."""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bluegreen.model.side import Side
from bluegreen.postgres.catalog.activity import (
    Clients,
    OpenTransaction,
    PreparedTransaction,
)
from bluegreen.postgres.catalog.collations import Collation
from bluegreen.postgres.catalog.columns import Column
from bluegreen.postgres.catalog.constraints import Constraint
from bluegreen.postgres.catalog.contents import Contents
from bluegreen.postgres.catalog.durability import Unsafe
from bluegreen.postgres.catalog.extensions import Extensions, Offer
from bluegreen.postgres.catalog.indexes import Index
from bluegreen.postgres.catalog.roles import Rights, Role, RoleSetting
from bluegreen.postgres.catalog.slots import Slot, Streams, Subscription
from bluegreen.postgres.catalog.triggers import Trigger
from bluegreen.postgres.replication.sequence_facts import SequenceRange
from bluegreen.postgres.schema.partitions import PartitionsEnd
from bluegreen.postgres.sync_wait import SyncWait
from bluegreen.steps import preflight
from bluegreen.steps.preflight import check_servers
from bluegreen.steps.preflight.intent import Intent, listed
from tests.unit.preflight.access_cases import ACCESS_CASES
from tests.unit.preflight.bound_cases import BOUND_CASES
from tests.unit.preflight.facts import (
    INTENT,
    KEY,
    Case,
    clean,
    set_up,
    settings,
    table,
)
from tests.unit.preflight.setting_cases import SETTING_CASES

LOOKS = Path(preflight.__file__).parent
PAGE = LOOKS.parents[2] / "docs" / "steps" / "check.md"
POOR = Rights("bg", create_in_public=True)
APP = Role("app", used=True)
DEFERRABLE = replace(KEY, immediate=False)
UNIQUE = Index("Orders_no", ("no",), unique=True)
ORDERS = ("public", "orders")
PLAIN_TRIGGER = Trigger(
    "note",
    "A",
    row=True,
    on_insert=True,
    function="public.note()",
    body="BEGIN RETURN NEW; END",
    language="plpgsql",
    table=ORDERS,
)


def counter(**words: Any) -> SequenceRange:
    plain = SequenceRange("public", "inv", "bigint", 1, 1000, 1, False, 1, 10, True)
    return replace(plain, **words)


def unsafe(name: str, value: str, **words: Any) -> dict[str, Any]:
    return {"unsafe": (Unsafe(name, value, **words),)}


UNSAFE_CASES = (
    Case(
        "crash-unsafe",
        "green",
        True,
        "ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();",
        {},
        unsafe("fsync", "off"),
    ),
    Case(
        "crash-unsafe",
        "blue",
        True,
        "ALTER SYSTEM SET full_page_writes = on;",
        unsafe("full_page_writes", "off"),
    ),
    Case(
        "crash-unsafe",
        "green",
        False,
        "ALTER SYSTEM SET data_sync_retry = off; -- then restart it",
        {},
        unsafe("data_sync_retry", "on"),
    ),
    Case(
        "damage-hidden",
        "green",
        True,
        'ALTER ROLE "App" IN DATABASE shop RESET zero_damaged_pages;',
        {},
        unsafe("zero_damaged_pages", "on", role="App", database=True, server=False),
    ),
    Case(
        "damage-hidden",
        "blue",
        True,
        "ALTER ROLE ALL RESET ignore_checksum_failure;",
        unsafe("ignore_checksum_failure", "on", server=False),
    ),
    Case(
        "damage-hidden",
        "blue",
        True,
        "ALTER DATABASE shop RESET ignore_system_indexes;",
        unsafe("ignore_system_indexes", "on", database=True, server=False),
    ),
    Case(
        "vacuum-off",
        "green",
        True,
        "ALTER SYSTEM SET autovacuum = on;",
        {},
        unsafe("autovacuum", "off"),
    ),
    Case(
        "vacuum-off",
        "blue",
        False,
        "ALTER SYSTEM SET track_counts = on;",
        unsafe("track_counts", "off"),
    ),
    Case(
        "developer-setting",
        "green",
        False,
        "ALTER SYSTEM SET allow_in_place_tablespaces = off;",
        {},
        unsafe("allow_in_place_tablespaces", "on"),
    ),
)


def has(**words: Any) -> dict[str, Any]:
    return {"contents": Contents(**words)}


def runs(**words: Any) -> dict[str, Any]:
    return {"streams": Streams(**words)}


def set_to(**words: str | None) -> dict[str, Any]:
    return {"settings": settings(**words)}


def lists(*tables: Any) -> dict[str, Any]:
    return {"relations": tables}


def rights(**words: Any) -> dict[str, Any]:
    return {"rights": replace(clean(Side.BLUE).rights, **words)}


END = PartitionsEnd(
    "public.ev", "ev_2026_11", datetime(2026, 12, 1, tzinfo=UTC), 3600.0, 30 * 86400.0
)

CASES = [
    Case(
        "partitions-end-soon",
        "blue",
        False,
        "bluegreen partitions PLAYBOOK --ahead 7 --parent public.ev",
        {"ends": (END, replace(END, parent="public.old", ahead_s=-31 * 86400.0))},
    ),
    Case("version-unknown", "blue", True, "13 to 18", {"version": 120022}),
    Case("standby", "blue", True, "takes writes", {"in_recovery": True}),
    Case("version-older", "green", True, "PostgreSQL 16", {}, {"version": 150018}),
    Case(
        "schema-taken",
        "green",
        True,
        "ALTER SCHEMA bluegreen RENAME",
        {},
        has(has_our_schema=True),
    ),
    Case(
        "role-named-bluegreen",
        "blue",
        False,
        "ALTER ROLE bluegreen SET search_path = public;",
        {"roles": (Role("bluegreen", used=False),)},
        {"roles": (Role("bluegreen", login=False),)},
    ),
    Case("green-not-empty", "green", True, "empty database", {}, lists(table("other"))),
    Case(
        "green-not-empty",
        "green",
        True,
        "empty database",
        {},
        {**lists(table("orders", KEY)), "filled": frozenset({"public.orders"})},
    ),
    Case("clocks-apart", "green", False, "chrony", {}, {"clock_ahead_s": 2.5}),
    Case(
        "right-replication",
        "blue",
        True,
        "ALTER ROLE admin REPLICATION;",
        rights(replication=False),
    ),
    Case(
        "right-subscribe",
        "green",
        True,
        "GRANT pg_create_subscription TO admin;",
        {},
        rights(subscribe=False),
    ),
    Case(
        "right-subscribe",
        "blue",
        True,
        "ALTER ROLE admin SUPERUSER;",
        {**rights(subscribe=False), "version": 150018},
    ),
    Case(
        "right-password",
        "green",
        True,
        "give blue a `password`",
        {"peer_password": False},
        rights(superuser=False),
    ),
    Case(
        "right-password-unasked",
        "green",
        False,
        "in blue's pg_hba.conf, scram-sha-256",
        {"asks_password": False},
        rights(superuser=False),
    ),
    Case(
        "right-origins",
        "blue",
        True,
        "GRANT EXECUTE ON FUNCTION",
        rights(origins=False),
    ),
    Case(
        "right-create",
        "blue",
        True,
        "GRANT CREATE ON DATABASE shop TO admin;",
        rights(create=False),
    ),
    Case(
        "right-public",
        "green",
        True,
        "GRANT CREATE ON SCHEMA public TO admin;",
        {},
        rights(create_in_public=False),
    ),
    Case(
        "right-monitor",
        "blue",
        True,
        "GRANT pg_monitor TO admin;",
        rights(monitor=False),
    ),
    Case(
        "right-signal",
        "blue",
        False,
        "GRANT pg_signal_backend TO admin;",
        rights(signal=False),
    ),
    Case(
        "right-deadlock-timeout",
        "green",
        False,
        "GRANT SET ON PARAMETER deadlock_timeout TO admin;",
        {},
        rights(quick_locks=False),
    ),
    Case(
        "right-replica-role",
        "green",
        False,
        "GRANT SET ON PARAMETER session_replication_role TO admin;",
        {},
        rights(act_as_apply=False),
    ),
    Case(
        "right-owner",
        "blue",
        True,
        'GRANT "Owner" TO admin;',
        lists(table("orders", KEY, owner="Owner", owned=False)),
    ),
    Case(
        "wal-level",
        "green",
        True,
        "ALTER SYSTEM SET wal_level = 'logical';",
        {},
        set_to(wal_level="replica"),
    ),
    Case(
        "few-slots",
        "blue",
        True,
        "SET max_replication_slots = 5;",
        {**set_to(max_replication_slots="1"), "version": 180004},
    ),
    Case(
        "few-slots",
        "blue",
        False,
        "SET max_replication_slots = 5;",
        set_to(max_replication_slots="4"),
    ),
    Case(
        "few-senders",
        "green",
        True,
        "SET max_wal_senders = 4;",
        {},
        {**set_to(max_wal_senders="3"), **runs(senders=3)},
    ),
    Case(
        "few-origins",
        "green",
        True,
        "SET max_active_replication_origins = 5;",
        {},
        set_to(max_active_replication_origins="0"),
    ),
    Case(
        "few-workers",
        "blue",
        True,
        "SET max_logical_replication_workers = 1;",
        set_to(max_logical_replication_workers="0"),
    ),
    Case(
        "few-processes",
        "green",
        False,
        "SET max_worker_processes = 6;",
        {},
        {**set_to(max_worker_processes="4"), **runs(worker_processes=1)},
    ),
    Case(
        "few-sync-workers",
        "green",
        False,
        "= 4; SELECT pg_reload_conf();",
        {},
        set_to(max_sync_workers_per_subscription="2"),
    ),
    Case(
        "lock-table-small",
        "green",
        True,
        "SET max_locks_per_transaction = ",
        has(relations=25_000),
    ),
    Case(
        "lock-table-small",
        "green",
        False,
        "; -- then restart the server",
        has(relations=11_000),
    ),
    Case(
        "lock-table-small",
        "blue",
        True,
        "SET max_locks_per_transaction = ",
        has(lockable=20_000),
    ),
    Case(
        "wal-unbounded",
        "blue",
        False,
        "max_slot_wal_keep_size",
        set_to(max_slot_wal_keep_size="-1"),
    ),
    Case(
        "wal-limit-small",
        "blue",
        False,
        "max_slot_wal_keep_size",
        set_to(max_slot_wal_keep_size="512"),
    ),
    Case(
        "slot-timeout",
        "green",
        True,
        "idle_replication_slot_timeout = 0;",
        {},
        set_to(idle_replication_slot_timeout="3600"),
    ),
    Case(
        "slot-timeout",
        "green",
        False,
        "idle_replication_slot_timeout = 0;",
        {},
        set_to(idle_replication_slot_timeout="172800"),
    ),
    Case(
        "sender-timeout",
        "blue",
        False,
        "wal_sender_timeout = '60s';",
        set_to(wal_sender_timeout="2000"),
    ),
    Case(
        "stream-limited",
        "blue",
        True,
        "ALTER ROLE admin IN DATABASE shop SET statement_timeout = 0;",
        {"role_settings": (RoleSetting("admin", False, "statement_timeout", "1min"),)},
    ),
    Case(
        "stream-limited",
        "blue",
        False,
        "SET statement_timeout = 0;",
        set_to(statement_timeout="7200000"),
    ),
    Case(
        "stream-limited",
        "green",
        True,
        "SET transaction_timeout = 0;",
        {},
        {"role_settings": (RoleSetting("", True, "transaction_timeout", "9000"),)},
    ),
    Case(
        "fence-passed",
        "blue",
        True,
        "ALTER ROLE etl RESET session_replication_role;",
        {
            "role_settings": (
                RoleSetting("etl", False, "session_replication_role", "replica"),
            )
        },
    ),
    Case(
        "fence-passed",
        "green",
        True,
        "ALTER SYSTEM RESET session_replication_role;",
        {},
        set_to(session_replication_role="replica"),
    ),
    Case("asynchronous-commit", "blue", False, "", set_to(synchronous_commit="off")),
    Case(
        "asynchronous-commit",
        "green",
        False,
        "",
        {},
        {"role_settings": (RoleSetting("app", False, "synchronous_commit", "OFF"),)},
    ),
    *UNSAFE_CASES,
    Case(
        "sequence-range",
        "green",
        True,
        "ALTER SEQUENCE public.inv AS bigint MINVALUE 1 MAXVALUE 5000;",
        {"sequences": (counter(most=5000, last=101),)},
        {"sequences": (counter(type="integer", most=100, last=1),)},
        replace(INTENT, copied=True),
    ),
    Case(
        "sequence-range",
        "blue",
        False,
        "ALTER SEQUENCE public.inv MINVALUE 1 MAXVALUE 5000;",
        {"sequences": (counter(most=100),)},
        {"sequences": (counter(most=5000),)},
        replace(INTENT, copied=True),
    ),
    Case(
        "tables-unvacuumed",
        "green",
        False,
        "RESET (autovacuum_enabled)",
        {},
        {"unvacuumed": ("public.orders",)},
    ),
    Case(
        "synchronous-standbys",
        "blue",
        True,
        "synchronous_standby_names = ''",
        {"wait": SyncWait("replica1")},
    ),
    Case(
        "synchronous-standbys",
        "blue",
        False,
        "",
        {"wait": SyncWait("*", there=1)},
    ),
    Case(
        "table-without-identity",
        "blue",
        True,
        "ALTER TABLE public.notes REPLICA IDENTITY FULL;",
        lists(table("notes")),
    ),
    Case(
        "table-without-identity",
        "blue",
        True,
        'REPLICA IDENTITY USING INDEX "Orders_no";',
        lists(table("orders", DEFERRABLE, UNIQUE)),
    ),
    Case(
        "table-without-identity",
        "blue",
        True,
        "REPLICA IDENTITY DEFAULT;",
        lists(table("orders", KEY, replica_identity="n")),
    ),
    Case(
        "table-without-identity",
        "blue",
        True,
        "ADD PRIMARY KEY",
        lists(table("notes", columns=(Column("body", "json"),))),
    ),
    Case(
        "full-identity-unusable",
        "blue",
        True,
        "ADD PRIMARY KEY",
        lists(table("notes", columns=(Column("b", "point[]"),), replica_identity="f")),
    ),
    Case(
        "identity-generated",
        "blue",
        True,
        "ADD PRIMARY KEY",
        lists(
            table(
                "orders",
                KEY,
                columns=(Column("id", "bigint", default="a", generated="s"),),
            )
        ),
    ),
    Case(
        "unlogged-table",
        "blue",
        True,
        "ALTER TABLE public.cache SET LOGGED;",
        lists(table("cache", KEY, persistence="u")),
    ),
    Case(
        "migration-table",
        "blue",
        False,
        "",
        lists(table("alembic_version", KEY)),
    ),
    Case(
        "row-security",
        "blue",
        True,
        "ALTER ROLE admin BYPASSRLS;",
        {
            **rights(bypass_rls=False),
            **lists(table("orders", KEY, row_security=True, forced=True)),
        },
    ),
    Case(
        "materialized-views",
        "blue",
        False,
        "REFRESH MATERIALIZED VIEW",
        lists(table("totals", kind="matview")),
    ),
    Case(
        "foreign-tables", "blue", False, "SELECT", lists(table("far", kind="foreign"))
    ),
    Case(
        "partitioned-tables",
        "blue",
        False,
        "ahead of time",
        lists(table("parts", kind="partitioned")),
    ),
    Case(
        "inherited-tables", "blue", False, "", lists(table("child", KEY, inherits=True))
    ),
    Case(
        "extension-tables",
        "blue",
        False,
        "by hand",
        lists(table("spatial_ref_sys", extension="postgis")),
    ),
    Case(
        "generated-columns",
        "blue",
        False,
        "",
        lists(table("orders", KEY, columns=(Column("sum", "int", generated="s"),))),
    ),
    Case(
        "identity-columns",
        "blue",
        False,
        "",
        lists(table("orders", KEY, columns=(Column("id", "int", identity="a"),))),
    ),
    Case("large-objects", "blue", True, "large-objects", has(large_objects=3)),
    Case("sequences", "blue", False, "", has(sequences=3)),
    Case(
        "trigger-unqualified",
        "blue",
        True,
        "ALTER FUNCTION public.note() SET search_path = public, pg_temp;",
        has(
            apply_triggers=(
                replace(PLAIN_TRIGGER, body="INSERT INTO log VALUES (NEW.id);"),
            )
        ),
    ),
    Case(
        "trigger-always",
        "blue",
        False,
        "SET search_path = public, pg_temp;",
        has(apply_triggers=(PLAIN_TRIGGER,)),
    ),
    Case(
        "event-triggers", "green", False, "let role", {}, has(event_triggers=("audit",))
    ),
    Case(
        "event-trigger-writes",
        "blue",
        True,
        'ALTER EVENT TRIGGER "Log" DISABLE;',
        has(event_triggers=("Log",), event_writers=("Log",)),
    ),
    Case(
        "constraint-not-valid",
        "blue",
        False,
        'ALTER TABLE public.orders VALIDATE CONSTRAINT "Fk";',
        has(constraints=(Constraint("Fk", "f", valid=False, table=ORDERS),)),
    ),
    Case(
        "row-by-row-constraints",
        "blue",
        False,
        "",
        has(constraints=(Constraint("x", "x", table=ORDERS),)),
    ),
    Case(
        "invalid-index",
        "blue",
        False,
        "DROP INDEX CONCURRENTLY public.i;",
        has(invalid_indexes=("public.i",)),
    ),
    Case(
        "long-transaction",
        "blue",
        True,
        "SELECT pg_terminate_backend(77);",
        {"transactions": (OpenTransaction(77, "app@10.0.0.9", 301, True),)},
    ),
    Case(
        "long-transaction",
        "green",
        False,
        "SELECT pg_terminate_backend(77);",
        {},
        {"transactions": (OpenTransaction(77, "app@10.0.0.9", 301, True),)},
    ),
    Case(
        "long-read",
        "blue",
        False,
        "SELECT pg_terminate_backend(77);",
        {"transactions": (OpenTransaction(77, "app@10.0.0.9", 301, False),)},
    ),
    Case(
        "prepared-transaction",
        "blue",
        True,
        "ROLLBACK PREPARED 'it''s';",
        {"prepared": (PreparedTransaction("it's", "shop", "app", 5),)},
    ),
    Case(
        "prepared-transactions-possible",
        "blue",
        False,
        "cutover",
        set_to(max_prepared_transactions="4"),
    ),
    Case(
        "foreign-slot",
        "blue",
        True,
        "SELECT pg_drop_replication_slot('debezium');",
        runs(slots=(Slot("debezium", "logical", False, True),)),
    ),
    Case(
        "other-slot",
        "blue",
        False,
        "",
        runs(slots=(Slot("standby_1", "physical", True, False),)),
    ),
    Case(
        "foreign-subscription",
        "blue",
        True,
        "DROP SUBSCRIPTION feed;",
        runs(subscriptions=(Subscription("feed", True, "feed"),)),
    ),
    Case("foreign-publications", "blue", False, "", runs(publications=("events",))),
    Case(
        "clients",
        "blue",
        False,
        "pooler",
        {"clients": (Clients("10.0.0.9", "app", 12),)},
    ),
    Case(
        "extension-missing",
        "green",
        True,
        "package of hstore",
        {"extensions": Extensions({"hstore": "1.8"})},
    ),
    Case(
        "extension-superuser",
        "green",
        True,
        "CREATE EXTENSION dblink;",
        {"extensions": Extensions({"dblink": "1.2"})},
        {
            **rights(superuser=False),
            "extensions": Extensions({}, {"dblink": Offer("1.2", superuser=True)}),
        },
    ),
    Case(
        "extension-older",
        "green",
        True,
        "ALTER EXTENSION hstore UPDATE TO '1.10';",
        {"extensions": Extensions({"hstore": "1.10"})},
        {
            "extensions": Extensions(
                {"hstore": "1.9"}, {"hstore": Offer("1.10", frozenset({"1.10"}))}
            )
        },
    ),
    Case(
        "extension-newer",
        "green",
        False,
        "",
        {"extensions": Extensions({"hstore": "1.8"})},
        {"extensions": Extensions({}, {"hstore": Offer("1.9")})},
    ),
    Case(
        "extension-version",
        "green",
        False,
        "",
        {"extensions": Extensions({"hstore": "1.8"})},
        {"extensions": Extensions({}, {"hstore": Offer("1.8-acme")})},
    ),
    Case(
        "no-encoding",
        "blue",
        False,
        "on a copy",
        {"collation": Collation("SQL_ASCII", "C", "C")},
        {"collation": Collation("SQL_ASCII", "C", "C")},
    ),
    Case(
        "encoding-differs",
        "green",
        True,
        "TEMPLATE template0",
        {},
        {"collation": Collation("SQL_ASCII", "C.UTF-8", "C.UTF-8")},
    ),
    Case(
        "collation-differs",
        "green",
        True,
        "TEMPLATE template0",
        {},
        {"collation": Collation("UTF8", "en_US.UTF-8", "en_US.UTF-8")},
    ),
    Case(
        "collation-version-differs",
        "green",
        False,
        "",
        {
            "collation": Collation(
                "UTF8", "C.UTF-8", "C.UTF-8", recorded="2.36", actual="2.36"
            )
        },
        {
            "collation": Collation(
                "UTF8", "C.UTF-8", "C.UTF-8", recorded="2.41", actual="2.41"
            )
        },
    ),
    Case(
        "collation-stale",
        "blue",
        False,
        "REINDEX DATABASE shop;",
        {
            "collation": Collation(
                "UTF8", "C.UTF-8", "C.UTF-8", stale=("public.german",)
            )
        },
    ),
    Case(
        "time-zone-differs",
        "green",
        True,
        "ALTER DATABASE shop SET TimeZone = 'Europe/Berlin';",
        set_to(TimeZone="Europe/Berlin"),
    ),
    Case(
        "setting-differs",
        "green",
        True,
        "ALTER DATABASE shop SET search_path = app, public;",
        set_to(search_path="app, public"),
    ),
    Case(
        "settings-unseen",
        "blue",
        False,
        "GRANT EXECUTE ON FUNCTION pg_catalog.pg_show_all_file_settings() TO admin;",
        set_to(TimeZone=None),
    ),
    Case(
        "limits-lower",
        "green",
        False,
        "ALTER SYSTEM SET max_connections = 100; "
        "ALTER SYSTEM SET max_prepared_transactions = 5;",
        set_to(max_prepared_transactions="5"),
        set_to(max_connections="40"),
    ),
    Case(
        "role-missing",
        "green",
        True,
        "CREATE ROLE app LOGIN NOSUPERUSER",
        {"roles": (APP,)},
    ),
    Case(
        "role-missing-unused",
        "green",
        False,
        "",
        {"roles": (Role("elsewhere"),)},
    ),
    Case(
        "membership-missing",
        "green",
        True,
        "GRANT readers TO app;",
        {"roles": (replace(APP, member_of=frozenset({"readers"})),)},
        {"roles": (APP,)},
    ),
    Case(
        "role-differs",
        "green",
        True,
        "ALTER ROLE app LOGIN",
        {"roles": (APP,)},
        {"roles": (replace(APP, login=False),)},
    ),
    Case(
        "role-setting-missing",
        "green",
        True,
        "ALTER ROLE app IN DATABASE shop SET work_mem = '64MB';",
        {
            "roles": (APP,),
            "role_settings": (RoleSetting("app", True, "work_mem", "64MB"),),
        },
        {"roles": (APP,)},
    ),
    Case(
        "role-setting-missing",
        "green",
        True,
        'ALTER DATABASE shop SET search_path = "$user", app;',
        {"role_settings": (RoleSetting("", True, "search_path", '"$user", app'),)},
    ),
    *ACCESS_CASES,
    *SETTING_CASES,
    *BOUND_CASES,
]
IDENTITY_IDS = {"sides-exchanged", "other-playbook"}


def look(blue: Any, green: Any, intent: Intent = INTENT) -> list[Any]:
    return check_servers(blue, green, intent)


def test_two_good_servers_bring_nothing_up() -> None:
    assert look(clean(Side.BLUE), clean(Side.GREEN)) == []


@pytest.mark.parametrize(
    "case", CASES, ids=lambda c: f"{c.id}-{c.where}-{'blocks' if c.blocks else 'note'}"
)
def test_one_thing_spoilt_is_one_finding(case: Case) -> None:
    found = look(
        clean(Side.BLUE, **case.blue), clean(Side.GREEN, **case.green), case.intent
    )
    [finding] = [f for f in found if f.id == case.id]
    assert (finding.where, finding.is_blocking) == (case.where, case.blocks)
    assert case.fix in finding.fix
    assert bool(case.fix) == bool(finding.fix)
    assert finding.seen
    assert finding.why


def test_sides_exchanged_in_the_playbook_block() -> None:
    blue = replace(clean(Side.BLUE), identity=set_up(Side.GREEN).identity)
    [finding] = [f for f in look(blue, clean(Side.GREEN)) if f.is_blocking]
    assert (finding.id, finding.where) == ("sides-exchanged", "blue")


def test_a_database_of_another_playbook_blocks() -> None:
    green = set_up(Side.GREEN, playbook="billing")
    [finding] = look(clean(Side.BLUE), green)
    assert (finding.id, finding.where, finding.is_blocking) == (
        "other-playbook",
        "green",
        True,
    )
    assert "'billing'" in finding.fix


def test_a_pair_at_work_brings_nothing_up() -> None:
    """After replicate: full green, our schema, slot, publication and subscription."""
    name = "bluegreen_shop_from_blue"
    blue = set_up(
        Side.BLUE,
        **has(has_our_schema=True),
        **set_to(max_replication_slots="2", max_wal_senders="2"),
        **runs(
            slots=(
                Slot(name, "logical", True, True),
                Slot("pg_16400_sync_16390_7312", "logical", True, True),
            ),
            publications=(name,),
            senders=2,
        ),
    )
    green = set_up(
        Side.GREEN,
        **has(has_our_schema=True),
        **set_to(
            max_active_replication_origins="1", max_logical_replication_workers="1"
        ),
        **runs(
            subscriptions=(Subscription(name, True, name),),
            origins=1,
            logical_workers=1,
            worker_processes=2,
        ),
        **lists(table("orders", KEY), table("orders_by_day", KEY)),
    )
    assert look(blue, green, replace(INTENT, copied=True)) == []


def test_the_slot_of_another_playbook_is_foreign() -> None:
    for other in ("billing", "shop_eu"):
        slot = Slot(f"bluegreen_{other}_from_blue", "logical", True, True)
        [finding] = look(clean(Side.BLUE, **runs(slots=(slot,))), clean(Side.GREEN))
        assert (finding.id, finding.is_blocking) == ("foreign-slot", True)


@pytest.mark.parametrize("words", ["exclude", "identity_full"])
def test_a_table_that_replicate_takes_care_of_needs_no_key(words: str) -> None:
    blue = clean(Side.BLUE, **lists(table("notes")))
    intent = replace(INTENT, **{words: ("public.notes",)})
    assert look(blue, clean(Side.GREEN), intent) == []


NO = Column("no", "int", generated="s")


@pytest.mark.parametrize(
    ("notes", "found"),
    [
        pytest.param(table("notes", UNIQUE), [], id="no-key"),
        pytest.param(table("notes", DEFERRABLE, UNIQUE), [], id="deferrable-key"),
        pytest.param(
            table("notes", UNIQUE, replica_identity="n"), [], id="identity-nothing"
        ),
        pytest.param(
            table("notes", replace(UNIQUE, not_null=False)),
            ["table-without-identity"],
            id="an-index-that-cannot-be-one",
        ),
        pytest.param(
            table("notes", replace(UNIQUE, name="other")),
            ["table-without-identity"],
            id="another-index",
        ),
        pytest.param(
            table("notes", KEY, UNIQUE, columns=(Column("id", "int"), NO)),
            ["identity-generated"],
            id="over-a-generated-column",
        ),
    ],
)
def test_an_index_that_replicate_makes_the_identity(
    notes: Any, found: list[str]
) -> None:
    intent = replace(INTENT, identity_index=("public.Orders_no",))
    blocking = [
        one.id
        for one in look(clean(Side.BLUE, **lists(notes)), clean(Side.GREEN), intent)
        if one.is_blocking
    ]
    assert blocking == found


def test_identity_full_does_not_help_a_table_that_cannot_be_compared() -> None:
    notes = table("notes", columns=(Column("body", "json"),))
    [finding] = look(
        clean(Side.BLUE, **lists(notes)),
        clean(Side.GREEN),
        Intent("shop", identity_full=("public.notes",)),
    )
    assert finding.id == "full-identity-unusable"


def test_a_partition_follows_the_table_it_is_part_of() -> None:
    part = replace(table("events_2025"), is_partition=True, root_name="public.events")
    blue = clean(Side.BLUE, **lists(part))
    intent = Intent("shop", exclude=("public.events",))
    assert look(blue, clean(Side.GREEN), intent) == []
    [finding] = look(blue, clean(Side.GREEN))
    assert finding.id == "table-without-identity"


def test_a_setting_of_blues_database_is_told_once() -> None:
    blue = clean(
        Side.BLUE, role_settings=(RoleSetting("", True, "TimeZone", "Europe/Berlin"),)
    )
    [finding] = look(blue, clean(Side.GREEN))
    assert finding.id == "role-setting-missing"


@pytest.mark.parametrize("there", ["Etc/UTC", "GMT", "utc"])
def test_names_of_one_time_zone_are_alike(there: str) -> None:
    assert look(clean(Side.BLUE), clean(Side.GREEN, **set_to(TimeZone=there))) == []


def test_spellings_of_one_locale_are_alike() -> None:
    green = clean(Side.GREEN, collation=Collation("UTF8", "C.utf8", "C.utf8"))
    assert look(clean(Side.BLUE), green) == []


@pytest.mark.parametrize(
    "body",
    [
        "PERFORM 1 FROM shop.log;",
        "UPDATE shop.t SET a = 1;",
        "NEW.at := pg_catalog.now(); RETURN NEW;",
        'INSERT INTO "shop".log SELECT NEW.*;',
        "IF NEW IS DISTINCT FROM OLD THEN RETURN NEW; END IF;",
    ],
)
def test_qualified_bodies_are_let_through(body: str) -> None:
    trigger = replace(PLAIN_TRIGGER, body=body)
    found = look(clean(Side.BLUE, **has(apply_triggers=(trigger,))), clean(Side.GREEN))
    assert [f.id for f in found] == ["trigger-always"]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("SELECT 1 FROM log", "log"),
        ("update Only log SET a = 1", "log"),
        ('DELETE FROM "Log" WHERE a = 1', '"Log"'),
        ("SELECT 1 FROM shop.a JOIN b ON true", "b"),
        ("TRUNCATE TABLE log", "log"),
    ],
)
def test_unqualified_bodies_are_named(body: str, name: str) -> None:
    trigger = replace(PLAIN_TRIGGER, body=body)
    found = look(clean(Side.BLUE, **has(apply_triggers=(trigger,))), clean(Side.GREEN))
    [finding] = found
    assert finding.id == "trigger-unqualified"
    assert f"names {name} without" in finding.seen


def test_a_pinned_search_path_quiets_an_unqualified_body() -> None:
    trigger = replace(PLAIN_TRIGGER, body="SELECT 1 FROM log", pinned=True)
    [finding] = look(
        clean(Side.BLUE, **has(apply_triggers=(trigger,))), clean(Side.GREEN)
    )
    assert (finding.id, finding.fix) == ("trigger-always", "")


def test_a_role_without_any_right_is_told_all_of_them() -> None:
    found = look(clean(Side.BLUE, rights=POOR), clean(Side.GREEN))
    assert [f.id for f in found if f.id.startswith("right")] == [
        "right-replication",
        "right-subscribe",
        "right-origins",
        "right-create",
        "right-monitor",
        "right-signal",
        "right-deadlock-timeout",
        "right-replica-role",
    ]


@pytest.mark.parametrize(
    ("major", "fixes"),
    [
        (
            14,
            [
                "ALTER ROLE bg SET deadlock_timeout = '10ms';",
                "ALTER ROLE bg SUPERUSER; -- before 15 only a superuser may",
            ],
        ),
        (
            15,
            [
                "GRANT SET ON PARAMETER deadlock_timeout TO bg;",
                "GRANT SET ON PARAMETER session_replication_role TO bg;",
            ],
        ),
    ],
)
def test_who_may_not_set_is_told_what_a_superuser_runs(
    major: int, fixes: list[str]
) -> None:
    blue = clean(Side.BLUE, rights=POOR, version=major * 10_000)
    found = look(blue, clean(Side.GREEN))
    said = {"right-deadlock-timeout", "right-replica-role"}
    assert [f.fix for f in found if f.id in said and f.where == "blue"] == fixes


@pytest.mark.parametrize(
    "given",
    [
        (RoleSetting("admin", True, "statement_timeout", "0"),),
        (RoleSetting("app", False, "statement_timeout", "1s"),),
    ],
    ids=["lifted-for-our-role", "of-another-role"],
)
def test_a_limit_that_does_not_meet_the_stream_is_not_told(given: Any) -> None:
    wide = RoleSetting("", True, "statement_timeout", "1s")
    given = (wide, *given) if given[0].role == "admin" else given
    both = {"role_settings": given}
    assert look(clean(Side.BLUE, **both), clean(Side.GREEN, **both)) == []


def test_a_limit_that_comes_after_the_copy_stops_no_cutover() -> None:
    blue = clean(Side.BLUE, **set_to(statement_timeout="1000"))
    found = look(blue, clean(Side.GREEN), replace(INTENT, copied=True))
    assert [(f.id, f.is_blocking) for f in found] == [("stream-limited", False)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60000", 60), ("60s", 60), ("1.5 min", 90), ("1h", 3600), ("-1", -1), ("0", 0)],
)
def test_a_setting_reads_as_its_file_and_its_role_have_it(
    text: str, seconds: float
) -> None:
    assert settings(wal_sender_timeout=text).number("wal_sender_timeout") == seconds


def test_long_lists_are_cut() -> None:
    assert listed("abc") == "a, b, c"
    assert listed("abcdefgh") == "a, b, c, d, e and 3 more"


def ids_in_code() -> set[str]:
    found = set()
    for path in LOOKS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    known = {case.id for case in CASES} | IDENTITY_IDS
    kebab = {text for text in found if _is_kebab(text)}
    assert known <= kebab
    return kebab


def _is_kebab(text: str) -> bool:
    parts = text.split("-")
    return all(part.isalpha() and part.islower() for part in parts) and (
        len(parts) > 1 or text in ("standby", "sequences", "clients")
    )


NO_SERVER_IS_ASKED = {"guard-beside-tool", "accept-unused"}
"""Cases in `unit/engine/test_own_process.py` and in `test_accept.py`."""

POOLERS_ARE_ASKED = {"connections-few"}
"""Cases in `test_connections.py`."""


REHEARSED = {
    "schema-refused": True,
    "left-out": False,
    "exclude-unknown": True,
    "exclude-takes-table": True,
    "schema-not-rehearsed": False,
    "extension-not-rehearsed": False,
    "compression-missing": False,
    "view-cannot-be-filled": True,
    "migration-refused": True,
    "schema-difference": True,
    "migration-not-rehearsed": False,
    "migration-owner": True,
}
"""Whether each blocks. Cases in `test_rehearsal.py`, `unit/test_left_out.py`,
`e2e/test_owners_cli.py`."""


ROWS_ARE_ASKED = {
    "function-unqualified": True,
    "rows-break-rule": True,
    "rows-twice": True,
    "rows-without-parent": True,
    "rule-not-asked": False,
}
"""Whether each blocks. Their cases are in `test_rules.py`."""


def test_every_finding_has_a_case_here() -> None:
    known = {case.id for case in CASES} | IDENTITY_IDS | NO_SERVER_IS_ASKED
    known |= set(ROWS_ARE_ASKED)
    known |= set(REHEARSED) | POOLERS_ARE_ASKED
    assert ids_in_code() == known


BLOCKS = {
    "yes": {True},
    "no": {False},
    "by degree": {True, False},
    "on blue": {True, False},
    "on green": {True, False},
    "if it may do less": {True, False},
    "if it gives rights": {True, False},
}


def test_every_finding_stands_on_the_page() -> None:
    """With the same word on whether it blocks."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in row.split("|")] for row in rows]
    # An action's name has capitals, a finding's has none.
    told = {r[1].strip("`"): BLOCKS[r[3]] for r in cells if r[1].islower()}
    certain = IDENTITY_IDS | POOLERS_ARE_ASKED
    shown: dict[str, set[bool]] = {key: {True} for key in certain}
    shown |= {key: {False} for key in NO_SERVER_IS_ASKED}
    shown |= {key: {blocks} for key, blocks in (REHEARSED | ROWS_ARE_ASKED).items()}
    for case in CASES:
        shown.setdefault(case.id, set()).add(case.blocks)
    assert set(told) == ids_in_code()
    assert [key for key, blocks in told.items() if not shown[key] <= blocks] == []
