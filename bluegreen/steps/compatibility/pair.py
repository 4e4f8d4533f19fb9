"""Both sides of a pair before `compat`: catalogs, what flows, and live data.

Owns the order of the three tiers for a pair of databases. What each says is for
`compat`; reading is for `postgres/compat_*.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from bluegreen.compat.derived import is_settled
from bluegreen.compat.probe.directions import Directions, read_directions
from bluegreen.compat.probe.limits import Limits
from bluegreen.compat.probe.live_data import check_data, weigh
from bluegreen.compat.rules.analyse import judge
from bluegreen.compat.rules.rule import RULES
from bluegreen.compat.text.statements import Told, read_statements
from bluegreen.compat.verdict import Answer, Direction, Verdict
from bluegreen.model.side import Side
from bluegreen.postgres.journal.table import has_moved
from bluegreen.postgres.replication.following import Following, check_following
from bluegreen.postgres.replication.marker import send_marker
from bluegreen.postgres.replication.stream import ReplicationStream, read_subscription
from bluegreen.steps.compatibility.texts import Texts, compat_texts, with_full_names
from bluegreen.steps.switchover.arm import CreateReversePublication
from bluegreen.steps.world import World

MOST_ALIKE = 300
"""Tables that no migration changed, of which some rows are compared all the same."""

CATCH_UP = timedelta(seconds=30)
"""A row that differs is looked at again once green has what blue committed."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What `compat` says of a pair.

    Attributes:
        verdicts: worst first.
        unprobed: why no rows were held against each other; empty where they were.
    """

    verdicts: tuple[Verdict, ...]
    unprobed: str = ""


def judge_pair(
    world: World,
    texts: Texts,
    *,
    exclude: Collection[str] = (),
    carried: Collection[str] = (),
    limits: Limits,
) -> Judged:
    """Judge both directions by catalogs and data. Changes nothing.

    Raises:
        SqlError: a catalog or a table could not be read.
        ServerGoneError: a connection broke.
    """
    told = read_statements(texts.statements)
    planned = CreateReversePublication("judge", Side.GREEN).observe(world).wanted
    ways = read_directions(
        world.blue, world.green, world.name, exclude=exclude, planned=planned
    )
    ways = ways.with_zones(_zones(told, ways))
    before = _by_catalogs(ways, texts, carried)
    following = _following(world)
    unprobed = _why_unprobed(following)
    moved = has_moved(world.blue) or has_moved(world.green)
    limits = replace(limits, spared=frozenset(carried), fills=not moved)
    if texts.statements:
        limits = replace(limits, alike=MOST_ALIKE)
    forward = _forward(world, ways, before[Direction.FORWARD], told, limits, unprobed)
    reverse = _reverse(world, ways, before[Direction.REVERSE], limits)
    verdicts = [*forward, *_as_found(reverse, forward), *_stream(following)]
    ordered = sorted(verdicts, key=lambda v: (-v.answer.rank, v.direction, v.where))
    return Judged(tuple(ordered), unprobed)


def judge_catalogs(
    world: World, texts: Texts, *, exclude: Collection[str], carried: Collection[str]
) -> list[Verdict]:
    """Judge both directions by the catalogs alone; no row is read.

    Green may be a database that stands for it and follows nothing.
    """
    ways = read_directions(world.blue, world.green, world.name, exclude=exclude)
    return [v for found in _by_catalogs(ways, texts, carried).values() for v in found]


def _by_catalogs(
    ways: Directions, texts: Texts, carried: Collection[str]
) -> dict[Direction, list[Verdict]]:
    read = with_full_names(compat_texts(texts, carried=carried), ways.blue.relations)
    read = [v for v in read if not is_settled(v, ways.blue, ways.green)]
    return {
        way.direction: judge(way, read=read, declared=ways.declared, carried=carried)
        for way in (ways.forward, ways.reverse)
    }


def _as_found(reverse: Sequence[Verdict], forward: Sequence[Verdict]) -> list[Verdict]:
    """Rows that are alike are so whichever way they are looked at. Pure."""
    told = {(v.rule, v.where): v.found for v in forward if v.rule in _EITHER_WAY}
    return [
        replace(v, found=told[v.rule, v.where])
        if not v.found and (v.rule, v.where) in told
        else v
        for v in reverse
    ]


_EITHER_WAY = {"name-reused", "rows-differ"}


def _forward(
    world: World,
    ways: Directions,
    before: Sequence[Verdict],
    told: Told,
    limits: Limits,
    unprobed: str,
) -> list[Verdict]:
    verdicts = [*before, *_opaque(told)]
    within = limits if not unprobed else limits.questions_only()
    catch_up = partial(
        send_marker, world.blue, world.green, deadline=CATCH_UP, clock=world.clock
    )
    looked = check_data(world.blue, world.green, ways.forward, within, catch_up)
    return weigh(ways.forward, verdicts, looked)


def _reverse(
    world: World, ways: Directions, before: Sequence[Verdict], limits: Limits
) -> list[Verdict]:
    """Before the cutover green's rows are blue's: questions say what stands now."""
    within = limits.questions_only()
    looked = check_data(world.green, world.blue, ways.reverse, within)
    return weigh(ways.reverse, before, looked)


def _opaque(told: Told) -> list[Verdict]:
    """Statements that may change rows without saying which."""
    return [
        Verdict(
            Answer.OK_IF,
            Direction.FORWARD,
            "rows-differ",
            "",
            "the statement may change any row",
            "it changes no row that blue has",
            number,
        )
        for number in told.opaque
    ]


def _zones(told: Told, ways: Directions) -> dict[tuple[tuple[str, str], str], str]:
    zones = {}
    for (schema, table), column, zone in told.zones:
        for name in ways.blue.relations:
            if name[1] == table and schema in {"", name[0]}:
                zones[name, column] = zone
    return zones


def _following(world: World) -> Following | None:
    name = ReplicationStream(world.name, Side.BLUE).name
    subscription = read_subscription(world.green, name)
    if subscription is None or not subscription.enabled:
        return None
    return check_following(world.blue, world.green, name, world.clock)


def _why_unprobed(following: Following | None) -> str:
    if following is None:
        return "nothing streams from blue to green"
    return "" if following.caught_up else "green has not caught up with blue"


def _stream(following: Following | None) -> list[Verdict]:
    """The stream itself: a worker that fails is a verdict that needs no law."""
    if following is None or following.caught_up:
        return []
    if following.stayed_up and not following.errors:
        return []
    rule = "does-not-fit"
    why = "green's apply worker does not stay up; its log tells of the row"
    fix = RULES[rule].fix
    return [Verdict(Answer.BREAK, Direction.FORWARD, rule, "", why, fix)]
