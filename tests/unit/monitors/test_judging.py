"""What each monitor says of what it saw; the judges are pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bluegreen.model.accept import Accepted
from bluegreen.model.errors import StepError
from bluegreen.model.finding import Blocks, Finding, Severity
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.model.verdict import Refused, Satisfied
from bluegreen.postgres.catalog.activity import OpenTransaction, PreparedTransaction
from bluegreen.postgres.catalog.server_life import ServerLife
from bluegreen.postgres.catalog.slots import Slot
from bluegreen.postgres.replication.apply_health import ApplyHealth
from bluegreen.postgres.replication.heartbeat import Beats
from bluegreen.postgres.replication.kept_wal import KeptWal
from bluegreen.postgres.replication.stream import SlotFacts
from bluegreen.postgres.schema.fingerprint import changes, prints_of
from bluegreen.postgres.schema.items import Item
from bluegreen.steps.monitors.drift import DriftFacts, MonitorDrift
from bluegreen.steps.monitors.every import MONITORS, round_of, worst_first
from bluegreen.steps.monitors.foreign_slots import ForeignFacts, MonitorForeignSlots
from bluegreen.steps.monitors.gate import GateFacts, PassMonitors, refusal, stop_of_run
from bluegreen.steps.monitors.heartbeats import MonitorHeartbeats, is_fresh
from bluegreen.steps.monitors.kept_wal import MonitorKeptWal, WalFacts, time_left_s
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.monitors.monitor import Monitor, Round, look_through
from bluegreen.steps.monitors.servers import LifeFacts, MonitorServers, remembered
from bluegreen.steps.monitors.stream import MonitorStream, StreamFacts
from bluegreen.steps.monitors.transactions import MonitorTransactions, TransactionFacts
from bluegreen.steps.world import World

T = datetime(2026, 5, 4, tzinfo=UTC)
B, G = Side.BLUE, Side.GREEN
GOOD, _, ODD, UNKNOWN, BAD = Severity
NOTHING, MOVE, RUN = Blocks
MB = 1024**2
BEATS = Beats(B, last=9, came=9, came_age_s=0.2)
SLOT = SlotFacts(7, "reserved", 0)
APPLY = ApplyHealth(True, 77, 100.0, 0, 0, {}, 3)
STREAM = StreamFacts(B, SLOT, APPLY)
LIFE = ServerLife(5, 1, "me")
KEPT = KeptWal("s", True, "reserved", 5 * MB, None, None, 64 * MB)


DEFAULTS = Limits()


def said(monitor: Monitor[Any], facts: Any, limits: Limits = DEFAULTS) -> Finding:
    (one,) = monitor.judge(facts, limits)
    return one


class TestHeartbeats:
    @pytest.mark.parametrize(
        ("change", "severity", "stops", "says"),
        [
            ({}, GOOD, NOTHING, "9 came through, none is missing"),
            (
                {"copied": False, "lost": (1, 2)},
                GOOD,
                NOTHING,
                "the initial copy has not ended yet",
            ),
            (
                {"lost": (3, 4), "lost_s": (9.0, 8.0)},
                BAD,
                RUN,
                (
                    "2 heartbeats of blue never came to green and never will "
                    "(from 3, 9.0 "
                    "s ago, to 4, 8.0 s ago): the slot was dropped and made again, or "
                    "green was set back; what blue committed in that time is "
                    "missing there"
                ),
            ),
            (
                {"recreated": 8},
                BAD,
                RUN,
                (
                    "the slot on blue was dropped and made again before "
                    "heartbeat 8: its "
                    "counters began again; what blue committed in between is missing "
                    "on green"
                ),
            ),
            (
                {"last": 5, "went_back": True},
                BAD,
                RUN,
                (
                    "green has heartbeat 9 and blue knows none after 5: blue "
                    "was set back "
                    "to an earlier state"
                ),
            ),
            (
                {"last": 0, "came": 0, "came_age_s": None},
                UNKNOWN,
                MOVE,
                "no heartbeat of blue was seen in this epoch",
            ),
            (
                {"came": 2, "pending": 7, "pending_s": 90.0},
                ODD,
                NOTHING,
                "a heartbeat has been on its way to green for 1 min 30 s, 7 in all",
            ),
            (
                {"came": 8, "pending": 1, "pending_s": 0.1},
                GOOD,
                NOTHING,
                "8 came through, none is missing",
            ),
        ],
    )
    def test_what_it_says(
        self, change: dict[str, Any], severity: Severity, stops: Blocks, says: str
    ) -> None:
        one = said(MonitorHeartbeats(), replace(BEATS, **change))
        assert (one.severity, one.blocks, one.seen) == (severity, stops, says)
        assert bool(one.fix) == (severity in {BAD, ODD})

    def test_on_the_way_back_it_says_what_is_lost(self) -> None:
        one = said(MonitorHeartbeats(), replace(BEATS, publisher=G, recreated=2))
        assert one.where == "green → blue"
        assert one.fix.startswith("the way back is lost")

    @pytest.mark.parametrize(
        ("beats", "fresh"),
        [
            (BEATS, True),
            (replace(BEATS, came_age_s=61.0), False),
            (replace(BEATS, came_age_s=None), False),
            (replace(BEATS, lost=(2,)), False),
        ],
    )
    def test_fresh_is_one_that_came_lately_and_none_lost(
        self, beats: Beats, fresh: bool
    ) -> None:
        assert is_fresh(beats, 60.0) is fresh


class TestStream:
    @pytest.mark.parametrize(
        ("facts", "severity", "stops", "says"),
        [
            (STREAM, GOOD, NOTHING, "runs since 1 min 40 s"),
            (
                replace(STREAM, slot=None),
                BAD,
                RUN,
                "the slot on blue that green counts on is gone",
            ),
            (
                replace(STREAM, slot=replace(SLOT, wal_status="lost")),
                BAD,
                RUN,
                "the slot on blue has lost WAL that green still needs",
            ),
            (
                replace(STREAM, slot=replace(SLOT, wal_status="unreserved")),
                BAD,
                MOVE,
                "the slot on blue loses its WAL at the next checkpoint",
            ),
            (
                replace(STREAM, publisher=G, apply=None),
                BAD,
                RUN,
                "the subscription on blue is gone",
            ),
            (
                StreamFacts(B, None, None, abandoned=True),
                BAD,
                RUN,
                "green was given up: its slot on blue was dropped on purpose",
            ),
            (
                replace(STREAM, expected=False),
                ODD,
                NOTHING,
                "it is not switched on yet",
            ),
            (
                replace(STREAM, apply=replace(APPLY, enabled=False, apply_errors=2)),
                BAD,
                MOVE,
                (
                    "the subscription on green is switched off; 2 changes could not be "
                    "applied"
                ),
            ),
            (
                replace(
                    STREAM,
                    apply=replace(APPLY, blocked_by=(9, 8), works_on=("public.t",)),
                ),
                ODD,
                NOTHING,
                (
                    "the apply worker on green waits for a lock on public.t "
                    "that pid 9, 8 "
                    "holds"
                ),
            ),
            (
                replace(STREAM, apply=replace(APPLY, unready=("public.t",))),
                GOOD,
                MOVE,
                "2 of 3 tables are copied",
            ),
            (
                replace(
                    STREAM, apply=replace(APPLY, unready=("public.t",), copy_errors=4)
                ),
                ODD,
                MOVE,
                "2 of 3 tables are copied; 4 copies have failed, not ended: public.t",
            ),
            (
                replace(
                    STREAM,
                    apply=replace(
                        APPLY,
                        pid=None,
                        worker_age_s=None,
                        apply_errors=3,
                        conflicts={"confl_insert_exists": 3},
                        position="0/1A2B",
                    ),
                ),
                BAD,
                MOVE,
                (
                    "the apply worker on green does not run; 3 changes could not be "
                    "applied "
                    "(insert_exists 3); it fails at the first transaction after "
                    "0/1A2B of "
                    "the other side's WAL"
                ),
            ),
            (
                replace(
                    STREAM,
                    apply=replace(
                        APPLY, worker_age_s=2.0, apply_errors=1, position="0/9"
                    ),
                    pending_s=3.0,
                ),
                BAD,
                MOVE,
                (
                    "the apply worker on green was started again 2.0 s ago; 1 changes "
                    "could not be applied; it fails at the first transaction after 0/9 "
                    "of the other side's WAL"
                ),
            ),
            (
                replace(STREAM, apply=replace(APPLY, worker_age_s=2.0, apply_errors=1)),
                ODD,
                NOTHING,
                (
                    "the apply worker on green was started again 2.0 s ago; 1 "
                    "changes could "
                    "not be applied"
                ),
            ),
            (
                replace(STREAM, apply=replace(APPLY, apply_errors=1)),
                GOOD,
                NOTHING,
                "runs since 1 min 40 s; before that 1 changes could not be applied",
            ),
            (
                replace(STREAM, apply=replace(APPLY, worker_age_s=2.0)),
                GOOD,
                NOTHING,
                "runs since 2.0 s",
            ),
            (
                replace(STREAM, apply=replace(APPLY, worker_age_s=None)),
                GOOD,
                NOTHING,
                "runs",
            ),
            (
                replace(STREAM, apply=replace(APPLY, pid=None, worker_age_s=None)),
                BAD,
                MOVE,
                "the apply worker on green does not run",
            ),
        ],
    )
    def test_what_it_says(
        self, facts: StreamFacts, severity: Severity, stops: Blocks, says: str
    ) -> None:
        one = said(MonitorStream(), facts)
        assert (one.severity, one.blocks, one.seen) == (severity, stops, says)


class TestServers:
    @pytest.mark.parametrize(
        ("now", "says"),
        [
            (replace(LIFE, system=6), "another cluster answers: 6, it was 5"),
            (
                replace(LIFE, identity=""),
                "another database answers: identity none, not me",
            ),
            (
                ServerLife(5, 0, "me", in_recovery=True),
                "it is a standby now and takes no writes",
            ),
        ],
    )
    def test_every_change_ends_the_run(self, now: ServerLife, says: str) -> None:
        one = said(MonitorServers(), LifeFacts(B, now, LIFE, B))
        assert (one.severity, one.blocks, one.seen) == (BAD, RUN, says)

    def test_a_failover_stops_a_move_until_rows_were_compared(self) -> None:
        now = replace(LIFE, timeline=2)
        before = said(MonitorServers(), LifeFacts(B, now, LIFE, B))
        after = said(MonitorServers(), LifeFacts(G, now, LIFE, G))
        assert (before.severity, before.blocks) == (BAD, MOVE)
        assert before.seen == (
            "timeline 2, it was 1: the server failed over or was restored; its rows "
            "were not compared since"
        )
        assert "a step `validate`" in before.fix
        assert "--prove" in after.fix
        proved = said(MonitorServers(), LifeFacts(B, now, LIFE, B, proved=2))
        assert (proved.severity, proved.blocks) == (GOOD, NOTHING)

    def test_what_it_was_and_what_is_not_known_yet_are_good(self) -> None:
        same = said(MonitorServers(), LifeFacts(B, LIFE, LIFE, B))
        first = said(MonitorServers(), LifeFacts(B, LIFE, None, B))
        assert (same.severity, first.severity) == (GOOD, GOOD)
        assert same.seen == "the server that it was, timeline 1"


class TestKeptWal:
    LIMITS = Limits(wal_limit=10 * MB)

    @pytest.mark.parametrize(
        ("kept", "per_s", "severity", "says"),
        [
            (
                KEPT,
                None,
                GOOD,
                (
                    "its slot keeps 5 MB of WAL, the playbook's limit is 10 MB, pg_wal "
                    "holds 64 MB"
                ),
            ),
            (
                replace(KEPT, pg_wal=None),
                1024.0,
                ODD,
                (
                    "its slot keeps 5 MB of WAL, the playbook's limit is 10 MB, "
                    "growing by "
                    "1 kB/s; at this rate the limit is reached in 1 h 25 min"
                ),
            ),
            (
                replace(KEPT, kept=10 * MB, pg_wal=None),
                None,
                BAD,
                "its slot keeps 10 MB of WAL, the playbook's limit is 10 MB",
            ),
            (
                replace(KEPT, server_limit=5 * MB, pg_wal=None),
                None,
                BAD,
                "its slot keeps 5 MB of WAL, the server's limit is 5 MB",
            ),
            (
                replace(KEPT, wal_status="lost", pg_wal=None),
                None,
                BAD,
                (
                    "its slot keeps 5 MB of WAL, the playbook's limit is 10 MB; "
                    "the server "
                    "says lost"
                ),
            ),
        ],
    )
    def test_what_it_says(
        self, kept: KeptWal, per_s: float | None, severity: Severity, says: str
    ) -> None:
        one = said(MonitorKeptWal(), WalFacts(B, kept, per_s, True), self.LIMITS)
        assert (one.severity, one.seen) == (severity, says)
        assert one.blocks is (MOVE if severity is BAD else NOTHING)

    def test_what_the_server_leaves_counts_for_the_forecast(self) -> None:
        facts = WalFacts(B, replace(KEPT, safe=MB), 1024.0, True)
        assert time_left_s(facts, self.LIMITS) == 1024.0
        assert time_left_s(replace(facts, per_s=-1.0), self.LIMITS) is None
        full = replace(facts, kept=replace(KEPT, safe=-5))
        assert time_left_s(full, self.LIMITS) == 0.0


class TestDrift:
    def test_what_belongs_to_a_table_counts_as_the_tables(self) -> None:
        table = Item("table", "public.t", "", "")
        column = Item("column", "public.t.a", table.key, "integer")
        view = Item("view", "public.v", "", "SELECT 1")
        then = prints_of({i.key: i for i in (table, column, view)})
        wider = replace(column, definition="bigint")
        now = prints_of({i.key: i for i in (table, wider)})
        assert set(then) == {"table public.t", "view public.v"}
        assert changes(then, now) == (
            "table public.t was changed",
            "view public.v is gone",
        )
        assert changes(now, now) == ()
        assert changes({}, now) == ("table public.t is new",)

    def test_what_it_says(self) -> None:
        good = said(MonitorDrift(), DriftFacts(B, B, ()))
        assert (good.severity, good.blocks) == (GOOD, NOTHING)
        bad = said(MonitorDrift(), DriftFacts(B, B, ("table public.t is new",)))
        assert (bad.severity, bad.blocks) == (BAD, MOVE)
        assert bad.fix.startswith("take it back, or make the same change on green")


class TestOthers:
    def test_slots_of_others(self) -> None:
        lost = Slot("x", "logical", False, True, "lost", 2048)
        live = Slot("y", "logical", True, True, "reserved", 0)
        one = said(MonitorForeignSlots(), ForeignFacts(B, (lost, live)))
        assert (one.severity, one.blocks) == (ODD, NOTHING)
        assert one.seen == (
            "slots of others: x (lost, keeps 2 kB), y (read now, keeps 0 B)"
        )
        assert said(MonitorForeignSlots(), ForeignFacts(B, ())).severity is GOOD

    def test_transactions(self) -> None:
        old = OpenTransaction(4, "app@10.0.0.1, report", 400.0, writes=True)
        young = replace(old, pid=5, age_s=3.0)
        gid = PreparedTransaction("half", "shop", "app", 5.0)
        facts = TransactionFacts(B, (old, young), (gid,))
        one = said(MonitorTransactions(), facts)
        assert one.severity is ODD
        assert one.seen == (
            "pid 4 (app@10.0.0.1, report) writes, open for 6 min 40 s; 'half' of app, "
            "prepared 5.0 s ago"
        )
        quiet = said(MonitorTransactions(), TransactionFacts(B, (young,), ()))
        assert quiet.severity is GOOD


class Blind(Monitor[int]):
    """Sees nothing."""

    id = "blind"
    if_unknown = MOVE

    def observe(self, world: Round, side: Side) -> int | None:
        raise StepError(4006, "the connection broke", seen="so it did")

    def judge(self, facts: int, limits: Limits) -> Any:
        raise AssertionError


class TestRound:
    ROUND = Round("shop", None, None, (), None)  # type: ignore[arg-type]

    def test_what_could_not_be_seen_is_unknown_and_never_good(self) -> None:
        found = look_through(Blind(), self.ROUND)
        assert [(w.where, w.severity, w.blocks) for w in found] == [
            ("blue", UNKNOWN, MOVE),
            ("green", UNKNOWN, MOVE),
        ]
        assert found[0].seen == "not seen: the connection broke: so it did"

    def test_what_the_playbook_accepts_is_still_told(self) -> None:
        limits = Limits(accept=(Accepted("blind", "meant"),))
        (one, _) = look_through(Blind(), replace(self.ROUND, limits=limits))
        assert (one.severity, one.blocks) == (UNKNOWN, NOTHING)
        assert one.seen.endswith("(accepted)")

    def test_the_worst_comes_first(self) -> None:
        found = [
            Finding("transactions", "blue", ODD, ""),
            Finding("kept-wal", "blue", GOOD, ""),
            Finding("heartbeats", "blue", GOOD, ""),
            Finding("stream", "blue", BAD, "", blocks=MOVE),
            Finding("servers", "blue", BAD, "", blocks=RUN),
        ]
        assert [one.id for one in worst_first(found)] == [
            "servers",
            "stream",
            "transactions",
            "heartbeats",
            "kept-wal",
        ]

    def test_a_green_that_was_made_anew_is_not_held_to_the_former_ones_record(
        self,
    ) -> None:
        told = {"system": "5", "timeline": 1, "identity": "former"}
        body = {"monitor": "servers", "sides": {"blue": told, "green": told}}
        records = (
            Record(1, T, Kind.RUN_STARTED, 0, "r", body={"green": "former"}),
            Record(2, T, Kind.MONITORED, 0, "r", body=body),
            Record(3, T, Kind.ABANDONED, 0, "r", body={}),
        )
        world = World("shop", None, None, (), None)  # type: ignore[arg-type]
        same = round_of(world, records, green="former")
        again = round_of(world, records, green="other")
        assert same.state.abandoned
        assert not again.state.abandoned
        assert set(remembered(same.remembered, same.state.green)) == {B, G}
        assert remembered(again.remembered, again.state.green) == {}

    def test_ids_are_unique(self) -> None:
        ids = [monitor.id for monitor in MONITORS]
        assert len(ids) == len(set(ids))

    def test_a_side_that_is_away_is_not_tried_again(self) -> None:
        with pytest.raises(StepError) as caught:
            replace(self.ROUND, away=frozenset({G})).on(G)
        assert caught.value.code == 4006


class TestGate:
    LOST = Finding("heartbeats", "blue → green", BAD, "gone", "", "make it again", RUN)
    DRIFT = Finding("schema-drift", "blue", BAD, "new", "", "take it back", MOVE)
    UNSENT = Finding("heartbeats", "blue → green", UNKNOWN, "none yet", "", MOVE)

    def test_it_names_all_that_stops(self) -> None:
        no = refusal([self.LOST, self.DRIFT], G)
        assert (no.code, no.why) == (
            4011,
            "a monitor blocks the move to green: heartbeats, schema-drift",
        )
        assert no.seen == ("heartbeats, blue → green: gone\nschema-drift, blue: new")
        assert no.hint == "make it again\ntake it back"

    def test_back_to_blue_it_is_data_that_would_be_lost(self) -> None:
        assert refusal([self.LOST], B).code == 6001

    def test_the_whole_text_of_a_run_that_ends(self) -> None:
        assert str(stop_of_run([self.LOST], G)) == (
            "error BG-4011: a monitor blocks going on to green: heartbeats\n"
            "  seen:    heartbeats, blue → green: gone\n"
            "  wanted:  no monitor that stops a move; `bluegreen status` shows them "
            "all\n  hint:    make it again"
        )

    @pytest.mark.parametrize(
        ("facts", "verdict"),
        [
            (GateFacts(moved=True), "Satisfied"),
            (GateFacts(False, (), fresh=True), "Satisfied"),
            (GateFacts(False, (UNSENT,), fresh=False), "Needed"),
            (GateFacts(False, (DRIFT, UNSENT), fresh=False), "Refused"),
            (GateFacts(False, (DRIFT,), fresh=True), "Refused"),
            (
                GateFacts(False, (replace(DRIFT, blocks=NOTHING),), fresh=True),
                "Satisfied",
            ),
        ],
    )
    def test_its_verdict(self, facts: GateFacts, verdict: str) -> None:
        assert type(PassMonitors("cutover", G).judge(facts)).__name__ == verdict

    def test_a_rollback_stops_only_where_it_would_lose_writes(self) -> None:
        gate = PassMonitors("rollback", B)
        told = gate.judge(GateFacts(False, (self.DRIFT,), fresh=True))
        assert isinstance(told, Satisfied)
        assert "told: schema-drift" in told.why
        lost = gate.judge(GateFacts(False, (self.LOST, self.DRIFT), fresh=True))
        assert isinstance(lost, Refused)
        assert lost.why == "a monitor blocks the move to blue: heartbeats"
