"""Looks at whether there is room for our slots, WAL senders and workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bluegreen.model.finding import Finding, checked
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.steps.preflight.intent import Intent

_ORIGINS_APART_SINCE = 18  # max_active_replication_origins


def check_wal_level(
    blue: ServerFacts, green: ServerFacts, _: Intent
) -> Iterator[Finding]:
    """Both sides, because green streams back after the cutover."""
    for facts in (blue, green):
        level = facts.settings.text("wal_level")
        if level != "logical":
            yield checked(
                "wal-level",
                facts.side,
                f"wal_level is {level}",
                "changes can be streamed only from WAL that is logical"
                if facts.side is Side.BLUE
                else "without it there is no way back after the cutover",
                "ALTER SYSTEM SET wal_level = 'logical'; -- then restart the server",
                blocks=True,
            )


@dataclass(frozen=True, slots=True)
class _Need:
    """Places that we need of one kind, on one side.

    Attributes:
        least: with fewer nothing works.
        wanted: with fewer the initial copy takes fewer tables at once.
    """

    id: str
    setting: str
    taken: int
    least: int
    wanted: int
    what: str


def check_capacity(
    blue: ServerFacts, green: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """Free places, counted for what is not in place yet."""
    copying = 1 + intent.workers
    needs = (
        *((blue, need) for need in _needs_to_give(blue, intent, 2, copying)),
        *((blue, need) for need in _needs_to_take(blue, intent, 1, 1)),
        *((green, need) for need in _needs_to_give(green, intent, 1, 1)),
        *((green, need) for need in _needs_to_take(green, intent, 2, copying)),
        (green, _sync_workers(intent)),
    )
    for facts, need in needs:
        yield from _check_need(facts, need)


def _needs_to_give(
    facts: ServerFacts, intent: Intent, least: int, wanted: int
) -> list[_Need]:
    if intent.gives(facts):
        return []
    streams = facts.streams
    what = "the stream and each table of the initial copy take one"
    return [
        _Need(
            "few-slots",
            "max_replication_slots",
            len(streams.slots),
            least,
            wanted,
            what,
        ),
        _Need("few-senders", "max_wal_senders", streams.senders, least, wanted, what),
    ]


def _needs_to_take(
    facts: ServerFacts, intent: Intent, least: int, wanted: int
) -> list[_Need]:
    if intent.takes(facts):
        return []
    streams = facts.streams
    origins = (
        "max_active_replication_origins"
        if facts.major >= _ORIGINS_APART_SINCE
        else "max_replication_slots"
    )
    what = "the apply worker and each table of the initial copy take one"
    return [
        _Need("few-origins", origins, streams.origins, least, wanted, what),
        _Need(
            "few-workers",
            "max_logical_replication_workers",
            streams.logical_workers,
            least,
            wanted,
            what,
        ),
        _Need(
            "few-processes",
            "max_worker_processes",
            streams.worker_processes,
            least,
            wanted,
            what,
        ),
    ]


def _sync_workers(intent: Intent) -> _Need:
    return _Need(
        "few-sync-workers",
        "max_sync_workers_per_subscription",
        0,
        1,
        intent.workers,
        "each table of the initial copy takes one",
    )


def _check_need(facts: ServerFacts, need: _Need) -> Iterator[Finding]:
    limit = int(facts.settings.number(need.setting) or 0)
    free = max(limit - need.taken, 0)
    if free >= need.wanted:
        return
    enough = need.taken + need.wanted
    reload = need.setting == "max_sync_workers_per_subscription"
    then = "SELECT pg_reload_conf();" if reload else "-- then restart the server"
    yield checked(
        need.id,
        facts.side,
        f"{need.setting} is {limit} and {need.taken} are taken: {free} free, "
        f"{need.wanted} wanted",
        need.what + ("" if free < need.least else "; fewer tables are copied at once"),
        f"ALTER SYSTEM SET {need.setting} = {enough}; {then}",
        blocks=free < need.least,
    )
