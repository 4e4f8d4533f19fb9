"""What the text leaves open of derived data and a catalog or a row decides. Pure.

Owns this choice alone: a verdict that it calls settled is decided by what `lint/compat`
finds in the catalogs, or by rows that are held against each other.
"""

from __future__ import annotations

import re

from bluegreen.lint.compat.catalog import Catalog
from bluegreen.lint.compat.verdict import Answer, Verdict


def is_settled(verdict: Verdict, blue: Catalog, green: Catalog) -> bool:
    """Whether the text's word on derived data counts no more.

    Triggers stand in the catalogs; rows of a table that both sides have are compared,
    and one of green's own may be fed by triggers.
    """
    if verdict.rule != "derived-stale":
        return False
    if verdict.answer is Answer.OK_IF:
        return True
    here = {".".join(name) for name in blue.relations}
    there = {".".join(name) for name in green.relations}
    own = verdict.where in there - here
    settled = not own or _is_fed(verdict.where, blue, green)
    return verdict.answer is Answer.UNKNOWN and settled


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
