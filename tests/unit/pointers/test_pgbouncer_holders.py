"""Which moves came to a pooler after ours, by its SHOW CLIENTS."""

from __future__ import annotations

from bluegreen.pointers.pgbouncer.holders import younger_moves
from bluegreen.pointers.simple_query import Row

OURS = {"bluegreen move db1 7"}


def client(name: str | None, at: str) -> Row:
    return {"application_name": name, "connect_time": f"2026-05-04 {at} UTC"}


def test_only_moves_that_came_after_ours_count() -> None:
    clients = [
        client("bluegreen move db1 7", "01:00:05"),
        client("bluegreen move db1 7 8", "01:00:06"),
        client("bluegreen move db2 7", "01:00:04"),
        client("bluegreen probe", "01:00:09"),
        client("bluegreen mover", "01:00:09"),
        client(None, "01:00:09"),
    ]
    assert younger_moves(clients, OURS) == []
    for other in ("bluegreen move db1 9", "bluegreen move db1 71"):
        clients[5] = client(other, "01:00:07")
        assert younger_moves(clients, OURS) == [other]


def test_in_a_pooler_that_was_started_anew_any_other_move_is_younger() -> None:
    clients = [client("bluegreen move db2 7", "01:00:04")]
    assert younger_moves(clients, OURS) == ["bluegreen move db2 7"]


def test_a_pooler_that_tells_no_names_tells_of_no_move() -> None:
    row = client("", "01:00:04")
    del row["application_name"]
    assert younger_moves([row], OURS) == []
