"""Replica identities that we changed are put back, by a cancel and at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from bluegreen.model.record import Kind
from bluegreen.model.verdict import Satisfied
from bluegreen.steps.release.identities import RestoreIdentities
from bluegreen.steps.replicate import Replicate
from bluegreen.steps.replication.stream import PinReplicaIdentity
from bluegreen.steps.world import World
from tests.kit.arena import Arena, bring_about
from tests.kit.steps import carry_out, look


class Case(NamedTuple):
    """A table of blue, what it had, and what is put back."""

    name: str
    made: str
    back: str = "d"
    between: str = ""
    """Run on green before the end."""


INDEX = "CREATE UNIQUE INDEX {t}_a ON {t} (a); CREATE UNIQUE INDEX {t}_b ON {t} (b);"
CASES = (
    Case("keyless", "CREATE TABLE {t} (a int)"),
    Case("keyed", "CREATE TABLE {t} (a int PRIMARY KEY)"),
    Case(
        "nothing",
        "CREATE TABLE {t} (a int); ALTER TABLE {t} REPLICA IDENTITY NOTHING",
        "n",
    ),
    Case(
        "of_index",
        "CREATE TABLE {t} (a int NOT NULL, b int NOT NULL);"
        + INDEX
        + "ALTER TABLE {t} REPLICA IDENTITY USING INDEX {t}_a",
        "i {t}_a",
    ),
    Case(
        "to_index",
        "CREATE TABLE {t} (a int NOT NULL, b int NOT NULL);" + INDEX,
    ),
    Case(
        "chosen_by_others",
        "CREATE TABLE {t} (a int PRIMARY KEY)",
        "n",
        "ALTER TABLE {t} REPLICA IDENTITY NOTHING",
    ),
    Case(
        "published",
        "CREATE TABLE {t} (a int)",
        "f",
        "CREATE PUBLICATION theirs FOR TABLE {t}",
    ),
    Case(
        "never_ours",
        "CREATE TABLE {t} (a int PRIMARY KEY); ALTER TABLE {t} REPLICA IDENTITY FULL",
        "f",
    ),
    Case('"Odd one"', "CREATE TABLE {t} (a int)"),
)
IDENTITIES = """
    SELECT c.relname, concat_ws(' ', c.relreplident,
        (SELECT i.indexrelid::regclass::text
        FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident))
    FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    ORDER BY 1
"""
STEP = Replicate(
    identity_full=(
        *(f"public.{one.name}" for one in CASES if one.name[0] not in 'nt"'),
        "public.nothing",
        "public.Odd one",
    ),
    identity_index=("public.to_index_b",),
)


def made(arena: Callable[..., Arena]) -> tuple[Arena, World]:
    here = arena(16, 17)
    here.pair.blue.run(*(case.made.format(t=case.name) for case in CASES))
    world = here.world()
    bring_about(world, *STEP.actions())
    return here, world


def wanted(*, ended: bool) -> dict[str, str]:
    """Of each table; `ended`: what others did to green counts."""
    given = {"chosen_by_others": "d", "published": "d"}
    back = {case.name.strip('"'): case.back.format(t=case.name) for case in CASES}
    return back if ended else back | given


def test_a_cancel_puts_them_back_on_both_sides(arena: Callable[..., Arena]) -> None:
    here, world = made(arena)
    now = dict(here.pair.green.rows(IDENTITIES))
    assert set(now.values()) == {"f", "i to_index_b"}
    pin = next(one for one in STEP.actions() if isinstance(one, PinReplicaIdentity))
    for _ in range(2):
        pin.undo(world, pin.observe(world))
        for side in (here.pair.blue, here.pair.green):
            assert dict(side.rows(IDENTITIES)) == wanted(ended=False)


def test_the_end_puts_them_back(arena: Callable[..., Arena]) -> None:
    here, world = made(arena)
    here.pair.green.run(*(c.between.format(t=c.name) for c in CASES if c.between))
    action = RestoreIdentities("decommission")
    assert action.observe(world) is None
    world.journal.append(Kind.RELEASED, action="decommission/end_way_back")
    carry_out(action, world)
    assert dict(here.pair.green.rows(IDENTITIES)) == wanted(ended=True)
    assert dict(here.pair.blue.rows(IDENTITIES)) == wanted(ended=False)
    said = look(action, world)
    assert isinstance(said, Satisfied)
    assert said.why.endswith("published by others too, so kept: public.published")


@pytest.mark.parametrize("dropped", ["TABLE", "INDEX"])
def test_what_is_gone_stands_in_no_way(
    arena: Callable[..., Arena], dropped: str
) -> None:
    here, world = made(arena)
    name = "of_index" if dropped == "TABLE" else "of_index_a"
    here.pair.green.run(f"DROP {dropped} {name}")
    world.journal.append(Kind.RELEASED, action="decommission/end_way_back")
    carry_out(RestoreIdentities("decommission"), world)
    now = dict(here.pair.green.rows(IDENTITIES))
    assert now.get("of_index") == (None if dropped == "TABLE" else "f")
    assert now["keyless"] == "d"
