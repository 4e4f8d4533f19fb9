"""The whole path through the command line, under writes, over pairs of versions."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bluegreen.lab.binaries import find_tool
from bluegreen.lab.ledger import LedgerClients, audit
from bluegreen.model.side import Side
from tests.kit.arena import Arena
from tests.kit.cli import accepting, call, write_playbook
from tests.kit.counts import counts
from tests.kit.sampling import sample
from tests.kit.wait import wait_until

RICH = Path(__file__).parents[1] / "cases" / "schemas" / "rich.sql"
PAIRS = [(13, 18), (14, 17), (15, 15), (15, 18), (16, 18), (17, 18)]

ACCEPT = accepting({"prepared-transaction": "meant"})
LOSSES = accepting({"reverse/LOSSY/*/*": "green's own may be lost"})


def steps(*migrations: str, **replicate: object) -> list[dict[str, object]]:
    return [
        {"step": "check"},
        {"step": "backup", "to": "backups", "workers": 1},
        {"step": "replicate", **replicate},
        {"step": "migrate", "files": list(migrations)},
        {"step": "compat"},
        {"step": "validate"},
        {"step": "cutover"},
        {"step": "hold", "window": "1s"},
        {"step": "decommission", "final_backup": "backups"},
    ]


def load(here: Arena, schema: bytes) -> None:
    with here.pair.blue.connect() as session:
        session.execute(schema)


@pytest.mark.timeout(900)
@pytest.mark.always
@pytest.mark.parametrize("majors", sample(PAIRS, 1), ids=lambda m: f"{m[0]}-{m[1]}")
def test_a_rich_schema_there_back_there_and_blue_let_go(
    arena: Callable[..., Arena], tmp_path: Path, majors: tuple[int, int]
) -> None:
    here = arena(*majors)
    load(here, RICH.read_bytes())
    LedgerClients.prepare(here.conninfo(Side.BLUE))
    (tmp_path / "1.sql").write_text(
        "ALTER TABLE sales.orders ADD COLUMN channel text;\n"
        "CREATE INDEX orders_channel ON sales.orders (channel);\n"
    )
    playbook = write_playbook(
        here,
        tmp_path,
        steps("*.sql", identity_full=["sales.log"]),
        accept=[*ACCEPT, *LOSSES],
    )
    with LedgerClients(here.client, 4) as clients:
        clients.start()
        call("run", playbook).require()
        call("rollback", playbook).require()
        call("run", playbook).require()
        result = clients.stop()
    assert (result.errors, result.unknown) == (0, 0), result.error_texts
    assert audit(here.conninfo(Side.GREEN), result).ok
    assert here.pair.green.value("SELECT count(*) FROM sales.orders") == 2000
    wait_until(
        lambda: counts(here.pair.blue) == counts(here.pair.green), "blue to follow"
    )
    wait_until(
        lambda: call("decommission", "--if-due", playbook).require().out, "the window"
    )
    assert audit(here.conninfo(Side.GREEN), result).ok


@pytest.mark.timeout(900)
def test_pgbench_runs_through_a_cutover_and_back(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    bench = find_tool("pgbench")
    here.pair.blue.run("SELECT 1")
    subprocess.run(
        [bench, "-i", "-s", "2", "-q", here.conninfo(Side.BLUE)],
        check=True,
        capture_output=True,
    )
    playbook = write_playbook(
        here,
        tmp_path,
        [
            s
            for s in steps(identity_full=["public.pgbench_history"])
            if s["step"] not in {"migrate", "compat"}
        ],
    )
    with subprocess.Popen(
        [bench, "-n", "-c", "8", "-T", "600", "-M", "simple", here.client],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as load_:
        try:
            call("run", playbook).require()
            call("rollback", playbook).require()
            call("run", playbook).require()
        finally:
            assert load_.poll() is None, "a client of pgbench got an error"
            load_.terminate()
            load_.communicate()
    balances = """
        SELECT (SELECT sum(abalance) FROM pgbench_accounts),
            (SELECT sum(tbalance) FROM pgbench_tellers),
            (SELECT sum(bbalance) FROM pgbench_branches),
            (SELECT sum(delta) FROM pgbench_history)
    """
    [green] = here.pair.green.rows(balances)
    assert len(set(green)) == 1, green
    wait_until(lambda: here.pair.blue.rows(balances) == [green], "blue to follow")


@pytest.mark.timeout(900)
def test_two_databases_of_one_server(
    arena_on_one_server: Callable[[int], Arena], tmp_path: Path
) -> None:
    here = arena_on_one_server(16)
    LedgerClients.prepare(here.conninfo(Side.BLUE))
    (tmp_path / "1.sql").write_text("ALTER TABLE bank ADD COLUMN note text;\n")
    playbook = write_playbook(here, tmp_path, steps("*.sql"), accept=[*ACCEPT, *LOSSES])
    with LedgerClients(here.client, 4) as clients:
        clients.start()
        call("run", playbook).require()
        call("rollback", playbook).require()
        result = clients.stop()
    assert (result.errors, result.unknown) == (0, 0), result.error_texts
    assert audit(here.conninfo(Side.BLUE), result).ok
