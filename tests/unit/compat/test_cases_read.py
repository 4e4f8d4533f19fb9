"""Files of cases that are not as they should be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.compat_cases import judge_all, main, summary
from tests.kit.compat_case import (
    UnreadableError,
    read_cases,
    read_what_can_be_read,
)

GOOD = {"id": "good", "green_migration": [], "outcome": {"forward": "OK"}}


def written(folder: Path, content: object) -> Path:
    path = folder / "cases.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    "bad",
    [
        7,
        None,
        "text",
        {},
        {"id": "x"},
        {"id": "x", "outcome": None},
        {"id": "x", "outcome": {}},
        {"id": "x", "outcome": {"sideways": "OK"}},
        {"id": "x", "outcome": {"forward": {"versions": [15]}}},
        {"id": "x", "outcome": {"forward": {"by_version": {"new": "OK"}}}},
        {"id": "x", "outcome": {"forward": {"status": "OK", "versions": []}}},
        {"id": "x", "outcome": {"forward": "OK"}, "green_migration": [1]},
        {"id": "x", "outcome": {"forward": "OK"}, "writes_on_blue": 5},
        {"id": "x", "outcome": {"forward": "OK"}, "min_version": "newest"},
    ],
    ids=str,
)
def test_a_bad_case_costs_nothing_but_itself(tmp_path: Path, bad: object) -> None:
    cases, unreadable = read_what_can_be_read(written(tmp_path, [bad, GOOD]))
    assert [case.id for case in cases] == ["good"]
    assert len(unreadable) == 1
    with pytest.raises(UnreadableError):
        read_cases(written(tmp_path, [bad]))


def test_absent_and_null_are_the_same(tmp_path: Path) -> None:
    raw = {**GOOD, "base_schema": None, "writes_on_blue": None, "min_version": None}
    one, two = read_cases(written(tmp_path, [raw, {**GOOD, "id": "other"}]))
    assert (one.schema, one.on_blue) == (two.schema, two.on_blue)
    assert one.outcome == {"forward": dict.fromkeys(range(13, 19), "OK")}


def test_two_cases_of_one_name_are_two(tmp_path: Path) -> None:
    cases = read_cases(written(tmp_path, [GOOD, GOOD]))
    assert [case.id for case in cases] == ["good", "good (again, case 2)"]


@pytest.mark.parametrize("content", ["{", "{}", "", "\x00"], ids=repr)
def test_a_file_that_is_no_list_ends_with_a_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    assert main([str(written(tmp_path, content)), "--trees-only"]) == 2
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["cases"], last["agree"], last["false_ok"]) == (1, 0, 0)


def test_a_bad_case_counts_as_not_agreeing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(written(tmp_path, [{"id": "x"}, GOOD])), "--trees-only"]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["cases"], last["agree"]) == (2, 1)
    assert last["unreadable"] == ["x"]


def test_a_case_for_servers_that_are_not_here_is_unknown(tmp_path: Path) -> None:
    judged = list(judge_all(read_cases(written(tmp_path, [GOOD])), {}))
    assert {one.answer for one in judged} == {"UNKNOWN"}
    assert summary(judged)["agree"] == 0
