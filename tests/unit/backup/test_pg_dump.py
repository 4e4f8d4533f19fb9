"""What is asked of pg_dump and how its lists are read: pure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bluegreen.backups import store
from bluegreen.backups.pg_dump import (
    _changed,
    dump_words,
    missing_rows,
    restore_list,
)
from bluegreen.backups.proof import BackupProof, Source
from bluegreen.model.errors import StepError
from bluegreen.model.side import Side
from bluegreen.postgres.copy.exported_snapshot import Snapshot

LISTING = """;
; Archive created at 2024-01-01
;
215; 1259 16386 TABLE public orders postgres
3338; 0 16386 TABLE DATA public orders postgres
3339; 0 16390 TABLE DATA public two words some owner
3195; 2620 16500 TRIGGER public orders bluegreen_fence postgres
3196; 2620 16501 TRIGGER public orders theirs bluegreen_fence postgres
"""
SNAPSHOT = Snapshot(
    id="00000003-1",
    lsn="0/1",
    taken_at="2024-01-02T03:04:05.678Z",
    server="16.1",
    major=16,
    tables={16386: "public.orders"},
    patterns=('"public"."orders"',),
    ours=frozenset(),
)


def test_ours_is_left_out_by_oid_and_nothing_else() -> None:
    lines = restore_list(LISTING, frozenset({(2620, 16500)})).splitlines()
    assert [line for line in lines if line.startswith(";3")] == [
        ";3195; 2620 16500 TRIGGER public orders bluegreen_fence postgres"
    ]
    assert len(lines) == len(LISTING.splitlines())
    assert restore_list(LISTING, frozenset()) == LISTING


def test_a_name_with_a_line_of_its_own_in_it_is_no_entry() -> None:
    odd = "7; 2618 77 TABLE DATA public odd\u20281; 2620 16500 owner\n"
    assert restore_list(odd, frozenset({(2620, 16500)})) == odd


def test_a_table_without_its_rows_is_named() -> None:
    assert missing_rows({16386: "a", 16390: "b"}, LISTING) == []
    assert missing_rows({16386: "a", 1: "z", 2: "c"}, LISTING) == ["c", "z"]
    assert missing_rows({215: "number of the entry"}, LISTING) != []


def test_words_never_hold_a_password_and_name_the_snapshot() -> None:
    words = dump_words(Path("/b/.x.part"), SNAPSHOT, only_tables=False, workers=4)
    assert "--snapshot=00000003-1" in words
    assert "--no-subscriptions" in words
    assert "--format=directory" in words
    assert "--jobs=4" in words
    assert not [word for word in words if word.startswith("--table")]
    words = dump_words(Path("/b/.x.part"), SNAPSHOT, only_tables=True, workers=1)
    assert "--format=custom" in words
    assert '--table="public"."orders"' in words


def test_the_name_holds_the_time_of_the_snapshot() -> None:
    assert SNAPSHOT.stamp == "20240102T030405.678Z"


def test_changed_members_are_named() -> None:
    was = "aa  1.dat\nbb  2.dat\ncc  3.dat\n"
    assert _changed(was, "aa  1.dat\nbx  2.dat\ndd  4.dat\n") == (
        "2.dat has changed; 3.dat is missing; 4.dat was added"
    )
    assert _changed(was, was) == "its list of checksums has changed"


def test_a_record_of_another_form_is_an_error() -> None:
    with pytest.raises(StepError) as caught:
        BackupProof.from_result({"path": "/x"})
    assert caught.value.code == 4002


def test_a_record_may_hold_more_than_the_proof() -> None:
    proof = BackupProof(
        Path("/a"),
        Path("/b"),
        Side.BLUE,
        ("t",),
        1,
        2,
        "ab",
        "0/1",
        "t",
        "16",
        "18",
        TAKEN_OF,
    )
    assert BackupProof.from_result({**proof.as_result(), "seconds": 2}) == proof


TAKEN_OF = Source("id-1", "7000000000000000001", 16384, 1)


@pytest.mark.parametrize(
    ("then", "now", "says"),
    [
        (TAKEN_OF, TAKEN_OF, ""),
        (Source(), TAKEN_OF, "an older bluegreen took it"),
        (TAKEN_OF, replace(TAKEN_OF, system="7000000000000000002"), "of system 7000"),
        (TAKEN_OF, replace(TAKEN_OF, database=5), "and database 5 of system"),
        (TAKEN_OF, replace(TAKEN_OF, identity="id-2"), "id-1, and id-2 answers"),
        (TAKEN_OF, replace(TAKEN_OF, identity=""), "id-1, and none answers"),
        (TAKEN_OF, replace(TAKEN_OF, timeline=2), "on timeline 1, and the server is"),
    ],
)
def test_a_proof_ends_with_the_database_that_it_was_taken_of(
    then: Source, now: Source, says: str
) -> None:
    change = then.find_change(now)
    assert says in change
    assert bool(change) is bool(says)


def test_a_record_of_before_has_no_source() -> None:
    body = BackupProof(
        Path("/a"), Path("/b"), Side.BLUE, (), 1, 2, "ab", "0/1", "t", "16", "18"
    ).as_result()
    del body["source"]
    assert BackupProof.from_result(body).source == Source()


def test_a_left_over_draft_is_removed_and_a_named_one_stays(tmp_path: Path) -> None:
    (tmp_path / ".b.part").mkdir()
    (tmp_path / ".b.part" / "1.dat").write_text("half")
    with store.open_draft(tmp_path, "b") as (draft, _):
        assert not draft.exists()
        draft.write_text("whole")
        store.give_name(draft, tmp_path / "b.dump")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".b.lock", "b.dump"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StepError) as caught,
        store.open_draft(tmp_path / "file" / "x", "b"),
    ):
        pass
    assert str(caught.value) == (
        "error BG-4002: the folder for backups cannot be used\n"
        f"  seen:    {tmp_path}/file/x: Not a directory\n"
        "  wanted:  a folder that we may write\n"
        "  hint:    make it, or name another one in the step's `to`"
    )
