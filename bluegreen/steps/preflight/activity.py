"""Looks at what goes on now: transactions, streams of others, clients."""

from __future__ import annotations

from collections.abc import Iterator

from bluegreen.model.duration import format_bytes, format_duration
from bluegreen.model.finding import Finding, checked
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.postgres.catalog.slots import Slot
from bluegreen.postgres.quoting import quote_name, quote_value
from bluegreen.steps.preflight.intent import Intent, listed


def check_transactions(
    blue: ServerFacts, green: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """A logical slot is made only when every older writing transaction has ended."""
    limit = intent.max_transaction_age.total_seconds()
    for facts in (blue, green):
        for found in facts.transactions:
            if found.age_s <= limit:
                continue
            yield checked(
                "long-transaction" if found.writes else "long-read",
                facts.side,
                f"pid {found.pid} ({found.client}) has had a transaction open for "
                f"{format_duration(found.age_s)}",
                "the slot is not made before it ends, and it holds up the fence"
                if found.writes
                else "PgBouncer's PAUSE waits for it when it comes through the pooler",
                f"SELECT pg_terminate_backend({found.pid}); -- or wait for its end",
                blocks=found.writes and facts.side is Side.BLUE,
            )


def check_prepared_transactions(
    blue: ServerFacts, green: ServerFacts, _: Intent
) -> Iterator[Finding]:
    """No kill ends a prepared transaction; its COMMIT may come after the fence."""
    for facts in (blue, green):
        for found in facts.prepared:
            where = "" if found.here else f"-- in database {found.database}: "
            yield checked(
                "prepared-transaction",
                facts.side,
                f"{found.gid!r} of {found.owner} in database {found.database}, "
                f"prepared {format_duration(found.age_s)} ago",
                "the slot is not made before it ends, and it holds up the fence",
                f"{where}ROLLBACK PREPARED {quote_value(found.gid)}; -- or COMMIT "
                "PREPARED",
                blocks=True,
            )
        limit = int(facts.settings.number("max_prepared_transactions") or 0)
        if limit and facts.side is Side.BLUE:
            yield checked(
                "prepared-transactions-possible",
                facts.side,
                f"max_prepared_transactions is {limit}",
                "one that is prepared at the cutover makes it back out",
                "see that nothing prepares transactions at the time of the cutover",
            )


def check_foreign_streams(
    blue: ServerFacts, green: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """Slots, publications and subscriptions that are not ours."""
    for facts in (blue, green):
        for slot in facts.streams.slots:
            if not _is_ours(slot, facts, intent):
                yield _foreign_slot(slot, facts)
        for subscription in facts.streams.subscriptions:
            if not intent.is_ours(subscription.name):
                yield _foreign_subscription(subscription.name, facts)
        others = [p for p in facts.streams.publications if not intent.is_ours(p)]
        if others:
            yield checked(
                "foreign-publications",
                facts.side,
                f"publications {listed(others)}",
                "who subscribes to them hears nothing of what green takes"
                if facts.side is Side.BLUE
                else "green should publish nothing but our own stream",
            )


def _is_ours(slot: Slot, facts: ServerFacts, intent: Intent) -> bool:
    # PostgreSQL's own slots of a table sync, pg_<oid>_sync_<oid>_<system>.
    syncing = slot.name.startswith("pg_") and "_sync_" in slot.name
    return intent.is_ours(slot.name) or (syncing and intent.gives(facts))


def _foreign_slot(slot: Slot, facts: ServerFacts) -> Finding:
    state = "active" if slot.active else "idle"
    return checked(
        "foreign-slot" if slot.here else "other-slot",
        facts.side,
        f"{slot.kind} slot {slot.name}, {state}, keeps {format_bytes(slot.held)} of "
        "WAL",
        "its reader gets nothing of what green takes after the cutover"
        if slot.here
        else "it takes a place and keeps WAL",
        f"SELECT pg_drop_replication_slot({quote_value(slot.name)}); -- when it is "
        "not needed; else plan its move and accept foreign-slot"
        if slot.here
        else "",
        blocks=slot.here and facts.side is Side.BLUE,
    )


def _foreign_subscription(name: str, facts: ServerFacts) -> Finding:
    return checked(
        "foreign-subscription",
        facts.side,
        f"subscription {name}",
        "its apply worker writes past the fence, on blue after the cutover too"
        if facts.side is Side.BLUE
        else "it writes into green besides our own stream",
        f"DROP SUBSCRIPTION {quote_name(name)};",
        blocks=True,
    )


def check_clients(blue: ServerFacts, _: ServerFacts, __: Intent) -> Iterator[Finding]:
    """A client that does not come by the pooler stays on blue and meets the fence."""
    if blue.clients:
        seen = [f"{c.role}@{c.address} ({c.count})" for c in blue.clients]
        yield checked(
            "clients",
            Side.BLUE,
            f"connected now: {listed(seen, most=10)}",
            "those that do not come through a pointer stay on blue after the cutover, "
            "where writes are refused",
            "lead them through the pooler or the DNS name first",
        )
