"""Which statements PostgreSQL refuses inside a transaction, and which we run apart."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from bluegreen.sql.source import read
from bluegreen.sql.transactions import runs_alone
from tests.kit.databases import Database
from tests.kit.sampling import sample

MAJORS = sample(range(13, 19), 2, always=(13, 18))
MADE = (
    "CREATE TABLE t (a int PRIMARY KEY)",
    "CREATE TABLE p (a int) PARTITION BY LIST (a)",
    "CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)",
    "CREATE INDEX i ON t (a)",
    "CREATE MATERIALIZED VIEW m AS SELECT a FROM t",
    "CREATE UNIQUE INDEX mi ON m (a)",
)
FORMS = (
    "ALTER SYSTEM RESET work_mem",
    "ALTER TABLE p DETACH PARTITION p1",
    "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY",
    "ALTER TABLE t ADD COLUMN b int",
    "ANALYZE t",
    "CLUSTER",
    "CLUSTER t USING t_pkey",
    "CREATE DATABASE none_such",
    "CREATE INDEX CONCURRENTLY j ON t (a)",
    "CREATE INDEX j ON t (a)",
    "DROP DATABASE IF EXISTS none_such",
    "DROP INDEX CONCURRENTLY i",
    "DROP INDEX i",
    "DROP TABLESPACE IF EXISTS none_such",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY m",
    "REINDEX (CONCURRENTLY) TABLE t",
    "REINDEX (CONCURRENTLY false) TABLE t",
    "REINDEX INDEX i",
    "REINDEX SCHEMA public",
    "REINDEX TABLE t",
    "VACUUM t",
    "VACUUM (ANALYZE) t",
)
WITH_NAME = ("REINDEX DATABASE {}", "REINDEX SYSTEM {}")
SINCE = {
    "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY": 14,
    "REINDEX (CONCURRENTLY) TABLE t": 14,
    "REINDEX (CONCURRENTLY false) TABLE t": 14,
}


@pytest.mark.parametrize("major", MAJORS)
def test_what_runs_alone_is_what_the_server_refuses_in_a_transaction(
    major: int, database: Callable[[int], Database]
) -> None:
    one = database(major)
    forms = [form for form in FORMS if major >= SINCE.get(form, 0)]
    forms += [form.format(one.name) for form in WITH_NAME]
    differences = []
    with one.connect() as session:
        for made in MADE:
            session.execute(made.encode())
        for form in forms:
            (statement,) = read("form.sql", form).statements
            if runs_alone(statement) is not is_refused(session, form):
                differences.append(form)
    assert differences == []


def is_refused(session: psycopg.Connection, form: str) -> bool:
    """Whether it fails with 25001 inside a transaction, which is rolled back."""
    refused = False
    session.execute("BEGIN")
    try:
        session.execute(form.encode())
    except psycopg.errors.ActiveSqlTransaction:
        refused = True
    finally:
        session.execute("ROLLBACK")
    return refused
