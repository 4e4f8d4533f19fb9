"""`bluegreen run` killed at every crash point in turn, and started again."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from bluegreen.lab.ledger import LedgerClients, audit
from bluegreen.model.side import Side
from tests.kit.arena import PATIENT, Arena
from tests.kit.cli import accepting, call, write_playbook
from tests.kit.sampling import sample
from tests.kit.wait import wait_until

STEPS = (
    {"step": "check"},
    {"step": "backup", "to": "backups", "workers": 1},
    {"step": "replicate"},
    {"step": "migrate", "files": ["*.sql"]},
    {"step": "compat"},
    {"step": "validate", "compare_rows": "count"},
    {"step": "cutover", "probe": False},
    {"step": "hold", "window": "1s"},
    {"step": "decommission", "final_backup": "backups"},
)

ACCEPT = accepting(
    {
        "prepared-transaction": "meant",
        "reverse/LOSSY/*/*": "green's own may be lost",
    }
)


def prepare(here: Arena, folder: Path) -> Path:
    LedgerClients.prepare(here.conninfo(Side.BLUE))
    (folder / "1.sql").write_text("ALTER TABLE ledger ADD COLUMN later text;")
    return write_playbook(here, folder, STEPS, accept=ACCEPT)


def points_of(verb: tuple[str, ...], playbook: Path, log: Path) -> list[str]:
    """Names of all points that a run passes, in order, each once."""
    environ = {"BLUEGREEN_FAULT_LOG": str(log)}
    call(*verb, playbook, environ=environ).require()
    return list(dict.fromkeys(log.read_text().split()))


def kill_at_each(points: list[str], verb: tuple[str, ...], playbook: Path) -> list[str]:
    """Killed at the first point passed, started again, killed at the next …"""
    left, log, struck = list(points), playbook.with_name("passed"), []
    while True:
        environ = {
            "BLUEGREEN_FAULT": f"{','.join(left) or 'none'}:kill:1",
            "BLUEGREEN_FAULT_LOG": str(log),
        }
        ended = call(*verb, playbook, environ=environ)
        if ended.status != -signal.SIGKILL:
            ended.require()
            return struck
        struck.append(log.read_text().split()[-1])
        left.remove(struck[-1])


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("ends", [("before_act", "after_result"), ("after_act",)])
def test_killed_at_every_point_and_started_again_it_reaches_the_same_end(
    arena: Callable[..., Arena], tmp_path: Path, ends: tuple[str, ...]
) -> None:
    calm, calm_folder = arena(16, 18), tmp_path / "calm"
    calm_folder.mkdir()
    points = points_of(("run",), prepare(calm, calm_folder), tmp_path / "points")
    # What an action did before a kill inside it is found done, and not passed again:
    # so a kill after the act has a test of its own.
    # Autovacuum may have analyzed green by itself before we come to it.
    wanted = [p for p in points if p.endswith(ends) and "analyze_green" not in p]
    assert len(wanted) > 20 * len(ends)
    # Each kill is two calls of the tool; those inside the move are in every sample.
    inside = [p for p in wanted if "switch_traffic" in p]
    wanted = sample(wanted, 14, always=inside)

    here = arena(16, 18)
    playbook = prepare(here, tmp_path)
    with LedgerClients(here.client, 4) as clients:
        clients.start()
        # The end of a move that was cut short is brought about before the steps.
        again = [p.replace("cutover/", "run/") for p in wanted if "cutover/" in p]
        struck = kill_at_each(wanted + again, ("run",), playbook)
        result = clients.stop()
    assert {p.split("/", 1)[1] for p in wanted} == {p.split("/", 1)[1] for p in struck}
    assert (result.errors, result.unknown) == (0, 0), result.error_texts
    assert audit(here.conninfo(Side.GREEN), result).ok
    columns = "SELECT attname FROM pg_attribute WHERE attrelid = 'ledger'::regclass"
    assert here.pair.green.rows(columns) == calm.pair.green.rows(columns)
    status = call("status", playbook, "--json").require().json
    assert status["serving"] == "green"


@pytest.mark.always
@pytest.mark.timeout(900)
def test_killed_inside_the_pause_clients_go_on_and_nothing_is_lost(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    playbook = prepare(here, tmp_path)
    inside = [
        "paused",
        "fenced",
        "marked",
        "caught_up",
        "stream_stopped",
        "committed",
        "pointed",
        "resumed",
    ]
    gaps = {}
    with LedgerClients(here.client, 4) as clients:
        clients.start()
        for turn, point in enumerate(inside):
            mark = clients.mark()
            verb = "run" if turn < 6 else ("rollback", "run")[turn % 2]
            ended = call(
                verb, playbook, environ={"BLUEGREEN_FAULT": f"move/{point}:kill:1"}
            )
            assert ended.status == -signal.SIGKILL, ended
            enough = clients.acknowledged() + 20
            wait_until(lambda: clients.acknowledged() > enough, f"clients: {point}")  # noqa: B023
            gaps[point] = clients.gap_since(mark)
            if turn >= 5:
                call(verb, playbook).require()
        call("run", playbook).require()
        result = clients.stop()
    assert (result.errors, result.unknown) == (0, 0), result.error_texts
    assert audit(here.conninfo(Side.GREEN), result).ok
    # A guard on a busy machine may need a moment more.
    assert max(gaps.values()) < PATIENT["max_pause"].seconds + 3, gaps
