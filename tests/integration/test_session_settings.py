"""What a role or a database gives to sessions does not reach ours."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from psycopg import sql

from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from tests.kit import databases

GIVEN = {
    "statement_timeout": "7s",
    "lock_timeout": "7s",
    "idle_in_transaction_session_timeout": "7s",
    "default_transaction_read_only": "on",
    "quote_all_identifiers": "on",
}
SINCE = {"idle_session_timeout": 14, "transaction_timeout": 17}


@pytest.mark.parametrize("major", [15, 18])
def test_no_limit_of_the_database_ends_a_session_of_ours(
    database: Callable[[int], databases.Database], major: int
) -> None:
    """A proof of all rows is one transaction, for hours."""
    here = database(major)
    given = {**GIVEN, **{n: "7s" for n, since in SINCE.items() if since <= major}}
    with here.connect() as session:
        for name, value in given.items():
            session.execute(
                sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                    sql.Identifier(here.name), sql.Identifier(name), sql.Literal(value)
                )
            )
    ours = Database(Side.BLUE, here.conninfo())
    try:
        found = {
            name: ours.value(sql.SQL("SELECT current_setting(%s)"), (name,))
            for name in given
        }
    finally:
        ours.close()
    assert {value for value in found.values() if value not in {"0", "off"}} == set()
