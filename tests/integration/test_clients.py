"""Who is connected is seen by a role that may see little, too."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from psycopg import sql

from bluegreen.model.side import Side
from bluegreen.postgres.catalog.clients import read_clients
from bluegreen.postgres.database import Database
from tests.kit import databases


def test_without_pg_monitor_a_stranger_still_counts(
    database: Callable[[int], databases.Database],
) -> None:
    here = database(16)
    role = f"blind_{here.name}"
    here.run(f"CREATE ROLE {role} LOGIN")
    ours = Database(Side.BLUE, here.conninfo(role))
    try:
        with psycopg.connect(here.conninfo(), autocommit=True) as stranger:
            assert stranger.execute(sql.SQL("SELECT 1")).fetchone() == (1,)
            pids = [one.pid for one in read_clients(ours)]
            assert stranger.info.backend_pid in pids
    finally:
        ours.close()
        here.run(f"DROP ROLE {role}")
