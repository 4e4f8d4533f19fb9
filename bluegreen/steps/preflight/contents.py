"""Looks at what stands in blue besides its tables."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bluegreen.model.finding import Finding, checked
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.postgres.catalog.triggers import Trigger
from bluegreen.postgres.quoting import quote_name
from bluegreen.postgres.replication.sequence_ranges import Tightness, compare_ranges
from bluegreen.steps.preflight.intent import Intent, listed

# A table named without its schema in the usual places of SQL. NEW and OLD are rows;
# what follows a function's FROM, as in extract(… FROM x), is a false alarm that a
# pinned search_path quiets as well.
_UNQUALIFIED = re.compile(
    r"\b(?:from|join|insert\s+into|update|truncate(?:\s+table)?)\s+(?:only\s+)?"
    r"(?!(?:new|old|set|lateral|of)\b)"
    r'("[^"]+"|[a-z_][a-z0-9_$]*(?![\w$]))(?!\s*[.(])',
    re.IGNORECASE,
)


def check_large_objects(
    blue: ServerFacts, _: ServerFacts, __: Intent
) -> Iterator[Finding]:
    """Large objects are neither streamed nor fenced."""
    count = blue.contents.large_objects
    if count:
        yield checked(
            "large-objects",
            Side.BLUE,
            f"{count} large objects",
            "they are not streamed, and the fence does not stop writes to them",
            "keep them in bytea columns, or accept large-objects and copy them by hand",
            blocks=True,
        )


def check_sequences(blue: ServerFacts, _: ServerFacts, __: Intent) -> Iterator[Finding]:
    """Sequences are not streamed; the cutover sets them."""
    count = blue.contents.sequences
    if count:
        yield checked(
            "sequences",
            Side.BLUE,
            f"{count} sequences",
            "they are not streamed; the cutover sets them exactly, inside the pause",
        )


def check_sequence_ranges(
    blue: ServerFacts, green: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """Values that the other side's sequence would not take, now or one day."""
    if not intent.copied:
        return
    ways = ((blue, green), (green, blue))
    for publisher, subscriber in ways:
        for one in compare_ranges(
            publisher.sequences, subscriber.sequences, subscriber.side
        ):
            out = one.how is Tightness.OUT
            yield checked(
                "sequence-range",
                subscriber.side,
                one.says,
                f"a move to {subscriber.side} sets it inside the pause, and would back "
                "out"
                if out
                else f"once its value is beyond, {subscriber.side} cannot be moved to",
                one.repair,
                # Green's own values are replaced by blue's at the cutover.
                blocks=out and subscriber.side is Side.GREEN,
            )


def check_triggers(blue: ServerFacts, _: ServerFacts, __: Intent) -> Iterator[Finding]:
    """ENABLE ALWAYS and ENABLE REPLICA triggers fire for streamed rows as well."""
    triggers = blue.contents.apply_triggers
    for trigger in sorted(triggers, key=lambda t: (t.table, t.name)):
        names = _unqualified_names(trigger)
        table = quote_name(*trigger.table)
        fix = (
            f"ALTER FUNCTION {trigger.function} "
            f"SET search_path = {quote_name(trigger.table[0])}, pg_temp;"
        )
        if names:
            yield checked(
                "trigger-unqualified",
                Side.BLUE,
                f"trigger {trigger.name} on {table} fires for streamed rows, "
                f"and its function names {listed(names)} without a schema",
                "the apply worker has an empty search_path: it would stop at the "
                "first row",
                fix,
                blocks=True,
            )
        else:
            yield checked(
                "trigger-always",
                Side.BLUE,
                f"trigger {trigger.name} on {table} fires for streamed rows",
                "what it writes into streamed tables is written twice, and a changed "
                "row differs from blue's",
                "" if trigger.pinned else fix,
            )


def _unqualified_names(trigger: Trigger) -> list[str]:
    if trigger.pinned or trigger.language not in {"sql", "plpgsql"}:
        return []
    return sorted(set(_UNQUALIFIED.findall(trigger.body)))


def check_event_triggers(
    blue: ServerFacts, green: ServerFacts, _: Intent
) -> Iterator[Finding]:
    """They fire for the statements that make our own objects."""
    for facts in (blue, green):
        writers = facts.contents.event_writers
        names = [n for n in facts.contents.event_triggers if n not in writers]
        if writers:
            yield checked(
                "event-trigger-writes",
                facts.side,
                f"event triggers {listed(writers)} write to a table",
                "they fire while the fence is closed and opened and would write to a "
                "table that it keeps: the statement is refused, and the cutover backs "
                "out",
                " ".join(
                    f"ALTER EVENT TRIGGER {quote_name(n)} DISABLE;" for n in writers
                )
                + " -- until decommission",
                blocks=True,
            )
        if names:
            yield checked(
                "event-triggers",
                facts.side,
                f"event triggers {listed(names)}",
                "they fire when our schema, triggers and publications are made, and "
                "may refuse them",
                "see that they let role and schema `bluegreen` pass",
            )


def check_constraints(
    blue: ServerFacts, _: ServerFacts, __: Intent
) -> Iterator[Finding]:
    """Constraints that were never proved, or that the stream meets row by row."""
    constraints = sorted(blue.contents.constraints, key=lambda c: (c.table, c.name))
    for constraint in constraints:
        table = quote_name(*constraint.table)
        if not constraint.valid:
            yield checked(
                "constraint-not-valid",
                Side.BLUE,
                f"{constraint.name} on {table} is NOT VALID",
                "rows that break it may be on blue, and the apply worker checks no "
                "foreign key",
                f"ALTER TABLE {table} VALIDATE CONSTRAINT "
                f"{quote_name(constraint.name)};",
            )
    late = [
        f"{c.name} on {quote_name(*c.table)}"
        for c in constraints
        if c.kind in ("u", "x")
    ]
    if late:
        yield checked(
            "row-by-row-constraints",
            Side.BLUE,
            f"deferrable or exclusion constraints {listed(late)}",
            "the apply worker checks row by row: one UPDATE of many rows that only "
            "fits at its end stops the stream",
        )


def check_invalid_indexes(
    blue: ServerFacts, _: ServerFacts, __: Intent
) -> Iterator[Finding]:
    """A dump makes an invalid index again, as a valid one, or fails at it."""
    for name in blue.contents.invalid_indexes:
        yield checked(
            "invalid-index",
            Side.BLUE,
            f"index {name} is invalid",
            "green would build it in full; a unique one fails on rows that repeat",
            f"DROP INDEX CONCURRENTLY {name}; -- or REINDEX INDEX CONCURRENTLY",
        )
