"""The ledger: what it proves on a good day, and that it sees planted damage."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from bluegreen.lab import shop
from bluegreen.lab.ledger import LedgerClients, LedgerResult, audit
from bluegreen.lab.pooler import Pooler
from bluegreen.lab.proxy import Proxy
from bluegreen.model.errors import ServerRefused
from tests.kit.databases import Database
from tests.kit.wait import wait_until


def run_for(target: str, commits: int, **words: str) -> LedgerResult:
    with LedgerClients(target, 3, **words) as clients:
        clients.start()
        wait_until(lambda: clients.acknowledged() >= commits, f"{commits} commits")
        return clients.stop()


@pytest.fixture
def home(database: Callable[[int], Database]) -> Database:
    home = database(16)
    LedgerClients.prepare(home.conninfo())
    LedgerClients.prepare(home.conninfo())
    return home


def test_nothing_is_lost_when_nothing_happens(home: Database) -> None:
    result = run_for(home.conninfo(), 60)
    seen = audit(home.conninfo(), result)
    assert seen.ok, seen
    assert result.acknowledged == seen.rows >= 60
    assert (result.unknown, result.errors, result.hung) == (0, 0, 0)
    assert 0 < result.longest_gap_s <= result.seconds


def test_a_planted_lost_row_is_seen(home: Database) -> None:
    result = run_for(home.conninfo(), 30)
    home.run("DELETE FROM public.ledger WHERE client = 1 AND seq = 5")
    seen = audit(home.conninfo(), result)
    assert (seen.lost, seen.doubled, seen.ok) == (1, 0, False)
    assert seen.examples == ("lost: client 1 seq 5",)
    assert seen.bank_sum_ok
    assert not seen.bank_agrees


def test_a_planted_double_and_a_stranger_are_seen(home: Database) -> None:
    result = run_for(home.conninfo(), 30)
    home.run(
        "INSERT INTO public.ledger (run, client, seq, payer, payee, amount)"
        " SELECT run, client, seq, payer, payee, amount"
        " FROM public.ledger WHERE client = 2 AND seq = 3",
        "INSERT INTO public.ledger (run, client, seq, payer, payee, amount)"
        f" VALUES ('{result.run}', 0, 999999, 1, 2, 0)",
    )
    seen = audit(home.conninfo(), result)
    assert (seen.lost, seen.doubled, seen.strange) == (0, 2, 1)
    assert seen.examples == (
        "never told of: client 0 seq 999999",
        "written 2 times: client 2 seq 3",
    )


def test_missing_money_is_seen(home: Database) -> None:
    result = run_for(home.conninfo(), 10)
    home.run("UPDATE public.bank SET balance = balance - 1 WHERE account = 7")
    seen = audit(home.conninfo(), result)
    assert not seen.bank_sum_ok
    assert not seen.ok


def test_an_empty_bank_is_not_a_good_bank(home: Database) -> None:
    result = run_for(home.conninfo(), 10)
    home.run("TRUNCATE public.bank")
    seen = audit(home.conninfo(), result)
    assert not seen.bank_sum_ok
    assert not seen.bank_agrees


def test_two_runs_on_one_table_do_not_mix(home: Database) -> None:
    first = run_for(home.conninfo(), 20)
    second = run_for(home.conninfo(), 20)
    for result in (first, second):
        seen = audit(home.conninfo(), result)
        assert seen.ok, seen
        assert seen.rows == result.acknowledged


def test_commits_survive_cut_connections(home: Database) -> None:
    with (
        Proxy(home.server.host, home.server.port) as proxy,
        LedgerClients(proxy.conninfo(home.conninfo()), 3, think_s=0) as clients,
    ):
        clients.start()
        for _ in range(5):
            proxy.set("reset")
            proxy.set("ok")
            count = clients.acknowledged()
            wait_until(lambda: clients.acknowledged() > count + 20, "more commits")  # noqa: B023
        result = clients.stop()
    seen = audit(home.conninfo(), result)
    assert seen.ok, seen
    assert result.errors > 0
    assert result.acknowledged <= seen.rows <= result.acknowledged + result.unknown


def test_a_hold_up_is_measured_while_it_lasts(home: Database) -> None:
    with (
        Proxy(home.server.host, home.server.port) as proxy,
        LedgerClients(proxy.conninfo(home.conninfo()), 2) as clients,
    ):
        clients.start()
        before = clients.mark()
        proxy.set("black_hole")
        wait_until(lambda: clients.gap_since(before) > 0.5, "the gap to grow")
        proxy.set("ok")
        count = clients.acknowledged()
        wait_until(lambda: clients.acknowledged() > count + 20, "more commits")
        assert clients.gap_since(before) > 0.5
        after = clients.mark()
        wait_until(lambda: clients.acknowledged() > count + 60, "more commits")
        assert clients.gap_since(after) < 0.5
        assert clients.stop().longest_gap_s > 0.5


def test_hanging_clients_are_counted_and_cut_off(home: Database) -> None:
    with (
        Proxy(home.server.host, home.server.port) as proxy,
        LedgerClients(proxy.conninfo(home.conninfo()), 1, patience_s=2) as clients,
    ):
        clients.start()
        proxy.set("black_hole")
        wait_until(lambda: clients.gap_since(clients.mark()) > 0.3, "it to hang")
        result = clients.stop()
    assert result.hung == 1
    seen = audit(home.conninfo(), result)
    assert seen.ok, seen


def test_a_worker_that_died_is_not_waited_for(home: Database) -> None:
    with LedgerClients(home.conninfo(), 1) as clients:
        clients.start()
        clients._worker._process.kill()
        clients._worker._process.wait()
        with pytest.raises(RuntimeError, match="did not answer"):
            clients.stop()


def test_clients_that_cannot_commit_say_why(home: Database) -> None:
    home.run("DROP TABLE public.bank")
    with (
        LedgerClients(home.conninfo(), 1, patience_s=1) as clients,
        pytest.raises(ServerRefused, match="could not commit") as caught,
    ):
        clients.start()
    assert "42P01" in caught.value.seen


def test_the_shop_fills_and_takes_orders_through_a_pooler(
    home: Database, pooler: Callable[..., Pooler]
) -> None:
    rows = shop.load(home.conninfo(), orders=600)
    assert rows > 2500
    bouncer = pooler({"app": (home.server, home.name)})
    result = run_for(bouncer.conninfo("app"), 30, workload="shop")
    assert audit(home.conninfo(), result).ok
    assert result.errors == 0
    placed = home.value("SELECT count(*) FROM shop.orders WHERE note = 'by the ledger'")
    assert placed == result.acknowledged
    assert placed == home.value(
        "SELECT count(*) FROM shop.events WHERE kind = 'order_placed'"
    )
    assert home.value("SELECT max(id) FROM shop.orders") == 600 + result.acknowledged


def test_two_loads_of_a_shop_are_equal(database: Callable[[int], Database]) -> None:
    sums = set()
    for _ in range(2):
        home = database(18)
        shop.load(home.conninfo(), orders=60)
        with home.connect() as session:
            sums.add(fingerprint(session))
    assert len(sums) == 1


def fingerprint(session: psycopg.Connection) -> object:
    return session.execute(
        "SELECT (SELECT sum(hashtext(c::text)) FROM shop.customers AS c),"
        " (SELECT sum(hashtext(o::text)) FROM shop.orders AS o),"
        " (SELECT sum(hashtext(i::text)) FROM shop.order_items AS i),"
        " (SELECT sum(hashtext(e::text)) FROM shop.events AS e)"
    ).fetchone()
