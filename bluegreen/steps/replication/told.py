"""What the journal tells of what green does not have, by the playbook's own word. Pure.

Owns reading the results of `CopySchema` and `RefreshViews`; a certificate asks here,
without what makes a schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bluegreen.model.body import Body
from bluegreen.model.record import Kind, Record

COPY_SCHEMA = "/copy_schema"
REFRESH_VIEWS = "/refresh_views"


@dataclass(frozen=True, slots=True)
class SchemaCopied(Body):
    """The result: how many tables there are, and what was not made."""

    tables: int = 0
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ViewsFilled(Body):
    """The result: views that were filled, and those that were meant to stay empty."""

    views: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()


def told_left_out(records: Iterable[Record]) -> tuple[str, ...]:
    """Objects that were not made when blue's schema was copied."""
    bodies = _results(records, COPY_SCHEMA)
    return SchemaCopied.from_body(bodies[-1]).left_out if bodies else ()


def told_empty(records: Iterable[Record]) -> tuple[str, ...]:
    """Materialized views of green that stay empty."""
    bodies = _results(records, REFRESH_VIEWS)
    return ViewsFilled.from_body(bodies[-1]).empty if bodies else ()


def _results(records: Iterable[Record], action: str) -> list[Mapping[str, Any]]:
    return [
        record.body
        for record in records
        if record.kind is Kind.RESULT and record.action.endswith(action)
    ]
