"""Looks at how much WAL a slot may keep, and at standbys that commits wait for.

Free disk space cannot be read by SQL, so the limits and what is held now are told.
"""

from __future__ import annotations

from collections.abc import Iterator

from bluegreen.model.duration import format_bytes, format_duration
from bluegreen.model.finding import Finding, checked
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.durability import Harm, as_bool
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.postgres.sync_wait import REPAIR
from bluegreen.steps.preflight.intent import Intent
from bluegreen.steps.preflight.session_settings import whose

_LEAST_KEPT = 1024**3  # bytes; WAL goes on being made during the initial copy
_LEAST_IDLE_S = 24 * 3600  # a slot rests while green is migrated
_LEAST_SENDER_TIMEOUT_S = 30  # a lock on green holds the apply worker up


def check_kept_wal(
    blue: ServerFacts, green: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """Limits by size and by time."""
    for facts in (blue, green):
        yield from _check_size(facts, intent.wal_limit)
        yield from _check_time(facts)


def _check_size(facts: ServerFacts, ours: int) -> Iterator[Finding]:
    limit = facts.settings.number("max_slot_wal_keep_size")
    if limit is None:
        return
    other = facts.side.other
    held = f"pg_wal holds {_size(facts.streams.wal_bytes)} now"
    advice = "ALTER SYSTEM SET max_slot_wal_keep_size = '…'; SELECT pg_reload_conf();"
    if limit < 0:
        yield checked(
            "wal-unbounded",
            facts.side,
            f"max_slot_wal_keep_size is -1, without a limit; {held}; the monitor "
            f"speaks when our slot keeps {format_bytes(ours)}",
            f"a stuck {other} can fill {facts.side}'s disk, and a full disk stops "
            f"{facts.side}; its free space cannot be seen by SQL",
            f"{advice} -- less than the free disk space, and the same as `monitor: "
            "{wal_limit: …}` in the playbook",
        )
    elif limit < max(_LEAST_KEPT, facts.settings.number("max_wal_size") or 0):
        yield checked(
            "wal-limit-small",
            facts.side,
            f"max_slot_wal_keep_size is {format_bytes(limit)}; {held}",
            f"when {other} falls behind by more, its slot is lost and "
            + (
                "green must be made again"
                if facts.side is Side.BLUE
                else "the way back is gone"
            ),
            f"{advice} -- as much as the disk allows",
        )


def _size(count: int | None) -> str:
    return "an unknown size" if count is None else format_bytes(count)


def _check_time(facts: ServerFacts) -> Iterator[Finding]:
    idle = facts.settings.number("idle_replication_slot_timeout") or 0
    if idle > 0:
        yield checked(
            "slot-timeout",
            facts.side,
            f"idle_replication_slot_timeout is {format_duration(idle)}",
            "a slot that rests longer, while green is migrated or before the way "
            "back opens, is lost",
            "ALTER SYSTEM SET idle_replication_slot_timeout = 0; "
            "SELECT pg_reload_conf();",
            blocks=idle < _LEAST_IDLE_S,
        )
    timeout = facts.settings.number("wal_sender_timeout") or 0
    if 0 < timeout < _LEAST_SENDER_TIMEOUT_S:
        yield checked(
            "sender-timeout",
            facts.side,
            f"wal_sender_timeout is {format_duration(timeout)}",
            f"a lock on {facts.side.other} that lasts longer breaks the stream; it "
            "starts again from where it was",
            "ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf();",
        )


def check_standbys(
    blue: ServerFacts, green: ServerFacts, _: Intent
) -> Iterator[Finding]:
    """What a commit waits for, or does not."""
    for facts in (blue, green):
        yield from _check_asynchronous(facts, facts.settings.text("synchronous_commit"))
        # Whatever applications ask for, our own records wait.
        if facts.wait.wanted:
            yield _check_names(facts)


def _check_asynchronous(facts: ServerFacts, commit: str | None) -> Iterator[Finding]:
    whose_ = ["the server"] if as_bool(commit or "") is False else []
    whose_ += [
        whose(setting, facts)
        for setting in facts.role_settings
        if setting.name.lower() == "synchronous_commit"
        and as_bool(setting.value) is False
    ]
    kept = not any(one.harm is Harm.CRASH for one in facts.unsafe)
    ours = "; our own records are committed synchronously" if kept else ""
    for who in whose_:
        yield checked(
            "asynchronous-commit",
            facts.side,
            "synchronous_commit is off"
            + ("" if who == "the server" else f" for {who}"),
            f"a crash may lose the application's last commits{ours}",
        )


def _check_names(facts: ServerFacts) -> Finding:
    wait = facts.wait
    why = "every commit waits for a standby"
    if wait.hangs:
        why = "too few such standbys are connected: every commit hangs, ours too"
    elif "*" in wait.names:
        why = f"* takes {facts.side.other}'s subscription for a standby too"
    return checked(
        "synchronous-standbys",
        facts.side,
        f"synchronous_standby_names is {wait.names!r}, {wait.there} connected",
        why,
        REPAIR if wait.hangs else "",
        blocks=wait.hangs,
    )
