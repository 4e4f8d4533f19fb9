"""pytest's options of our own: what a run samples, remembers and measures.

Loaded by `tests/conftest.py`. Owns the hooks; what they do is in `tests/kit`.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from pathlib import Path

import pytest

from tests.kit import resuming
from tests.kit.sampling import get_seed, is_whole, sample

SHARES = {"tests/integration/": 0.12, "tests/e2e/": 0.12, "tests/fault/": 0.1}
"""Of the tests of each file with servers, how many a run of whole folders takes."""

MOST_CASES = 4
"""Of each of these tests, unless it is marked `always` or `together`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Both name a file that the controlling process writes."""
    group = parser.getgroup("bluegreen")
    group.addoption("--resume", metavar="FILE", help="leave out what passed before")
    group.addoption("--measure", metavar="FILE", help="write seconds per test file")


def pytest_configure(config: pytest.Config) -> None:
    """The seed is drawn before workers start, so that all draw the same samples."""
    get_seed()
    for marker in (
        "sampled(keep): a run takes so many of the test's cases",
        "always: every run takes the test, whatever the share of its tier",
        "together: its cases share one journey, so a run takes all of them or none",
    ):
        config.addinivalue_line("markers", marker)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Notes(config), "bluegreen-notes")


def pytest_report_header() -> str:
    """What repeats this run."""
    size = "all cases" if is_whole() else "a sample of the cases"
    return f"bluegreen: {size}, SEED={get_seed()}"


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out what no sample has, and what `--resume` knows to have passed."""
    if not any("[" in word for word in config.args):
        _keep(config, items, _sampled(items))
    if all(Path(word).is_dir() for word in config.args):
        _keep(config, items, shares(items))
    if name := config.getoption("--resume"):
        passed = resuming.read_passed(Path(name), resuming.digest_of_code())
        _keep(config, items, {i.nodeid for i in items if i.nodeid not in passed})


def _sampled(items: list[pytest.Item]) -> set[str]:
    """The ids to run: of each marked test so many cases, of the others all."""
    cases: dict[tuple[str, int], list[str]] = defaultdict(list)
    for item in items:
        marker = item.get_closest_marker("sampled")
        keep = marker.args[0] if marker else 0
        cases[item.nodeid.partition("[")[0], keep].append(item.nodeid)
    return {
        case
        for (_, keep), ids in cases.items()
        for case in (sample(ids, keep) if keep else ids)
    }


def shares(items: list[pytest.Item]) -> set[str]:
    """The ids of each file's share of tests, at least one of each file."""
    cases: dict[str, dict[str, list[pytest.Item]]] = defaultdict(dict)
    for item in items:
        file, _, test = item.nodeid.partition("::")
        cases[file].setdefault(test.partition("[")[0], []).append(item)
    return {
        item.nodeid for file, tests in cases.items() for item in _share(file, tests)
    }


def _share(file: str, tests: dict[str, list[pytest.Item]]) -> list[pytest.Item]:
    tier = next((t for t in SHARES if file.startswith(t)), None)
    if tier is None:
        return [item for items in tests.values() for item in items]
    always = [t for t, items in tests.items() if items[0].get_closest_marker("always")]
    kept = sample(tests, math.ceil(len(tests) * SHARES[tier]), always=always)
    return [item for test in kept for item in _cases(tests[test])]


def _cases(items: list[pytest.Item]) -> list[pytest.Item]:
    if any(items[0].get_closest_marker(word) for word in ("always", "together")):
        return items
    return sample(items, MOST_CASES)


def _keep(config: pytest.Config, items: list[pytest.Item], ids: set[str]) -> None:
    config.hook.pytest_deselected(items=[i for i in items if i.nodeid not in ids])
    items[:] = [item for item in items if item.nodeid in ids]


class _Notes:
    """Writes the two files as results come in."""

    def __init__(self, config: pytest.Config) -> None:
        self._resume = config.getoption("--resume")
        self._measure = config.getoption("--measure")
        self._seconds: dict[str, float] = defaultdict(float)

    def pytest_sessionstart(self) -> None:
        if self._resume:
            file, code = Path(self._resume), resuming.digest_of_code()
            resuming.begin(file, code, resuming.read_passed(file, code))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid.partition("::")[0]] += report.duration
        if self._resume and report.when == "call" and report.passed:
            resuming.add_passed(Path(self._resume), report.nodeid)

    def pytest_sessionfinish(self) -> None:
        if self._measure:
            seconds = {file: round(s, 1) for file, s in sorted(self._seconds.items())}
            Path(self._measure).write_text(json.dumps(seconds, indent=1) + "\n")
