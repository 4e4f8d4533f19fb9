"""A DNS record as a pointer, at a real knot: read, compared, set, and refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bluegreen.lab.server import Server
from bluegreen.model.errors import BluegreenError, StepError, TrafficUnknownError
from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.pointers.all_poolers import move_all
from bluegreen.pointers.handover import of_spec, require_guardable, spec_of
from bluegreen.pointers.names.values import Held
from tests.kit.nameserver import RECORD, SECRET, ZONE, Knot

VALUES = {Side.BLUE: ("127.0.0.11",), Side.GREEN: ("127.0.0.12",)}
LINES = (
    "db 30 A 127.0.0.11",
    "long 3600 A 127.0.0.11",
    "foreign A 127.0.0.9",
    "both A 127.0.0.11",
    "both A 127.0.0.12",
    "alias CNAME blue",
    "blue A 127.0.0.11",
    "green A 127.0.0.12",
)


@pytest.fixture
def knot(lab_folder: Path) -> Iterator[Knot]:
    with Knot.start(lab_folder / "knot", LINES) as running:
        yield running


def test_it_names_the_side_that_it_was_told_again_and_again(knot: Knot) -> None:
    pointer = knot.pointer(VALUES)
    for side in (Side.GREEN, Side.GREEN, Side.BLUE):
        pointer.move(side)
        facts = pointer.observe()
        assert (facts.names, facts.paused) == (side, False)
        assert facts.seen == VALUES[side][0]
    assert pointer.read().ttl_s == 30
    pointer.move(Side.GREEN)
    knot.stop()
    knot.start_again()
    assert pointer.observe().names is Side.GREEN


def test_a_guard_opens_the_same_pointer(knot: Knot) -> None:
    pointer = require_guardable(knot.pointer(VALUES))
    other = of_spec(spec_of(pointer))
    other.move(Side.GREEN)
    assert pointer.observe().names is Side.GREEN


def test_a_record_that_was_changed_in_between_is_not_overwritten(knot: Knot) -> None:
    pointer = knot.pointer(VALUES)
    held = pointer.read()
    pointer.move(Side.GREEN)
    with pytest.raises(StepError) as caught:
        pointer.replace(held, Held(("127.0.0.13",), 30))
    assert str(caught.value) == (
        f"error BG-4009: pointer name: record {RECORD}. A holds another value than was "
        "read\n"
        "  seen:    127.0.0.12 (NXRRSET)\n"
        "  wanted:  127.0.0.11, as neither side's value is overwritten unseen\n"
        "  hint:    who else writes this record? Stop that, then run again"
    )
    assert pointer.observe().names is Side.GREEN


@pytest.mark.parametrize("name", ["foreign", "both"])
def test_what_is_of_neither_side_is_left_alone(lab_folder: Path, name: str) -> None:
    record = f"{name}.{ZONE}"
    with Knot.start(lab_folder / "knot", LINES, only=record) as knot:
        pointer = knot.pointer(VALUES, name=record)
        before = pointer.read()
        assert pointer.observe().names is None
        with pytest.raises(TrafficUnknownError) as caught:
            move_all([pointer], Side.GREEN)
        assert caught.value.hint.endswith(
            f"update delete {record}. A; update add {record}. 60 A 127.0.0.12; send"
        )
        assert pointer.read() == before
        assert [f.id for f in pointer.check() if f.is_blocking] == [
            "record-names-neither"
        ]


def test_what_was_staged_and_changed_is_told_before_the_pause(knot: Knot) -> None:
    pointer, other = knot.pointer(VALUES), knot.pointer(VALUES)
    pointer.stage(Side.GREEN)
    pointer.require_unchanged()
    other.set_ttl(timedelta(seconds=7))
    with pytest.raises(StepError) as caught:
        pointer.require_unchanged()
    assert caught.value.code == 4011
    assert caught.value.seen == "127.0.0.11, TTL 7 s"


@pytest.mark.parametrize(
    ("words", "code", "seen"),
    [
        ({"key_secret": Secret("aGVsbG8=")}, 3008, "didn't like the signature"),
        ({"key": "other"}, 3008, "didn't know the key"),
        ({"key": None}, 3008, "NOTAUTH"),
        ({"name": f"long.{ZONE}"}, 3008, "didn't know the key"),
        ({"name": f"absent.{ZONE}"}, 3007, "gives nothing"),
        ({"name": f"alias.{ZONE}"}, 3007, f"gives CNAME blue.{ZONE}."),
        ({"name": "db.elsewhere.test"}, 3001, "REFUSED"),
        ({"server": "127.0.0.1@1"}, 3001, "timed out"),
        ({"server": "nowhere.invalid"}, 3001, "not known"),
        ({"key_secret": Secret("no base64!")}, 2003, ""),
    ],
)
def test_what_stands_in_the_way_is_found_beforehand(
    knot: Knot, words: dict[str, object], code: int, seen: str
) -> None:
    pointer = knot.pointer(VALUES, **words)
    with pytest.raises(BluegreenError) as caught:
        pointer.prove(Side.GREEN)
    assert (caught.value.code, seen in caught.value.seen) == (code, True), caught.value
    assert SECRET not in str(caught.value)
    assert f"name-{code}" in [f.id for f in pointer.check() if f.is_blocking]
    assert knot.pointer(VALUES).read() == Held(("127.0.0.11",), 30)


def test_a_server_that_cannot_store_is_found_by_a_real_change(
    lab_folder: Path,
) -> None:
    with Knot.start(lab_folder / "knot", LINES, stores=False) as knot:
        pointer = knot.pointer(VALUES)
        held = pointer.read()
        # What changes nothing is taken all the same.
        pointer.replace(held, held)
        with pytest.raises(StepError) as caught:
            pointer.prove(Side.GREEN)
        assert (caught.value.code, caught.value.seen) == (4009, "SERVFAIL")
        assert "name-4009" in [f.id for f in pointer.check() if f.is_blocking]


def test_every_server_must_follow(
    knot: Knot, lab_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bluegreen.pointers.dns.pointer.CONFIRM_S", 0.3)
    with Knot.start(lab_folder / "late", LINES) as late:
        pointer = knot.pointer(
            VALUES, authorities=(knot.at, late.at), resolvers=(late.at,)
        )
        assert not [f for f in pointer.check() if f.is_blocking]
        with pytest.raises(StepError) as caught:
            pointer.move(Side.GREEN)
        assert caught.value.seen == f"{late.at} gives 127.0.0.11"
        found = {f.id: f for f in pointer.check()}
        assert found["name-servers-differ"].is_blocking
        assert not found["resolver-differs"].is_blocking
        late.stop()
        gone = {f.id: f.seen for f in pointer.check()}["name-servers-differ"]
        assert gone.startswith(f"{late.at} gives nothing (")
        late.start_again()
        late.pointer(VALUES).move(Side.GREEN)
        pointer.move(Side.GREEN)
        assert "name-servers-differ" not in [f.id for f in pointer.check()]


def test_a_long_ttl_blocks_unless_the_cutover_lowers_it(lab_folder: Path) -> None:
    record = f"long.{ZONE}"
    with Knot.start(lab_folder / "knot", LINES, only=record) as knot:
        for lower, blocking in ((False, ["ttl-too-long"]), (True, [])):
            pointer = knot.pointer(VALUES, name=record, lower_ttl=lower)
            assert [f.id for f in pointer.check() if f.is_blocking] == blocking
        assert pointer.set_ttl(pointer.max_ttl).ttl_s == 3600
        assert pointer.read() == Held(("127.0.0.11",), 60)


def test_a_name_that_leads_to_a_name(lab_folder: Path) -> None:
    record = f"alias.{ZONE}"
    values = {Side.BLUE: (f"BLUE.{ZONE}",), Side.GREEN: (f"green.{ZONE}.",)}
    with Knot.start(lab_folder / "knot", LINES, only=record) as knot:
        pointer = knot.pointer(values, name=record, type="CNAME", resolvers=(knot.at,))
        assert not [f for f in pointer.check() if f.is_blocking]
        assert pointer.look_up(record) == "127.0.0.11"
        pointer.move(Side.GREEN)
        assert pointer.observe().names is Side.GREEN
        assert pointer.look_up(record) == "127.0.0.12"
        assert pointer.look_up("another.host") == ""
        assert pointer.address_of(f"blue.{ZONE}.") == "127.0.0.11"


def test_the_servers_of_the_zone_are_asked_where_none_is_named(knot: Knot) -> None:
    pointer = knot.pointer(VALUES, authorities=())
    (found,) = [f for f in pointer.check() if f.is_blocking]
    # Its NS is 127.0.0.1, where nothing listens on port 53.
    assert found.id == "name-servers-differ"
    assert found.seen.startswith("127.0.0.1 gives nothing (")


def test_a_client_is_tried_at_the_other_sides_address(
    knot: Knot, servers: object, lab_folder: Path
) -> None:
    with Server.start(18, lab_folder / "pg") as server:
        dsn = f"host={RECORD} port={server.port} user=postgres sslmode=disable"
        here = {Side.BLUE: ("127.0.0.11",), Side.GREEN: ("127.0.0.1",)}
        pointer = knot.pointer(here, client=dsn, resolvers=(knot.at,))
        pointer.rehearse(Side.GREEN)
        with pytest.raises(BluegreenError) as caught:
            pointer.rehearse(Side.BLUE)
        assert caught.value.problem == (
            "pointer name: a client is not served at blue's address"
        )
        found = [f for f in pointer.check() if f.is_blocking]
        assert [f.id for f in found] == ["name-login"]
        pointer.move(Side.GREEN)
        assert [f.id for f in pointer.check() if f.is_blocking] == ["name-login"]
        pointer.leave_out_client()
        assert pointer.probe() == ""
        assert not [f for f in pointer.check() if f.is_blocking]
