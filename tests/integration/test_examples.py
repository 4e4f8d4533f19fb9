"""The examples of the command reference, each run on servers as it is printed.

Only what must differ is replaced: addresses, the digest of a plan, where a file lies.
Those that ask no server run in `tests/unit/cli/test_reference.py`.
"""

from __future__ import annotations

import importlib
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bluegreen.cli.examples import calls
from bluegreen.model.side import Side
from tests.kit.arena import Arena
from tests.kit.armed import command
from tests.kit.cli import Ended, call, write_playbook
from tests.kit.wait import wait_until

SCHEMA = (
    "CREATE TABLE orders (id bigint PRIMARY KEY, amount numeric)",
    "INSERT INTO orders SELECT n, n FROM generate_series(1, 50) n",
    "CREATE TABLE events (at timestamptz PRIMARY KEY) PARTITION BY RANGE (at)",
    *(
        f"CREATE TABLE events_p{day:%Y%m%d} PARTITION OF events FOR VALUES "
        f"FROM ('{day} 00:00+00') TO ('{day + timedelta(1)} 00:00+00')"
        for day in (datetime.now(UTC).date() + timedelta(n) for n in (-2, -1, 0))
    ),
)
STEPS = (
    {"step": "check"},
    {"step": "replicate"},
    {"step": "approve"},
    {"step": "cutover"},
)


Step = Mapping[str, object]


@dataclass
class Desk:
    """Where the examples are typed: a folder with `shop.yml`."""

    here: Arena
    folder: Path

    def words(self, verb: str, number: int = 0, **instead: str) -> list[str]:
        """An example's words behind `bluegreen`, for this desk."""
        module = importlib.import_module(f"bluegreen.cli.{verb.replace('-', '_')}")
        blue, green = (self.here.conninfo(side) for side in Side)
        known = {
            "host=10.0.0.5 dbname=shop": blue,
            "host=10.0.0.5 dbname=shop user=bg_admin": blue,
            "host=10.0.0.6 dbname=shop": green,
            "host=10.0.0.6 dbname=shop user=bg_admin": green,
            "/etc/bluegreen/shop.yml": "shop.yml",
            "certificates/shop-epoch-1-cutover.json": (
                f"certificates/{self.here.name}-epoch-1-cutover.json"
            ),
            **instead,
        }
        program, *typed = shlex.split(calls(module.EXAMPLE)[number])
        assert (program, typed[0]) == ("bluegreen", verb)
        return [known.get(word, word) for word in typed]

    def type(self, verb: str, number: int = 0, **instead: str) -> Ended:
        return call(*self.words(verb, number, **instead), cwd=self.folder)

    def run(self, **instead: str) -> None:
        """The example of `run`, and that of `approve` once the run waits for it."""
        told = []
        with subprocess.Popen(
            [*command({}), *self.words("run", **instead)],
            cwd=self.folder,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            assert running.stderr is not None
            for line in running.stderr:
                if "await_approval" in line and "approve" not in told:
                    self.type("approve").require()
                    told.append("approve")
                told.append(line)
        assert running.returncode == 0, "".join(told[-5:])


def desk_of(here: Arena, folder: Path, *more: Step, first: Sequence[Step] = ()) -> Desk:
    here.pair.blue.run(*SCHEMA)
    write_playbook(here, folder, [*first, *STEPS, *more]).rename(folder / "shop.yml")
    return Desk(here, folder)


@pytest.mark.timeout(600)
def test_the_examples_of_a_cutover_and_a_rollback(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    desk = desk_of(arena(16, 18), tmp_path)
    desk.type("check").require()
    desk.type("plan").require()
    plan = call("plan", "shop.yml", "--json", cwd=tmp_path).require().json["plan"]
    desk.run(**{"3f9a12bc0d11": plan["digest"]})
    assert "green serves" in desk.type("status").require().out
    assert len(desk.type("journal").require().out.splitlines()) >= 20
    desk.type("verify").require()
    desk.type("compat").require()
    desk.type("compat", 2).require()
    desk.type("partitions").require()
    desk.type("partitions", 1).require()
    for side in Side:
        made = getattr(desk.here.pair, str(side)).value(
            "SELECT count(*) FROM pg_class WHERE relname LIKE 'events_p%' "
            "AND relkind = 'r'"
        )
        assert made > 3
    desk.type("rollback").require()
    desk.type("rollback", 1).require()
    assert "blue serves" in desk.type("status").require().out
    desk.type("drop-slot", 1).require()
    desk.type("drop-slot").require()


@pytest.mark.timeout(600)
def test_the_example_of_the_end(arena: Callable[..., Arena], tmp_path: Path) -> None:
    hold = {"step": "hold", "window": "1s"}
    end = {"step": "decommission", "final_backup": "backups"}
    backup = {"step": "backup", "to": "backups", "workers": 1}
    desk = desk_of(arena(16, 18), tmp_path, hold, end, first=(backup,))
    desk.run(**{"--plan": "--log", "3f9a12bc0d11": "text"})
    told = wait_until(
        lambda: desk.type("decommission").require().out, "the end of the window"
    )
    assert "Green is serving" in told
