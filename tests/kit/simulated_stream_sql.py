"""What statements on markers, heartbeats, slots and subscriptions mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import psycopg

from bluegreen.model.side import Side
from tests.kit.simulated_data import TABLES, Beat, Subscription, put
from tests.kit.simulated_session import Meanings, Rows, Session, lsn, position_of


class MarkerSql(Session):
    """Sessions as they answer to markers and heartbeats."""

    def mark(self, _: str, params: Sequence[Any]) -> None:
        self.server.mark(params[0])

    def has_marker(self, _: str, params: Sequence[Any]) -> Rows:
        return [(params[0] in self.server.data.markers,)]

    def insert_position(self, *_: Any) -> Rows:
        return [(lsn(len(self.server.data.wal)),)]

    def flush_position(self, *_: Any) -> Rows:
        return [(lsn(len(self.server.synced.wal)),)]

    def write_beat(self, _: str, params: Mapping[str, Any]) -> Rows:
        done = self.server.world.send_heartbeat(Side(params["publisher"]))
        return [()] if done else []

    def _beats(self, publisher: str, epoch: int) -> list[Beat]:
        told = (
            b
            for b in self.server.data.beats
            if (b.publisher, b.epoch) == (publisher, epoch)
        )
        return sorted(told, key=lambda beat: beat.number)

    def highest(self, _: str, params: Sequence[Any]) -> Rows:
        return [(max((b.number for b in self._beats(*params)), default=0),)]

    def written(self, _: str, params: Sequence[Any]) -> Rows:
        slot, *key = params
        found, start = self._beats(*key), dict(self.server.data.slots).get(slot)
        confirmed = None if start is None else lsn(start)
        if not found:
            return [(None, None, confirmed)]
        return [(found[0].number, found[-1].number, confirmed)]

    def absent(self, _: str, params: Sequence[Any]) -> Rows:
        first, last, *key, _most = params
        there = {beat.number for beat in self._beats(*key)}
        return [(n,) for n in range(first, last + 1) if n not in there]

    def open_beats(self, _: str, params: Sequence[Any]) -> Rows:
        confirmed, came, publisher, epoch, numbers = params
        found = {beat.number: beat for beat in self._beats(publisher, epoch)}
        upto = -1 if confirmed is None else position_of(confirmed)
        return [
            (n, self._age(found[n]), n < came or _lies_below(found.get(n + 1), upto))
            for n in numbers
            if n in found
        ]

    def _age(self, beat: Beat) -> float:
        return float(self.server.world.now - beat.at)

    def beat_history(self, _: str, params: Sequence[Any]) -> Rows:
        publisher, epoch, came = params
        ages = [self._age(b) for b in self._beats(publisher, epoch) if b.number == came]
        return [(ages[0] if ages else None, None)]


def _lies_below(beat: Beat | None, position: int) -> bool:
    return beat is not None and beat.position <= position


class StreamSql(Session):
    """Sessions as they answer to slots, subscriptions and publications."""

    def slot(self, _: str, params: Sequence[Any]) -> Rows:
        start = dict(self.server.data.slots).get(params[0])
        return [] if start is None else [(None, "reserved", 0)]

    def make_slot(self, _: str, params: Sequence[Any]) -> None:
        data = self.server.data
        if params[0] in dict(data.slots):
            raise psycopg.errors.DuplicateObject("slot exists")
        self.server.alter(slots=put(data.slots, params[0], len(data.wal)))

    def drop_slot(self, _: str, params: Sequence[Any]) -> None:
        self.server.alter(slots=put(self.server.data.slots, params[0], None))

    def _pid(self, found: Subscription) -> int | None:
        return 1 if found.enabled and not self.server.stalled else None

    def subscription(self, _: str, params: Sequence[Any]) -> Rows:
        found = self.subscription_of(params[0])
        if found is None:
            return []
        pid, tables = self._pid(found), len(TABLES) + 1
        ready = tables - len(found.unready)
        return [(found.oid, found.enabled, int(bool(pid)), pid, tables, ready)]

    def apply_health(self, _: str, params: Sequence[Any]) -> Rows:
        found = self.subscription_of(params[0])
        if found is None:
            return []
        unready = [f"public.{table}" for table in sorted(found.unready)] or None
        pid = self._pid(found)
        return [(found.oid, found.enabled, pid, 100.0, len(TABLES) + 1, unready)]

    def apply_worker(self, *_: Any) -> Rows:
        return [((), ())]

    def row_version(self, _: str, params: Sequence[Any]) -> Rows:
        found = self.subscription_of(params[0])
        return [] if found is None else [(found.oid, str(found.version))]

    def row_oid(self, _: str, params: Sequence[Any]) -> Rows:
        found = self.subscription_of(params[0])
        return [] if found is None else [(found.oid,)]

    def _of_oid(self, oid: int) -> list[Subscription]:
        return [one for _, one in self.server.data.subscriptions if one.oid == oid]

    def error_count(self, _: str, params: Sequence[Any]) -> Rows:
        return [(one.errors,) for one in self._of_oid(params[0])]

    def error_counts(self, _: str, params: Sequence[Any]) -> Rows:
        return [
            ({"apply_error_count": one.errors, "sync_error_count": 0},)
            for one in self._of_oid(params[0])
        ]

    def unready(self, _: str, params: Sequence[Any]) -> Rows:
        found = self.subscription_of(params[0])
        return (
            [(f"public.{table}",) for table in sorted(found.unready)] if found else []
        )

    def taken(self, _: str, params: Sequence[Any]) -> Rows:
        found = self.subscription_of(params[0])
        if found is None:
            return []
        state = {table: "i" if table in found.unready else "r" for table in TABLES}
        return [(table, state[table], found.oid) for table in TABLES]

    def _subscribe(self, name: str, value: Subscription | None) -> None:
        self.server.alter(
            subscriptions=put(self.server.data.subscriptions, name, value)
        )

    def make_subscription(self, text: str, _: Sequence[Any]) -> None:
        name = text.split('"')[1]
        if self.subscription_of(name):
            raise psycopg.errors.DuplicateObject("subscription exists")
        self._subscribe(name, Subscription(False, 0, self._oid()))

    def _oid(self) -> int:
        self.server.alter(oids=self.server.data.oids + 1)
        return self.server.data.oids

    def enable(self, text: str, _: Sequence[Any]) -> None:
        name = text.split('"')[1]
        found = self.subscription_of(name)
        if found is None:
            raise psycopg.errors.UndefinedObject("no subscription")
        on, version = text.endswith("ENABLE"), found.version + 1
        self._subscribe(name, replace(found, enabled=on, version=version))

    def drop_subscription(self, text: str, _: Sequence[Any]) -> None:
        self._subscribe(text.split('"')[1], None)

    def origin(self, _: str, params: Sequence[Any]) -> Rows:
        found = self.subscription_of(params[0])
        return [(lsn(found.origin),)] if found else []

    def advance_origin(self, _: str, params: Sequence[Any]) -> Rows:
        found = self.subscription_of(params[1])
        if found is None:
            return []
        if found.enabled:
            raise psycopg.errors.ObjectInUse("the worker runs")
        self._subscribe(params[1], replace(found, origin=position_of(params[0])))
        return [("",)]

    def confirmed(self, _: str, params: Sequence[Any]) -> Rows:
        """What the subscriber has on disk, as its feedback tells the slot."""
        wanted, name = position_of(params[0]), params[1]
        subscriber = self.server.world.servers[self.server.side.other]
        found = subscriber.synced.subscription(name)
        return [(found is not None and found.origin >= wanted,)]

    def publication_there(self, _: str, params: Sequence[Any]) -> Rows:
        return [(self.server.data.published(params[0]) is not None,)]

    def published(self, _: str, params: Sequence[Any]) -> Rows:
        tables = self.server.data.published(params[0])
        if tables is None:
            return []
        named = [("bluegreen", "marker"), *(("public", table) for table in tables)]
        return [(*name, None, False) for name in named]

    def sent(self, _: str, params: Sequence[Any]) -> Rows:
        tables: Iterable[tuple[str, int]] = (
            self.server.data.published(params[0]) or {}
        ).items()
        return [(oid, table, None, None) for table, oid in sorted(tables)]

    def publication_flags(self, *_: Any) -> Rows:
        return [(1, True, True, True, True)]

    def publish(self, text: str, _: Sequence[Any]) -> None:
        name = text.split('"')[1]
        tables = tuple((table, self._oid()) for table in TABLES)
        self.server.alter(publications=put(self.server.data.publications, name, tables))

    def drop_publication(self, text: str, _: Sequence[Any]) -> None:
        name = text.split('"')[1]
        self.server.alter(publications=put(self.server.data.publications, name, None))

    def subscribed(self, _: str, params: Sequence[Any]) -> Rows:
        if self.subscription_of(params[0]) is None:
            return []
        return [("bluegreen", "marker"), *(("public", table) for table in TABLES)]


STREAM_MEANINGS: Meanings = (
    ("ON CONFLICT (publisher, epoch, number)", MarkerSql.write_beat),
    ("SELECT coalesce(max(number), 0)", MarkerSql.highest),
    ("SELECT min(m.number), max(m.number)", MarkerSql.written),
    ("generate_series(%s::bigint", MarkerSql.absent),
    ("AND m.number = ANY (%s)", MarkerSql.open_beats),
    ("WITH beat AS", MarkerSql.beat_history),
    ("to_regclass('bluegreen.marker'))", Session.yes),
    ("INSERT INTO bluegreen.marker", MarkerSql.mark),
    ("FROM bluegreen.marker WHERE id = %s", MarkerSql.has_marker),
    ("DELETE FROM bluegreen.marker", Session.nothing),
    ("pg_current_wal_insert_lsn()::text", MarkerSql.insert_position),
    ("pg_current_wal_flush_lsn()::text", MarkerSql.flush_position),
    ("SELECT active_pid, wal_status", StreamSql.slot),
    ("SELECT s.slot_name, s.slot_type", Session.none),
    ("pg_create_logical_replication_slot(", StreamSql.make_slot),
    ("pg_drop_replication_slot(", StreamSql.drop_slot),
    ("SELECT s.oid, s.subenabled, w.pid", StreamSql.apply_health),
    ("SELECT s.oid, s.subenabled", StreamSql.subscription),
    ("SELECT pg_blocking_pids(", StreamSql.apply_worker),
    ("has_function_privilege(", Session.no),
    ("to_regclass('pg_stat_subscription_stats')", Session.yes),
    ("SELECT apply_error_count", StreamSql.error_count),
    ("SELECT to_jsonb(t) FROM pg_stat_subscription_stats", StreamSql.error_counts),
    ("has_table_privilege('pg_subscription'", Session.yes),
    ("SELECT s.oid::bigint, s.xmin::text", StreamSql.row_version),
    ("SELECT s.oid::bigint FROM pg_subscription", StreamSql.row_oid),
    ("to_jsonb(r) ->> 'prattrs'", StreamSql.sent),
    ("pubinsert, pubupdate", StreamSql.publication_flags),
    ("r.srsublsn::text", StreamSql.taken),
    ("r.srsubstate <> 'r'", StreamSql.unready),
    ("CREATE SUBSCRIPTION", StreamSql.make_subscription),
    ("SET (slot_name = NONE)", Session.nothing),
    ("ALTER SUBSCRIPTION", StreamSql.enable),
    ("DROP SUBSCRIPTION", StreamSql.drop_subscription),
    ("count(pg_terminate_backend(w.pid))", Session.zero),
    ("pg_replication_origin_progress(", StreamSql.origin),
    ("pg_replication_origin_advance(", StreamSql.advance_origin),
    ("SELECT confirmed_flush_lsn >=", StreamSql.confirmed),
    ("EXISTS (SELECT FROM pg_publication", StreamSql.publication_there),
    ("(SELECT array_agg(a.attname::text ORDER BY", StreamSql.published),
    ("CREATE PUBLICATION", StreamSql.publish),
    ("DROP PUBLICATION", StreamSql.drop_publication),
    ("FROM pg_subscription_rel", StreamSql.subscribed),
    ("SELECT end_at - r.sent_lsn", Session.none),
)
