"""Time zones that a migration's text assumes, before it is applied.

Owns holding `USING at AT TIME ZONE 'UTC'` against the zones that the stream's own
sessions have. Once the catalogs have the new type, `compat` says the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bluegreen.compat.probe.directions import zone_of
from bluegreen.compat.rules.rule import RULES
from bluegreen.compat.verdict import Answer, Direction, Verdict
from bluegreen.model.side import Side
from bluegreen.model.zones import same_zone
from bluegreen.postgres.catalog.relations import Relation
from bluegreen.steps.compatibility.texts import Texts
from bluegreen.steps.world import World

_WAYS = (Direction.FORWARD, Direction.REVERSE)


def zone_verdicts(
    world: World, texts: Texts, blue: Iterable[Relation]
) -> Iterator[Verdict]:
    """Columns that would be shifted in silence, whichever way their rows go.

    A timestamp without zone is read, and one with zone printed, in the zone of the side
    that has the zone: of its apply worker and its walsender (law 14). Both get what
    database and role have set, as our own sessions would.

    Raises:
        SqlError: a side's zone could not be read.
        ServerGoneError: a connection broke.
    """
    # The parser is heavy, and a rollback never needs it.
    from bluegreen.compat.text.statements import read_statements

    tables = tuple(blue)
    for number, text in enumerate(texts.statements):
        for (schema, table), column, zone in read_statements([text]).zones:
            side = _side(tables, schema, table, column)
            if side is None:
                continue
            used = zone_of(world.on(side))
            if not same_zone(used, zone):
                why = f"{column} is read in {zone}, and {side}'s sessions are in {used}"
                where = f"{schema}.{table}" if schema else table
                yield from (_shifted(way, where, why, number) for way in _WAYS)


def _side(
    blue: Iterable[Relation], schema: str, table: str, column: str
) -> Side | None:
    """The side that will have the column with a zone; None where it is not known."""
    found = {
        one.type
        for relation in blue
        if relation.name == table and schema in {"", relation.schema}
        for one in relation.columns
        if one.name == column and one.type.startswith("timestamp")
    }
    if len(found) != 1:
        return None
    return Side.BLUE if found.pop().endswith("with time zone") else Side.GREEN


def _shifted(way: Direction, where: str, why: str, number: int) -> Verdict:
    fix = RULES["time-zone"].fix
    return Verdict(Answer.SILENT, way, "time-zone", where, why, fix, number)
