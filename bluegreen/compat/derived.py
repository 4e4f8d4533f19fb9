"""What the text leaves open of derived data and a catalog or a row decides. Pure.

Owns this choice alone: a verdict that it calls settled is decided by what `compat`
finds in the catalogs, or by rows that are held against each other.
"""

from __future__ import annotations

import re

from bluegreen.compat.catalog import Catalog
from bluegreen.compat.verdict import Answer, Verdict
from bluegreen.postgres.catalog.relations import Relation


def is_settled(verdict: Verdict, blue: Catalog, green: Catalog) -> bool:
    """Whether the text's word on derived data counts no more.

    Triggers stand in the catalogs. Rows are compared where both sides have table and
    columns; columns of green's own may be filled, and tables fed, by triggers.
    """
    if verdict.rule != "derived-stale" or verdict.answer is Answer.SILENT:
        return False
    if verdict.answer is Answer.OK_IF:
        return True
    ours, theirs = (
        {".".join(name): r for name, r in side.relations.items()}
        for side in (blue, green)
    )
    name = verdict.where
    if name not in theirs:
        return True
    if name not in ours:
        return _is_fed(name, blue, green)
    return _is_compared(ours[name], theirs[name]) or any(
        one.fires_on_apply and one.row for one in theirs[name].triggers
    )


def _is_compared(blue: Relation, green: Relation) -> bool:
    sent = {column.name for column in blue.columns}
    return all(column.name in sent or column.generated for column in green.columns)


def _is_fed(table: str, blue: Catalog, green: Catalog) -> bool:
    """Whether triggers that fire on apply take every kind of change to a table.

    The stream rests while a migration runs, so whatever it copied before it made the
    trigger is whole.
    """
    named = re.compile(rf"\b{re.escape(table.rpartition('.')[2])}\b")
    firing = [
        trigger
        for name, relation in green.relations.items()
        if name in blue.relations
        for trigger in relation.triggers
        if trigger.fires_on_apply and trigger.row and named.search(trigger.body)
    ]
    kinds = ("on_insert", "on_update", "on_delete")
    return all(any(getattr(one, kind) for one in firing) for kind in kinds)
