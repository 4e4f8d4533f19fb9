"""Samples, the memory of a whole run, and the budget: what a run of tests rests on."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

import pytest

from tests import plugin
from tests.kit.budget import find_over_budget
from tests.kit.resuming import ROOT, add_passed, begin, digest_of_code, read_passed
from tests.kit.sampling import sample, size

NUMBERS = range(100)


@pytest.fixture
def seeded(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("SEED", "4711")
    monkeypatch.delenv("TESTS", raising=False)
    return monkeypatch


class TestSample:
    def test_it_keeps_order_count_and_what_is_always_in(
        self, seeded: pytest.MonkeyPatch
    ) -> None:
        kept = sample(NUMBERS, 5, always=[3, 99])
        assert len(kept) == 5
        assert kept == sorted(kept)
        assert {3, 99} <= set(kept)

    def test_each_stratum_has_its_share(self, seeded: pytest.MonkeyPatch) -> None:
        kept = sample(NUMBERS, 2, stratum=lambda n: n % 10)
        assert len(kept) == 20
        assert {n % 10 for n in kept} == set(range(10))

    def test_one_seed_gives_one_sample_and_another_another(
        self, seeded: pytest.MonkeyPatch
    ) -> None:
        first = sample(NUMBERS, 5)
        assert sample(NUMBERS, 5) == first
        seeded.setenv("SEED", "4712")
        assert sample(NUMBERS, 5) != first

    def test_a_whole_run_leaves_nothing_out(self, seeded: pytest.MonkeyPatch) -> None:
        seeded.setenv("TESTS", "all")
        assert sample(NUMBERS, 5) == list(NUMBERS)
        assert size(sampled=1, whole=9) == 9

    def test_more_than_there_is_is_all(self, seeded: pytest.MonkeyPatch) -> None:
        assert sample([1, 2], 5, always=[2]) == [1, 2]


@dataclass
class Item:
    nodeid: str
    is_always: bool = False

    def get_closest_marker(self, name: str) -> bool:
        return self.is_always and name == "always"


class TestShares:
    ITEMS = (
        *(Item(f"tests/unit/test_a.py::test_{n}") for n in range(9)),
        *(
            Item(f"tests/fault/test_b.py::test_{n}[{k}]")
            for n in range(9)
            for k in "xy"
        ),
        Item("tests/fault/test_c.py::test_0"),
        *(Item(f"tests/fault/test_d.py::test_many[{k}]") for k in range(40)),
        *(
            Item(f"tests/fault/test_b.py::test_always[{k}]", is_always=True)
            for k in range(9)
        ),
    )

    def kept(self) -> list[str]:
        items = cast(list[pytest.Item], list(self.ITEMS))
        return [one.nodeid for one in items if one.nodeid in plugin.shares(items)]

    def test_tiers_with_servers_give_a_share_of_each_file_with_some_cases(
        self, seeded: pytest.MonkeyPatch
    ) -> None:
        seeded.setattr(plugin, "SHARES", {"tests/fault/": 0.2})
        kept = self.kept()
        assert len([one for one in kept if "test_a.py" in one]) == 9
        assert "tests/fault/test_c.py::test_0" in kept
        assert len([one for one in kept if "test_always" in one]) == 9
        assert len([one for one in kept if "test_many" in one]) == plugin.MOST_CASES
        shared = {one for one in kept if "test_b.py::test_" in one and "al" not in one}
        assert 0 < len(shared) < 14
        tests = {one.partition("[")[0] for one in shared}
        assert shared == {f"{test}[{case}]" for test in tests for case in "xy"}

    def test_a_whole_run_takes_all(self, seeded: pytest.MonkeyPatch) -> None:
        seeded.setenv("TESTS", "all")
        assert len(self.kept()) == len(self.ITEMS)


class TestResume:
    def test_what_passed_is_left_out_and_other_code_begins_again(
        self, tmp_path: Path
    ) -> None:
        file = tmp_path / "passed"
        begin(file, "code", read_passed(file, "code"))
        add_passed(file, "a.py::test_one[x-1]")
        assert read_passed(file, "code") == {"a.py::test_one[x-1]"}
        assert read_passed(file, "other code") == frozenset()

    def test_the_digest_follows_the_code(self, tmp_path: Path) -> None:
        for name in ("bluegreen", "tests"):
            (tmp_path / name).mkdir()
        for name in ("pyproject.toml", "requirements.lock", "bluegreen/a.py"):
            (tmp_path / name).write_text("one")
        before = digest_of_code(tmp_path)
        (tmp_path / "bluegreen/a.py").write_text("two")
        assert digest_of_code(tmp_path) != before

    def test_pytest_goes_on_and_measures(self, tmp_path: Path) -> None:
        test = "tests/unit/test_retry.py"
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
        words += ["--resume", str(tmp_path / "passed")]
        words += ["--measure", str(tmp_path / "seconds")]
        environ = {**os.environ, "SEED": "7"}
        said = [
            subprocess.run(
                words, cwd=ROOT, env=environ, capture_output=True, text=True
            ).stdout
            for _ in range(2)
        ]
        assert " passed" in said[0]
        assert " deselected" in said[1]
        assert " passed" not in said[1]
        assert (tmp_path / "seconds").read_text().startswith("{")


class TestBudget:
    BUDGET: ClassVar = {"a": 10.0, "b": 20.0, "c": 30.0}

    def test_a_slower_machine_is_no_finding(self) -> None:
        slow = {file: 3 * seconds for file, seconds in self.BUDGET.items()}
        assert find_over_budget(slow, self.BUDGET) == []

    def test_one_file_that_grew_is(self) -> None:
        [line] = find_over_budget({**self.BUDGET, "b": 90.0}, self.BUDGET)
        assert line.startswith("b: 90 s, its budget here is 80 s")

    def test_a_new_file_that_is_not_small_is(self) -> None:
        assert find_over_budget({**self.BUDGET, "new": 5.0}, self.BUDGET) == []
        assert find_over_budget({**self.BUDGET, "new": 60.0}, self.BUDGET)
