"""Schema changes on their way there and back: files, writes, and what is read.

Owns what every such journey shares, and the one that goes through the command line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.kit.arena import Arena
from tests.kit.cli import accepting, call, write_playbook
from tests.kit.databases import Database
from tests.kit.schema_change import Change, put_together
from tests.kit.wait import wait_until

Rows = list[tuple[Any, ...]]


@dataclass
class Told:
    """What was read on the way, by row: an error's text stands for what was not."""

    left: dict[str, Rows | str] = field(default_factory=dict)
    arrived: dict[str, Rows | str] = field(default_factory=dict)
    contracted: dict[str, Rows | str] = field(default_factory=dict)
    before_the_end: dict[str, Rows | str] = field(default_factory=dict)
    acted_at_once: list[str] = field(default_factory=list)
    acted_again: list[str] = field(default_factory=list)


def require_kept(told: Told, change: Change) -> None:
    """Fail unless everything that the change promises was read."""
    assert told.left[change.row] == list(change.left), "on blue, after the rollback"
    assert told.arrived[change.row] == list(change.arrived), "on green, after it"
    if change.contracted:
        assert told.before_the_end[change.row] != [(True,)]
        assert told.contracted[change.row] == [(True,)], "once blue is released"


def run_all(database: Database, changes: Sequence[Change], phase: str) -> None:
    """Run one phase of every change."""
    with database.connect() as session:
        for change in changes:
            for statement in getattr(change, phase):
                session.execute(change.sql(statement).encode())


def read_all(
    database: Database, changes: Sequence[Change], query: str
) -> dict[str, Rows | str]:
    """What one query of every change gives."""
    answers: dict[str, Rows | str] = {}
    with database.connect() as session:
        for change in changes:
            text = change.sql(getattr(change, query))
            try:
                answers[change.row] = session.execute(text.encode()).fetchall()
            except psycopg.Error as error:
                answers[change.row] = str(error)
    return answers


def make_old_shape(here: Arena, changes: Sequence[Change]) -> None:
    """Blue as it was before, each change in its own schema."""
    here.pair.blue.run(*(f"CREATE SCHEMA {change.schema}" for change in changes))
    run_all(here.pair.blue, changes, "blue")


def write_through(here: Arena, changes: Sequence[Change]) -> None:
    """As the application of the new shape writes: through the pooler."""
    with psycopg.connect(here.client, autocommit=True, prepare_threshold=None) as app:
        for change in changes:
            for statement in change.after:
                app.execute(change.sql(statement).encode())


def write_files(folder: Path, changes: Sequence[Change]) -> None:
    """One file a change; every other contract stands behind the comment."""
    (folder / "m" / "later").mkdir(parents=True)
    for number, change in enumerate(changes):
        expand, contract = change.sql(change.migration), change.sql(change.contract)
        if contract and number % 2:
            (folder / "m" / "later" / f"{change.schema}.sql").write_text(contract)
        elif contract:
            expand += f";\n-- bluegreen: contract\n{contract}"
        (folder / "m" / f"{change.schema}.sql").write_text(f"{expand};\n")


def words_of_migrate(changes: Sequence[Change]) -> dict[str, Any]:
    """Parameters of the step that makes all of them."""
    own_files = any(change.contract for change in changes[1::2])
    return {
        "files": ("m/*.sql",),
        **({"contract": ("m/later/*.sql",)} if own_files else {}),
        **put_together(changes, "words"),
    }


def settle(here: Arena, changes: Sequence[Change], told: Told) -> None:
    """Read blue after a rollback, write the old shape, and see it come to green."""
    told.left = read_all(here.pair.blue, changes, "query")
    run_all(here.pair.blue, changes, "again")
    wanted = {change.row: list(change.arrived) for change in changes}

    def arrived() -> bool:
        told.arrived = read_all(here.pair.green, changes, "green")
        return told.arrived == wanted

    # Each change's own test says what is missing.
    with suppress(AssertionError):
        wait_until(arrived, "what blue wrote after the rollback", 20)


def steps_of(changes: Sequence[Change]) -> list[Mapping[str, Any]]:
    """The steps of an operator's playbook."""
    return [
        {"step": "backup", "to": "backups", "workers": 1},
        {"step": "replicate", **put_together(changes, "replicate")},
        {"step": "migrate", **words_of_migrate(changes)},
        {"step": "compat", **put_together(changes, "judge")},
        {"step": "validate"},
        {"step": "cutover", "probe": False, "max_pause": "20s"},
        {"step": "hold", "window": "1s"},
        {"step": "decommission", "final_backup": "backups"},
    ]


def declared(changes: Sequence[Change]) -> dict[str, str]:
    """The losses that the changes declare, as a playbook accepts them."""
    return {
        change.sql(name): "green's own may be lost at a rollback"
        for change in changes
        for name in change.loses
    }


def through_the_cli(here: Arena, folder: Path, changes: Sequence[Change]) -> Told:
    """Run, write the old shape, run, write the new, roll back; to the end if need be.

    The first run stops before the cutover, so that blue's writes find green migrated.
    """
    make_old_shape(here, changes)
    write_files(folder, changes)
    steps = steps_of(changes)
    accept = accepting(declared(changes))
    up_to_judge = write_playbook(here, folder, steps[:4], accept=accept)
    call("run", up_to_judge).require()
    run_all(here.pair.blue, changes, "before")
    accept = [*accept, {"id": "schema-difference", "reason": "the migration's own"}]
    playbook = write_playbook(here, folder, steps, accept=accept)
    call("run", playbook).require()
    write_through(here, changes)
    call("rollback", playbook).require()
    told = Told()
    settle(here, changes, told)
    ending = [change for change in changes if change.contracted]
    if ending:
        call("run", playbook).require()
        told.before_the_end = read_all(here.pair.green, ending, "contracted")
        release = ("decommission", "--if-due", playbook)
        wait_until(lambda: call(*release).require().out, "the window")
        told.contracted = read_all(here.pair.green, ending, "contracted")
    return told


def verdicts_without(
    here: Arena, folder: Path, changes: Sequence[Change]
) -> list[dict[str, Any]]:
    """What the judge says of the changes where nothing makes them compatible.

    Everything is accepted, so that all three looks are had; blue writes in between.
    """
    make_old_shape(here, changes)
    (folder / "m").mkdir()
    for change in changes:
        text = change.sql(change.without)
        (folder / "m" / f"{change.schema}.sql").write_text(f"{text};\n")
    replicate, migrate = put_together(changes, "replicate"), {"files": ["m/*.sql"]}
    steps = [
        {"step": "replicate", **replicate},
        {"step": "migrate", **migrate},
        {"step": "compat"},
    ]
    accept = accepting({"*/*/*/*": "to see all of them"})
    playbook = write_playbook(here, folder, steps, accept=accept)
    found = list(call("compat", playbook, "--json").require().json["rows"])
    call("run", playbook).require()
    return [*found, *call("compat", playbook, "--json").require().json["rows"]]
