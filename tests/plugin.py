"""pytest's options of our own: what a run samples, remembers and measures.

Loaded by `tests/conftest.py`. Owns the hooks; what they do is in `tests/kit`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from tests.kit import resuming
from tests.kit.sampling import get_seed, is_whole


def pytest_addoption(parser: pytest.Parser) -> None:
    """Both name a file that the controlling process writes."""
    group = parser.getgroup("bluegreen")
    group.addoption("--resume", metavar="FILE", help="leave out what passed before")
    group.addoption("--measure", metavar="FILE", help="write seconds per test file")


def pytest_configure(config: pytest.Config) -> None:
    """The seed is drawn before workers start, so that all draw the same samples."""
    get_seed()
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Notes(config), "bluegreen-notes")


def pytest_report_header() -> str:
    """What repeats this run."""
    size = "all cases" if is_whole() else "a sample of the cases"
    return f"bluegreen: {size}, SEED={get_seed()}"


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out what `--resume` knows to have passed."""
    if not (name := config.getoption("--resume")):
        return
    passed = resuming.read_passed(Path(name), resuming.digest_of_code())
    config.hook.pytest_deselected(items=[i for i in items if i.nodeid in passed])
    items[:] = [item for item in items if item.nodeid not in passed]


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
