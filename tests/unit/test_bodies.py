"""What a record holds as a value: the stored form is the one of all versions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bluegreen.backups.proof import BackupProof, Source
from bluegreen.backups.stored import Stored
from bluegreen.model import bodies
from bluegreen.model.body import Body
from bluegreen.model.lsn import Lsn
from bluegreen.model.side import Side
from bluegreen.model.witness import Witness
from bluegreen.postgres.schema.expansion import Expansion
from bluegreen.steps.compatibility.travel import Travelled
from bluegreen.steps.monitors.drift import SchemaRemembered
from bluegreen.steps.monitors.servers import LifeTold, ServersRemembered
from bluegreen.steps.rehearsed import Kept, Rehearsed
from bluegreen.steps.replication.identities import Before, IdentitiesChanged
from bluegreen.steps.replication.told import SchemaCopied, ViewsFilled
from bluegreen.steps.restore_backup import Restored
from bluegreen.steps.schema_change.contract import FileRun
from bluegreen.steps.schema_change.deferral import Deferral, DeferredNote, FileWaits
from bluegreen.steps.schema_change.journal_queries import Expanded
from bluegreen.steps.schema_change.mapping import Filled
from bluegreen.steps.schema_change.stream import StreamNote
from bluegreen.steps.snapshot import SnapshotBegun
from bluegreen.steps.switchover.certify import Filed
from bluegreen.steps.switchover.left_behind import LeftBehind
from bluegreen.steps.switchover.names import TtlLowered
from bluegreen.steps.switchover.table_set import Noted
from bluegreen.steps.validation.age import Bound, Proved
from bluegreen.steps.validation.foreign_keys import KeysLookedAt
from bluegreen.steps.validation.rows import RowsCompared, TableCompared

MARKER = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
AT = datetime(2026, 5, 4, 1, 2, 3, 456, tzinfo=UTC)
WITNESS = Witness(Side.BLUE, "1", "16400 700 2", {Side.BLUE: 1}, "20:aa")
STORED_WITNESS = {
    "side": "blue",
    "started": "1",
    "stream": "16400 700 2",
    "timelines": {"blue": 1},
    "sent": "20:aa",
}
COMMITTING = {"to": "green", "identities": {"blue": "b", "green": "g"}}
BARRIER = {"fence_position": "0/189B220", "marker": MARKER}
SIDES = {Side.BLUE: "b", Side.GREEN: "g"}
FENCE, ORIGIN = Lsn.parse("0/189B220"), Lsn.parse("16/B374D848")
SOURCE = {"identity": "i", "system": "7600", "database": 5, "timeline": 1}

# What stands in the journals of the versions before: the names are not ours to change.
STORED: list[tuple[Body, dict[str, Any]]] = [
    (
        bodies.RunStarted("shop", "01ab", "/a/p.yml", "version: 1", "b", "g"),
        {
            "playbook": "shop",
            "digest": "01ab",
            "file": "/a/p.yml",
            "text": "version: 1",
            "blue": "b",
            "green": "g",
        },
    ),
    (bodies.Intent("it lacks"), {"why": "it lacks"}),
    (bodies.Failed(4004, "it failed"), {"code": 4004, "problem": "it failed"}),
    (bodies.Approved("ask", "ann"), {"step": "ask", "by": "ann"}),
    (bodies.Pausing(Side.GREEN), {"to": "green"}),
    (bodies.BackedOut(Side.BLUE), {"to": "blue"}),
    (bodies.BackedOut(quarantined=Side.BLUE), {"quarantined": "blue"}),
    (bodies.Committing(Side.GREEN, SIDES), COMMITTING),
    (bodies.Barrier(fence_position=FENCE, marker=UUID(MARKER)), BARRIER),
    (
        bodies.Committed(
            Side.GREEN,
            SIDES,
            fence_position=FENCE,
            marker=UUID(MARKER),
            origin_position=ORIGIN,
        ),
        {**COMMITTING, **BARRIER, "origin_position": "16/B374D848"},
    ),
    (bodies.Pause(), {}),
    (
        bodies.Moved(
            to=Side.GREEN,
            pointers=("main",),
            sequence_values=(("public", "a", 7, True),),
            pause_ms=61.5,
            parts_ms={"fence": 46.4},
            sequences=1,
            origin=ORIGIN,
            longest_gap_ms=70.5,
            client_errors=("57P01",),
        ),
        {
            "to": "green",
            "pointers": ["main"],
            "sequence_values": [["public", "a", 7, True]],
            "pause_ms": 61.5,
            "parts_ms": {"fence": 46.4},
            "sequences": 1,
            "origin": "16/B374D848",
            "longest_gap_ms": 70.5,
            "client_errors": ["57P01"],
        },
    ),
    (bodies.Witnessed(WITNESS), {"witness": STORED_WITNESS}),
    (
        bodies.WayBackOpen(0.045, WITNESS, ORIGIN),
        {"marker_s": 0.045, "witness": STORED_WITNESS, "origin": "16/B374D848"},
    ),
    (bodies.WayBackOpen(0.045), {"marker_s": 0.045}),
    (
        bodies.WindowOpened(AT + timedelta(days=1), "ann@here"),
        {"until": "2026-05-05T01:02:03.000456+00:00", "by": "ann@here"},
    ),
    (
        bodies.WindowOpened(AT + timedelta(days=1)),
        {"until": "2026-05-05T01:02:03.000456+00:00"},
    ),
    (
        bodies.Abandoned(Side.BLUE, 5, "call"),
        {"serving": "blue", "kept_bytes": 5, "by": "call"},
    ),
    (
        TtlLowered({"name": 3600}, AT),
        {"ttls_lowered": {"name": 3600}, "kept_until": AT.isoformat()},
    ),
    (
        bodies.Pause(pause_ms=1.5, not_held=("name",)),
        {"pause_ms": 1.5, "not_held": ["name"]},
    ),
    (SnapshotBegun("bluegreen-shop-e0-7"), {"snapshot": "bluegreen-shop-e0-7"}),
    (bodies.GuardEnded("it is late"), {"guard": "it is late"}),
    (
        bodies.Notified("window_ends", "in an hour"),
        {"notified": "window_ends", "about": "in an hour"},
    ),
    (
        bodies.Found((bodies.FindingTold("stream", "blue", "off"),)),
        {"found": [{"id": "stream", "where": "blue", "seen": "off"}]},
    ),
    (
        IdentitiesChanged(Side.BLUE, (Before("s", "t", "i", "k", "f"),)),
        {
            "identities_of": "blue",
            "before": [
                {
                    "schema": "s",
                    "table": "t",
                    "identity": "i",
                    "index": "k",
                    "made": "f",
                }
            ],
        },
    ),
    (
        Rehearsed("1f", (Kept("left-out", "playbook", "info", "it", blocks="run"),)),
        {
            "rehearsed": "1f",
            "findings": [
                {
                    "id": "left-out",
                    "where": "playbook",
                    "severity": "info",
                    "seen": "it",
                    "why": "",
                    "fix": "",
                    "blocks": "run",
                    "object": "",
                }
            ],
        },
    ),
    (
        SchemaRemembered(green="g", sides={Side.BLUE: {"table s.t": "1"}}),
        {
            "monitor": "schema-drift",
            "green": "g",
            "sides": {"blue": {"table s.t": "1"}},
        },
    ),
    (
        ServersRemembered(sides={Side.BLUE: LifeTold("76", 2, "b")}),
        {
            "monitor": "servers",
            "sides": {"blue": {"system": "76", "timeline": 2, "identity": "b"}},
        },
    ),
    (
        Travelled({"s.t": "(0,1)"}, {"s.u": "a trigger"}, travelled=True),
        {"travelled": True, "rows": {"s.t": "(0,1)"}, "left_out": {"s.u": "a trigger"}},
    ),
    (Restored("ab", 2, 7), {"sha256": "ab", "tables": 2, "rows": 7}),
    (FileRun("1.sql", "ab"), {"contract": "1.sql", "sha256": "ab"}),
    (
        Deferral(DeferredNote(("a",), ("b",), {"1.sql": FileWaits("ab", {3: "why"})})),
        {
            "deferred": {
                "files": ["a"],
                "contract": ["b"],
                "waiting": {"1.sql": {"sha256": "ab", "statements": {"3": "why"}}},
            }
        },
    ),
    (
        Expanded((Expansion("s.t.n", "column", ("s", "t", "n"), "ALTER"),)),
        {
            "expanded": [
                {
                    "name": "s.t.n",
                    "kind": "column",
                    "parts": ["s", "t", "n"],
                    "statement": "ALTER",
                    "undo": "",
                }
            ]
        },
    ),
    (Filled(7, "ab"), {"rows": 7, "digest": "ab"}),
    (
        StreamNote("stopped", tables=(("s", "t"),)),
        {"stream": "stopped", "tables": [["s", "t"]]},
    ),
    (StreamNote("started", replaced=()), {"stream": "started", "replaced": []}),
    (Filed("/c.json", "ab", ""), {"file": "/c.json", "hash": "ab", "trouble": ""}),
    (
        LeftBehind((("s", "t", None), ("s", "u", 3))),
        {"left_behind": [["s", "t", None], ["s", "u", 3]]},
    ),
    (Noted("ab"), {"print": "ab"}),
    (SchemaCopied(3, ("view s.v",)), {"tables": 3, "left_out": ["view s.v"]}),
    (ViewsFilled(("s.a",), ("s.b",)), {"views": ["s.a"], "empty": ["s.b"]}),
    (KeysLookedAt({"a": 1}), {"accepted_orphans": {"a": 1}}),
    (
        Proved("r", 60.0, "ab", {Side.BLUE: AT}, "7 rows"),
        {
            "route": "r",
            "lasts_s": 60.0,
            "of": "ab",
            "made": {"blue": "2026-05-04T01:02:03.000456+00:00"},
            "summary": "7 rows",
        },
    ),
    (
        RowsCompared("7 rows", (TableCompared("s.t", 7, "0f", 1, 0.5),), WITNESS),
        {
            "summary": "7 rows",
            "tables": [
                {
                    "table": "s.t",
                    "rows": 7,
                    "checksum": "0f",
                    "looked_again": 1,
                    "seconds": 0.5,
                }
            ],
            "witness": STORED_WITNESS,
        },
    ),
    (
        BackupProof(
            Path("/a"),
            Path("/b"),
            Side.BLUE,
            ("s.t",),
            1,
            2,
            "ab",
            "0/1",
            "2024-01-02T03:04:05.678Z",
            "18.4",
            "18.3",
            Source("i", "7600", 5, 1),
            {"s.t": "3:ff"},
        ),
        {
            "path": "/a",
            "toc": "/b",
            "side": "blue",
            "tables": ["s.t"],
            "held": 1,
            "bytes": 2,
            "sha256": "ab",
            "lsn": "0/1",
            "taken_at": "2024-01-02T03:04:05.678Z",
            "server": "18.4",
            "tool": "18.3",
            "source": SOURCE,
            "contents": {"s.t": "3:ff"},
            "toc_sha256": "",
        },
    ),
    (
        Stored("ab", "s3://b/k", 7, "cd", "v", "e", "c=", "eu-1", "", ("age1x",)),
        {
            "archive": "ab",
            "where": "s3://b/k",
            "bytes": 7,
            "sha256": "cd",
            "version": "v",
            "etag": "e",
            "checksum": "c=",
            "region": "eu-1",
            "endpoint": "",
            "recipients": ["age1x"],
        },
    ),
]


@pytest.mark.parametrize(("value", "stored"), STORED, ids=lambda v: type(v).__name__)
def test_a_body_is_stored_as_ever_and_read_back(
    value: Body, stored: dict[str, Any]
) -> None:
    assert value.as_body() == json.loads(json.dumps(value.as_body())) == stored
    assert type(value).from_body(stored) == value
    assert type(value).from_body({**stored, "of_a_newer_version": [1]}) == value


def test_every_body_is_in_the_table() -> None:
    def below(kind: type[Body]) -> Iterator[type[Body]]:
        yield kind
        for one in kind.__subclasses__():
            yield from below(one)

    # By name: a dataclass with slots is made twice.
    ours = {f"{one.__module__}.{one.__name__}" for one in below(Body)}
    asked = (
        Body,
        bodies.Certified,
        bodies.Monitored,
        Bound,
        Witness,
        TableCompared,
        Kept,
        Before,
    )
    held = {*asked, *(type(value) for value, _ in STORED)}
    assert ours == {f"{one.__module__}.{one.__name__}" for one in held}


@pytest.mark.parametrize(
    ("kind", "stored", "error"),
    [
        (bodies.Pausing, {}, KeyError),
        (bodies.Pausing, {"to": "red"}, ValueError),
        (bodies.Committed, COMMITTING, KeyError),
        (bodies.WindowOpened, {"until": "tomorrow"}, ValueError),
        (LeftBehind, {"left_behind": [["s", "t"]]}, ValueError),
    ],
    ids=str,
)
def test_a_body_of_another_form_is_never_a_guess(
    kind: type[Body], stored: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        kind.from_body(stored)


def test_what_an_earlier_version_did_not_write_has_its_default() -> None:
    old = {"side": "blue", "started": "1", "stream": "2"}
    assert Witness.from_body(old) == Witness(Side.BLUE, "1", "2")
    assert Bound.from_body({"made": ["s.t_2026"], "route": None}) == Bound()


def test_a_time_keeps_its_moment() -> None:
    there = AT.astimezone(timezone(timedelta(hours=2)))
    body = bodies.WindowOpened(there).as_body()
    assert bodies.WindowOpened.from_body(body).until == AT
