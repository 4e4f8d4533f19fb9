"""The client's probe, through a real pooler."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg
import pytest

from bluegreen.lab.pooler import Pooler
from bluegreen.model.errors import PlaybookRefused, ServerRefused
from bluegreen.model.secret import Secret
from bluegreen.pointers.client_probe import Client, ClientProbe
from tests.kit.databases import Database
from tests.kit.wait import wait_until


@pytest.fixture
def way_in(
    database: Callable[[int], Database], pooler: Callable[..., Pooler]
) -> tuple[Database, Pooler]:
    served = database(16)
    started = pooler({"shop": (served.server, served.name)})
    return served, started


def asked(probe: ClientProbe) -> int:
    return sum(probe._counts.values())


def wait_for_answers(probe: ClientProbe, more: int = 10) -> None:
    before = asked(probe)
    wait_until(lambda: asked(probe) >= before + more, "the probe to get answers")


def test_it_counts_writes_and_reads_and_leaves_nothing(
    way_in: tuple[Database, Pooler],
) -> None:
    served, pooler = way_in
    statistics = "SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace >= 16384"
    before = served.value(statistics)
    with ClientProbe.running(Client(pooler.conninfo("shop"))) as probe:
        wait_for_answers(probe)
        report = probe.stop()
    assert report.errors == []
    assert report.writes >= 5
    assert report.reads >= 5
    assert served.value(statistics) == before


def test_a_pause_is_felt_as_a_gap_without_an_error(
    way_in: tuple[Database, Pooler],
) -> None:
    _, pooler = way_in
    with (
        psycopg.connect(pooler.console_conninfo(), autocommit=True) as console,
        ClientProbe.running(Client(pooler.conninfo("shop"))) as probe,
    ):
        wait_for_answers(probe)
        console.execute("PAUSE shop")
        began = time.monotonic()
        wait_until(lambda: time.monotonic() > began + 0.3, "the pause to last")
        console.execute("RESUME shop")
        held = time.monotonic() - began
        wait_for_answers(probe)
        report = probe.stop()
    assert report.errors == []
    assert report.longest_gap_s >= 0.3
    assert report.longest_gap_s < held + 5


def test_a_client_that_is_still_held_has_felt_all_of_it_and_stop_does_not_wait(
    way_in: tuple[Database, Pooler],
) -> None:
    _, pooler = way_in
    with psycopg.connect(pooler.console_conninfo(), autocommit=True) as console:
        probe = ClientProbe(pooler.conninfo("shop"))
        probe.start()
        wait_for_answers(probe)
        console.execute("PAUSE shop")
        held = time.monotonic()
        wait_until(lambda: time.monotonic() > held + 0.3, "the pause to last")
        began = time.monotonic()
        report = probe.stop()
        assert time.monotonic() - began < 1
        console.execute("RESUME shop")
    assert report.longest_gap_s >= 0.3
    assert report is probe.stop()


def test_it_outlives_a_dead_pooler_and_notes_the_error(
    way_in: tuple[Database, Pooler],
) -> None:
    _, pooler = way_in
    with ClientProbe.running(Client(pooler.conninfo("shop"))) as probe:
        wait_for_answers(probe)
        pooler.kill()
        wait_until(lambda: probe._errors, "an error to be noted")
        pooler.start_again()
        wait_for_answers(probe)
        report = probe.stop()
    assert report.errors
    assert len(report.errors) <= 100


def test_a_refused_write_is_noted_and_does_not_end_the_session(
    way_in: tuple[Database, Pooler],
) -> None:
    served, pooler = way_in
    served.run("CREATE ROLE app LOGIN")
    try:
        with ClientProbe.running(Client(pooler.conninfo("shop", "app"))) as probe:
            wait_for_answers(probe)
            served.run("REVOKE ALL ON SCHEMA pg_catalog FROM PUBLIC")
            wait_until(lambda: probe._errors, "the refusal to be noted")
            served.run("GRANT USAGE ON SCHEMA pg_catalog TO PUBLIC")
            wait_for_answers(probe)
            [(idle,)] = served.rows(
                "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname ="
                " pg_catalog.current_database() AND state LIKE 'idle in trans%%'"
            )
            assert idle == 0, "an open transaction would hold up PAUSE"
            report = probe.stop()
    finally:
        served.run("GRANT USAGE ON SCHEMA pg_catalog TO PUBLIC")
        wait_until(lambda: _gone(served, "app"), "the pooler to let go of the role")
    assert any("denied" in error for error in report.errors)


def _gone(served: Database, role: str) -> bool:
    served.rows(
        "SELECT pg_catalog.pg_terminate_backend(pid)"
        " FROM pg_catalog.pg_stat_activity WHERE usename = %s",
        role,
    )
    served.run(f"DROP ROLE IF EXISTS {role}")
    return True


def test_without_a_single_answer_the_gap_is_the_whole_time() -> None:
    probe = ClientProbe("host=127.0.0.1 port=1 dbname=shop user=app")
    probe.start()
    wait_until(lambda: len(probe._errors) > 2, "some errors to be noted")
    report = probe.stop()
    assert report.writes == report.reads == 0
    assert report.longest_gap_s > 0


def test_no_thread_is_left(way_in: tuple[Database, Pooler]) -> None:
    _, pooler = way_in
    before = threading.active_count()
    with ClientProbe.running(Client(pooler.conninfo("shop"))) as probe:
        wait_for_answers(probe)
    wait_until(lambda: threading.active_count() == before, "the probe's thread to end")


def test_a_password_is_in_no_error() -> None:
    secret = Client("host=127.0.0.1 port=1 user=app", Secret("canary-4711"))
    with pytest.raises(ServerRefused) as caught:
        secret.warm_up()
    assert "canary" not in str(caught.value)
    assert "canary" not in repr(caught.value.__cause__)


def test_what_is_no_connection_string_is_refused() -> None:
    with pytest.raises(PlaybookRefused):
        Client("host=a nonsense")
