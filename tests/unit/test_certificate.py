"""The certificate as a value: form, hash, drawing up; no change goes unseen."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bluegreen.cli.verify import against_journal
from bluegreen.model.certificate import (
    Certificate,
    SideToldOf,
    differences,
    file_name,
    hash_of,
    journal_digest,
    read_certificate,
    text_of,
)
from bluegreen.model.errors import BudgetError, StepError
from bluegreen.model.history import fold
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.steps.switchover.certify import find_place
from bluegreen.steps.switchover.draw_up import draw_up, lacking
from bluegreen.steps.switchover.switchover import Budget

T0 = datetime(2026, 5, 4, 1, 2, 3, 456, tzinfo=UTC)
MARKER = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
NAME = "shop"
IDENTITIES = {"blue": "b-1", "green": "g-1"}
SIDES = {
    side: SideToldOf(
        identity=IDENTITIES[side],
        system=f"76000000000000000{number}",
        database="shop",
        server_version="18.4",
    )
    for number, side in enumerate(Side)
}
TABLES = [
    {"table": "public.orders", "rows": 2000, "checksum": "1cacaf7e286a6bb2"},
    {"table": "public.notes", "rows": 0, "checksum": "0" * 16},
]
MOVED = {
    "to": "green",
    "pause_ms": 61.9,
    "parts_ms": {"pause": 5.9, "fence": 46.4, "commit": 9.6},
    "longest_gap_ms": 74.3,
    "client_errors": ["57P01"],
    "pointers": ["main", "second"],
    "sequence_values": [["public", "a", 7, True], ["Odd", "b.c", -9, False]],
}
COMMITTED = {
    "to": "green",
    "identities": IDENTITIES,
    "fence_position": "0/189B220",
    "origin_position": "16/B374D848",
    "marker": MARKER,
}


def story(**changes: Any) -> list[Record]:
    """A cutover, as the journal tells it; `moved=…` and the like change its bodies."""
    run = {"playbook": NAME, "digest": "0123456789ab"}
    told: list[tuple[Kind, str, dict[str, Any]]] = [
        (Kind.RUN_STARTED, "", run),
        (Kind.RESULT, "validate/compare_rows", {"tables": TABLES}),
        (Kind.PAUSING, "cutover/switch_traffic", {"to": "green"}),
        (Kind.COMMITTED, "cutover/switch_traffic", {**COMMITTED}),
        (Kind.MOVED, "cutover/switch_traffic", changes.get("moved", MOVED)),
        (Kind.RESULT, "cutover/switch_traffic", {}),
        (Kind.WAY_BACK_OPEN, "cutover/start_reverse_stream", {"marker_s": 0.045}),
    ]
    epoch, records = 0, []
    for seq, (kind, action, body) in enumerate(told, start=1):
        epoch += kind is Kind.COMMITTED
        at = T0 + timedelta(seconds=seq)
        records.append(Record(seq, at, kind, epoch, "r-1", action, body, "ann@db1 8"))
    return records


def drawn(records: list[Record] | None = None) -> Certificate:
    certificate = draw_up(NAME, records or story(), 1, SIDES)
    assert certificate is not None
    return certificate


def certified(certificate: Certificate) -> list[Record]:
    """The story with the certificate kept in it."""
    records = story()
    at = T0 + timedelta(seconds=99)
    seq, body = len(records) + 1, certificate.content()
    kept = Record(seq, at, Kind.CERTIFIED, 1, "r-1", "cutover/write_certificate", body)
    return [*records, kept]


def read(content: Any) -> Certificate:
    return read_certificate(text_of(content).encode(), "file.json")


def sealed(content: dict[str, Any]) -> dict[str, Any]:
    """As a forger leaves it: with a hash that fits."""
    return {**content, "hash": hash_of(content)}


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list) and value:
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            yield from leaves(value[key], (*path, key))
    else:
        yield path


def other(value: Any) -> Any:
    """The same type, as little changed as can be."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return round(value + 0.1, 3)
        case None:
            return 0
        case str():
            return value[:-1] + ("1" if value[-1:] != "1" else "2")
    return ["x"]


def changed(content: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    copy = deepcopy(content)
    place: Any = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = other(place[path[-1]])
    return copy


CONTENT = drawn().content()
PATHS = list(leaves(CONTENT))


def test_it_says_what_the_journal_tells() -> None:
    told = dict(CONTENT)
    assert told.pop("hash") == hash_of(CONTENT)
    assert told == {
        "format": 1,
        "kind": "cutover",
        "playbook": "shop",
        "playbook_digest": "0123456789ab",
        "run": "r-1",
        "epoch": 1,
        "from": "blue",
        "to": "green",
        "sides": {str(k): v.model_dump() for k, v in SIDES.items()},
        "pointers": ["main", "second"],
        "fence_position": "0/189B220",
        "marker": MARKER,
        "origin_position": "16/B374D848",
        "sequences": {
            "public.a": {"last": 7, "called": True},
            '"Odd"."b.c"': {"last": -9, "called": False},
        },
        "broken_keys": None,
        "left_behind": None,
        "left_out": None,
        "rows": {
            "action": "validate/compare_rows",
            "run": "r-1",
            "at": "2026-05-04T01:02:05.000456Z",
            "counted_on": "blue",
            "tables": {
                "public.orders": {"rows": 2000, "checksum": "1cacaf7e286a6bb2"},
                "public.notes": {"rows": 0, "checksum": "0000000000000000"},
            },
        },
        "pause": {
            "total_ms": 61.9,
            "parts_ms": {"pause": 5.9, "fence": 46.4, "commit": 9.6},
            "longest_gap_ms": 74.3,
            "client_errors": ["57P01"],
        },
        "times": {
            "begun": "2026-05-04T01:02:06.000456Z",
            "committed": "2026-05-04T01:02:07.000456Z",
            "moved": "2026-05-04T01:02:08.000456Z",
            "way_back_open": "2026-05-04T01:02:10.000456Z",
        },
        "way_back_marker_s": 0.045,
        "journal": {"records": 5, "sha256": journal_digest(story()[:5])},
    }


def test_a_move_that_was_finished_by_another_run_says_what_is_not_known() -> None:
    told = drawn(story(moved={"to": "green", "pointers": ["main"]})).content()
    assert told["sequences"] is None
    assert told["pause"] == {
        "total_ms": None,
        "parts_ms": {},
        "longest_gap_ms": None,
        "client_errors": None,
    }
    assert read(told).content() == told


@pytest.mark.parametrize("kind", [Kind.COMMITTED, Kind.MOVED, Kind.WAY_BACK_OPEN])
def test_an_unfinished_move_has_none(kind: Kind) -> None:
    records = [record for record in story() if record.kind is not kind]
    assert draw_up(NAME, records, 1, SIDES) is None


def test_a_move_that_was_undone_before_it_was_seen_says_so() -> None:
    """A rollback needs no pointer's word of the move that it undoes."""
    records = [record for record in story() if record.kind is not Kind.MOVED]
    undone = replace(records[3], seq=9, epoch=2, body={**COMMITTED, "to": "blue"})
    told = drawn([*records, undone]).content()
    assert told["times"]["moved"] is None
    assert (told["pointers"], told["sequences"]) == ([], None)
    assert told["journal"]["records"] == 7
    assert read(told).content() == told


def test_rows_that_another_epoch_proved_are_not_in_it() -> None:
    records = story()
    records[1] = replace(records[1], epoch=-1)
    assert drawn(records).rows is None


def test_rows_after_the_move_are_not_in_it() -> None:
    records = story()
    records[1], records[5] = (
        replace(records[1], action="x/y"),
        replace(records[5], action="validate/compare_rows", body={"tables": TABLES}),
    )
    assert drawn(records).rows is None


def test_counts_have_no_checksum() -> None:
    records = story()
    tables = [{"table": "public.orders", "rows": 3, "checksum": ""}]
    records[1] = replace(records[1], body={"tables": tables})
    rows = drawn(records).rows
    assert rows is not None
    assert rows.tables["public.orders"].checksum is None


def test_the_time_zone_of_a_session_does_not_matter() -> None:
    there = timezone(timedelta(hours=5, minutes=30))
    records = [replace(r, at=r.at.astimezone(there)) for r in story()]
    assert drawn(records) == drawn()


def test_reading_back_gives_the_same_after_a_way_through_jsonb() -> None:
    # jsonb keeps neither the order of keys nor their spacing.
    stored = json.loads(json.dumps(CONTENT))
    assert text_of(dict(reversed(stored.items()))) == text_of(CONTENT)
    assert read(stored) == drawn()


@pytest.mark.parametrize("path", PATHS, ids=lambda p: ".".join(map(str, p)))
def test_a_change_of_one_value_is_seen(path: tuple[Any, ...]) -> None:
    with pytest.raises(StepError) as caught:
        read(changed(CONTENT, path))
    assert caught.value.code == 4008


@pytest.mark.parametrize("path", PATHS, ids=lambda p: ".".join(map(str, p)))
def test_a_change_with_a_new_hash_is_seen_by_the_journal(path: tuple[Any, ...]) -> None:
    records = certified(drawn())
    assert against_journal(drawn(), NAME, records) == []
    if path == ("hash",):
        return
    with suppress(StepError):
        # Where the form itself forbids the value there is nothing left to compare.
        assert against_journal(read(sealed(changed(CONTENT, path))), NAME, records)


calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@calm
@given(st.data())
def test_a_change_of_one_character_is_seen_or_changes_nothing(data: Any) -> None:
    text = text_of(CONTENT)
    place = data.draw(st.integers(0, len(text) - 1))
    put = data.draw(st.sampled_from([*'0123456789abcdefxE.-+{}[]",: \n\\', "", "é"]))
    mine = text[:place] + put + text[place + 1 :]
    with suppress(StepError):
        read_certificate(mine.encode(), "file.json")
        assert json.loads(mine) == CONTENT


@calm
@given(st.integers(0, len(text_of(CONTENT)) - 3))
def test_a_file_that_was_cut_short_is_none(length: int) -> None:
    with pytest.raises(StepError):
        read_certificate(text_of(CONTENT)[:length].encode(), "file.json")


@calm
@given(st.binary(max_size=60))
@example(b"")
@example(b"\xff\xfe")
@example(b"[" * 100_000)
@example(b'{"hash": "\\ud800"}')
@example(b'{"epoch": 1e999}')
@example(b'{"epoch": ' + b"9" * 5000 + b"}")
def test_whatever_is_no_certificate_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(StepError) as caught:
        read_certificate(data, "file.json")
    assert caught.value.problem == "file.json is no certificate that this version reads"


def test_a_key_that_stands_twice_is_refused() -> None:
    text = text_of(CONTENT).replace('"epoch": 1,', '"epoch": 2, "epoch": 1,')
    with pytest.raises(StepError) as caught:
        read_certificate(text.encode(), "file.json")
    assert caught.value.seen == "a key stands twice in it"


def test_the_refusal_of_a_changed_certificate() -> None:
    content = {**CONTENT, "epoch": 2}
    with pytest.raises(StepError) as caught:
        read(content)
    assert str(caught.value) == (
        "error BG-4008: file.json was changed after it was written\n"
        f"  seen:    its content has the hash {hash_of(content)}\n"
        f"  wanted:  {CONTENT['hash']}, as it says itself\n"
        "  hint:    the journal in both databases holds the true one: delete the file "
        "and run `bluegreen run` again, or look at `bluegreen journal --json`"
    )


def test_the_refusal_of_another_form_names_each_fault() -> None:
    content = {**CONTENT, "format": 0, "new": 1}
    del content["run"]
    with pytest.raises(StepError) as caught:
        read(content)
    assert str(caught.value) == (
        "error BG-4008: file.json is no certificate that this version reads\n"
        "  seen:    format: Input should be 1\n"
        "           run: Field required\n"
        "           new: Extra inputs are not permitted\n"
        "  wanted:  a certificate of format 1, whole and unchanged\n"
        "  hint:    is it the right file? Was it cut short or edited? The journal in "
        "both databases holds the true one"
    )


NEWER = (
    "error BG-4008: file.json cannot be judged by this version\n"
    "  seen:    {}\n"
    "  wanted:  a certificate of format 1 without any other field\n"
    "  hint:    nothing is said of whether it holds: verify it with the bluegreen that "
    "wrote it, or a newer one"
)


def newly_hashed(**more: Any) -> dict[str, Any]:
    content = {**CONTENT, **more}
    return {**content, "hash": hash_of(content)}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            newly_hashed(new=1),
            NEWER.format("fields that this version does not know: new"),
        ),
        (
            newly_hashed(new=1, pause={**CONTENT["pause"], "more": 2}),
            NEWER.format("fields that this version does not know: pause.more, new"),
        ),
        ({**CONTENT, "format": 2, "new": 1}, NEWER.format("format 2")),
        # Not hashed in: whoever added it is not the one who wrote the rest.
        ({**CONTENT, "new": 1}, "error BG-4008: file.json is no certificate"),
        (newly_hashed(new=1, epoch=0), "error BG-4008: file.json is no certificate"),
        (
            {**newly_hashed(new=1), "epoch": 2},
            "error BG-4008: file.json is no certificate",
        ),
    ],
)
def test_what_a_newer_version_wrote_is_neither_valid_nor_forged(
    content: dict[str, Any], says: str
) -> None:
    with pytest.raises(StepError) as caught:
        read(content)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("field", ["run", "action", "writer", "at", "body"])
def test_any_record_it_rests_on_that_was_changed_is_seen(
    number: int, field: str
) -> None:
    records = certified(drawn())
    one = records[number]
    values: dict[str, Any] = {
        "run": one.run + "x",
        "action": one.action + "x",
        "writer": one.writer + "x",
        "at": one.at + timedelta(microseconds=1),
        "body": {**one.body, "x": 1},
    }
    records[number] = replace(one, **{field: values[field]})
    assert any(
        line.startswith("journal.sha256: by its records ")
        for line in against_journal(drawn(), NAME, records)
    )


def test_a_journal_that_was_cut_short_is_seen() -> None:
    records = certified(drawn())
    assert against_journal(drawn(), NAME, records[:4]) == [
        "it ends at record 4; the certificate rests on 5"
    ]
    assert against_journal(drawn(), NAME, records[:6]) == [
        "it tells of no finished move with epoch 1"
    ]
    assert against_journal(drawn(), NAME, records[:7]) == [
        "it holds no certificate of epoch 1"
    ]


def test_records_behind_it_do_not_matter() -> None:
    records = certified(drawn())
    note = Record(9, T0, Kind.NOTE, 1, "r-2", body={"x": 1})
    assert against_journal(drawn(), NAME, [*records, note]) == []


def test_a_kept_certificate_that_was_changed_is_seen() -> None:
    records = certified(drawn())
    records[-1] = replace(records[-1], body={**records[-1].body, "run": "r-9"})
    assert against_journal(drawn(), NAME, records) == [
        "the certificate that it holds was changed after it was written"
    ]


def test_records_of_something_else_are_no_error_of_ours() -> None:
    records = certified(drawn())
    records[3] = replace(records[3], body={"to": "green"})
    assert against_journal(drawn(), NAME, records) == [
        "its records are not those of a move"
    ]


def test_what_differs_is_named_with_both_values() -> None:
    forged = read(sealed({**CONTENT, "epoch": 1, "run": "r-9"}))
    assert against_journal(forged, NAME, certified(drawn())) == [
        'run: by its records "r-1", the certificate "r-9"',
        'run: as it holds it "r-1", the certificate "r-9"',
    ]


def test_the_state_holds_certificates_by_epoch() -> None:
    records = certified(drawn())
    assert fold(records).certificates == {1: records[-1]}
    assert fold(story()).certificates == {}


def test_every_move_between_these_two_needs_one() -> None:
    assert lacking(story(), SIDES) == [1]
    assert lacking(certified(drawn()), SIDES) == []
    again = {
        **SIDES,
        Side.GREEN: SIDES[Side.GREEN].model_copy(update={"identity": "x"}),
    }
    assert lacking(story(), again) == []


def test_a_file_of_the_same_name_is_never_overwritten(tmp_path: Path) -> None:
    plain = tmp_path / "shop-epoch-1-cutover.json"
    assert file_name(CONTENT) == plain.name
    assert find_place(tmp_path / "absent", CONTENT)[1] is False
    assert find_place(tmp_path, CONTENT) == (plain, False)
    plain.write_text(text_of(CONTENT))
    assert find_place(tmp_path, CONTENT) == (plain, True)
    plain.write_bytes("another pair's, é".encode())
    beside = tmp_path / f"shop-epoch-1-cutover-{CONTENT['hash'][:8]}.json"
    assert find_place(tmp_path, CONTENT) == (beside, False)
    beside.write_text(text_of(CONTENT))
    assert find_place(tmp_path, CONTENT) == (beside, True)


class Steps:
    """A clock that goes on by a second each time it is looked at."""

    now = 0.0

    def monotonic(self) -> float:
        self.now += 1
        return self.now

    def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


def test_the_parts_of_a_pause_are_all_of_it() -> None:
    clock = Steps()
    budget = Budget(clock, timedelta(seconds=2.5))
    budget.start()
    began = clock.now
    budget.done("pause")
    budget.done("fence")
    budget.mark("commit")
    budget.mark("pointer")
    assert list(budget.parts_s) == ["pause", "fence", "commit", "pointer"]
    assert sum(budget.parts_s.values()) == clock.now - began
    with pytest.raises(BudgetError):
        budget.done("late")


def test_the_page_tells_how_to_check_a_hash_without_us(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "certificate.md"
    [code] = re.findall(r"(?ms)^```python\n(.*?)^```", page.read_text())
    file = tmp_path / "one.json"
    for content, wanted in ((CONTENT, "True"), ({**CONTENT, "epoch": 2}, "False")):
        file.write_text(text_of(content))
        done = subprocess.run(
            [sys.executable, "-c", code, str(file)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == wanted


def test_one_from_before_a_key_was_added_still_holds() -> None:
    former = {
        k: v for k, v in CONTENT.items() if k not in {"left_behind", "left_out", "hash"}
    }
    data = text_of({**former, "hash": hash_of(former)}).encode()
    held = read_certificate(data, "former.json")
    assert held.left_behind is None
    assert differences(held, drawn(), "now") == []


def test_the_page_names_every_key() -> None:
    text = (Path(__file__).parents[2] / "docs" / "certificate.md").read_text()
    named = set(re.findall(r"`([a-z0-9_.]+)`", text))
    wanted = {
        ".".join(map(str, path))
        for path in PATHS
        if path[0] not in {"sides", "sequences", "pointers"}
        and path[:2] not in {("rows", "tables"), ("pause", "parts_ms")}
        and path[:2] != ("pause", "client_errors")
    } | {"sides", "sequences", "pointers", "rows.tables", "pause.parts_ms"}
    wanted |= {"pause.client_errors"}
    assert wanted <= named
