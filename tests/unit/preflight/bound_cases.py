"""Findings about values that mean something on one server only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bluegreen.postgres.catalog.extension_rows import ExtensionRows
from bluegreen.postgres.catalog.server_bound import Bound, BoundColumn, Counters
from tests.unit.preflight.facts import INTENT, Case

TX = BoundColumn("public.ev", "tx", Bound.TRANSACTION, "xid8", 5069)
AT = BoundColumn("public.feed", "at", Bound.WAL, "pg_lsn", 3220)
REL = BoundColumn("audit.log", "relid", Bound.OID, "oid", 26)
STATE = BoundColumn("public.orders", "state", Bound.TYPE, "public.state", 16411)
COPIED = replace(INTENT, copied=True)


def holds(*columns: BoundColumn, next_id: int = 0, wal: int = 0) -> dict[str, Any]:
    return {"bound": columns, "counters": Counters(next_id, wal)}


CONFIG = ExtensionRows(
    "parts", ("parts", "config"), "WHERE own", ("id", "Name"), 1, "7"
)
JOBS = ExtensionRows("pg_cron", ("cron", "job"), "", ("jobid",), 2, "9")
LOG = replace(JOBS, table=("cron", "job_run_details"))


def rows(*found: ExtensionRows) -> dict[str, Any]:
    return {"extension_rows": (LOG, *found)}


BOUND_CASES = (
    Case(
        "extension-rows",
        "green",
        True,
        'CREATE EXTENSION parts on green; psql BLUE -c \'COPY (SELECT "id", "Name" '
        'FROM "parts"."config" WHERE own) TO STDOUT\' | psql GREEN -c '
        '\'COPY "parts"."config" ("id", "Name") FROM STDIN\'',
        rows(CONFIG),
    ),
    Case(
        "extension-rows",
        "green",
        True,
        '| psql GREEN -c \'DELETE FROM "parts"."config" WHERE own\' -c \'COPY ',
        rows(CONFIG),
        rows(replace(CONFIG, digest="8")),
    ),
    Case(
        "extension-rows",
        "green",
        False,
        "psql BLUE -c",
        rows(replace(CONFIG, count=None)),
        rows(replace(CONFIG, count=0, digest="")),
    ),
    Case("extension-schedules", "blue", False, "off blue", rows(JOBS)),
    Case(
        "transaction-ids-kept",
        "green",
        True,
        "< 1031690 LOOP COMMIT;",
        holds(TX, next_id=31_690),
        holds(next_id=1_724),
    ),
    Case(
        "transaction-ids-kept",
        "green",
        True,
        "pg_resetwal -e 2 -x 1048576 ",
        holds(TX, next_id=2 * 2**32),
        holds(next_id=1_724),
    ),
    Case(
        "wal-positions-kept",
        "green",
        True,
        "pg_resetwal -l 000000010000000100000041 ",
        holds(AT, wal=2**32),
        holds(wal=2**24),
    ),
    Case(
        "oid-columns",
        "blue",
        False,
        'FROM pg_class c WHERE c.oid IN (SELECT "relid" FROM "audit"."log");',
        holds(REL),
    ),
    Case("type-oids-differ", "green", False, "connect again", holds(STATE)),
    Case(
        "type-oids-differ",
        "green",
        False,
        "connect again",
        holds(STATE),
        holds(replace(STATE, oid=16644)),
        COPIED,
    ),
)
