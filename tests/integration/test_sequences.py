"""Sequences are read and set some at a time, however many there are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from bluegreen.lab.server import Server
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.journal import own_schema
from bluegreen.postgres.replication import sequences
from bluegreen.postgres.replication.sequence_facts import read_ranges
from bluegreen.postgres.replication.sequences import (
    SequenceValue,
    read_sequences,
    set_sequences,
)
from tests.kit.databases import Database as Made
from tests.kit.databases import create_database

MANY = 1500
FEW_LOCKS = {
    # The least that a server takes, and few sessions: some hundred locks.
    "max_locks_per_transaction": "10",
    "max_connections": "10",
    "max_worker_processes": "4",
    "max_wal_senders": "2",
    "max_prepared_transactions": "0",
}
FILL = f"""
DO $$ BEGIN
    FOR n IN 1..{MANY} LOOP
        EXECUTE format('CREATE SEQUENCE %I', 's' || n);
        PERFORM setval('s' || n, n, n % 3 > 0);
        IF n % 50 = 0 THEN COMMIT; END IF;
    END LOOP;
END $$
"""
WANTED = sorted(SequenceValue("public", f"s{n}", n, n % 3 > 0) for n in range(1, 21))
NEW = SequenceValue("public", "s21", 1, False)


def test_more_sequences_than_the_lock_table_holds_are_read_and_set(
    lab_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequences, "AT_ONCE", 50)
    with Server.start(16, lab_folder / "few", settings=FEW_LOCKS) as server:
        made = create_database(server, "many")
        made.run(FILL)
        side = Database(Side.BLUE, made.conninfo())
        own_schema.build(side, "many")
        with made.connect() as session, pytest.raises(psycopg.errors.OutOfMemory):
            session.execute("SELECT * FROM bluegreen.sequence_values(0::oid, 100000)")
        before = read_sequences(side)
        assert len(before) == MANY
        assert len(read_ranges(side)) == MANY
        made.run(FILL.replace("CREATE SEQUENCE %I", "ALTER SEQUENCE %I RESTART 7"))
        assert set_sequences(side, before) == MANY
        assert read_sequences(side) == before
        side.close()


@pytest.mark.parametrize("at_once", [1, 7, 10, 19, 20, 21])
def test_none_is_left_out_or_read_twice_at_the_edges(
    database: Callable[[int], Made], monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(sequences, "AT_ONCE", at_once)
    made = database(18)
    made.run(FILL.replace(str(MANY), "20"), "CREATE SEQUENCE s21")
    side = Database(Side.GREEN, made.conninfo())
    # Without our schema the catalog tells, but where one of them was restarted.
    by_catalog = read_ranges(side)
    own_schema.build(side, "edges")
    found = read_sequences(side)
    assert sorted(found) == sorted([*WANTED, NEW])
    assert len(found) == len(by_catalog) == len(read_ranges(side)) == 21
    assert [(r.name, r.called) for r in by_catalog] == [
        (r.name, r.called) for r in read_ranges(side)
    ]
    changed = tuple(SequenceValue("public", v.name, v.last + 5, True) for v in found)
    assert set_sequences(side, changed) == 21
    assert read_sequences(side) == changed
    assert set_sequences(side, ()) == 0
    side.close()
