"""Mangled SQL: never a traceback, and every fault has a line and a column.

`BLUEGREEN_FUZZ` sets how many inputs; the default keeps CI quick.
"""

from __future__ import annotations

import os
import pickle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bluegreen.lint.config import Config
from bluegreen.lint.engine import check
from bluegreen.lint.mend import mended
from bluegreen.lint.pool import pack, unpack
from bluegreen.lint.registry import RULES
from bluegreen.lint.source import read
from bluegreen.report import lint_github, lint_json, lint_junit, lint_sarif, lint_text

COUNT = int(os.environ.get("BLUEGREEN_FUZZ", "300"))
# A slow machine judges ten a second, checks and shrinking included.
SECONDS = 300 + COUNT // 10
SEEDS = sorted({text for r in RULES.values() for text in (r.bad, r.good, r.known)})
SCRAPS = [
    *("'", '"', "$$", "/*", "*/", "--", ";", "(", ")", "\\c x", "\0", "é", "漢", "\n"),
    *("BEGIN;", "COMMIT;", " NOT VALID", " CONCURRENTLY", "-- bluegreen: ignore "),
    *("U&'\\", "E'\\x", "CASCADE", " USING ", "DO $$ BEGIN ", "\\.", "\ufeff", "\r\n"),
    *(" ALTER TABLE t ", " DEFAULT ", " CHECK (", "::", "[]", "-1", "\udcff"),
]


@st.composite
def mangled(draw: st.DrawFn) -> str:
    text = "\n".join(draw(st.lists(st.sampled_from(SEEDS), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(text)))
        match draw(st.integers(0, 3)):
            case 0:
                text = text[:at] + draw(st.sampled_from(SCRAPS)) + text[at:]
            case 1:
                text = text[:at] + text[at + draw(st.integers(1, 12)) :]
            case 2:
                text = text[:at] + draw(st.text(max_size=4)) + text[at:]
            case 3:
                end = min(len(text), at + draw(st.integers(1, 40)))
                text = text[:end] + text[at:]
    return text


def look(content: str | bytes) -> None:
    source = read("f.sql", content)
    report = check([source], Config(enable=("all",)), explain=True)
    lines = source.text.count("\n") + 1
    for finding in report.findings:
        assert 1 <= finding.line <= lines
        width = len(source.line_text(finding.line))
        assert 1 <= finding.column <= width + 2
        assert finding.length >= 1
    unread = any(p.fault != "copy-data" for p in source.problems)
    assert unread == any(
        f.rule in ("syntax-error", "not-utf8", "psql-meta-command")
        for f in [*report.findings, *report.files[0].ignored]
    )
    for renderer in (lint_github, lint_json, lint_junit, lint_sarif, lint_text):
        assert renderer.render(report) is not None
    mended(source.text, report.findings)
    elsewhere = unpack(
        pickle.loads(pickle.dumps(pack(("f.sql", source.text.encode()))))
    )
    assert check([elsewhere], Config(enable=("all",)), explain=True) == check(
        [read("f.sql", source.text)], Config(enable=("all",)), explain=True
    )


@pytest.mark.timeout(SECONDS)
@settings(max_examples=COUNT, deadline=None, suppress_health_check=list(HealthCheck))
@given(mangled())
def test_mangled_sql_is_judged_without_a_traceback(text: str) -> None:
    look(text)


@pytest.mark.timeout(SECONDS)
@settings(max_examples=COUNT, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(st.text(), st.binary()))
def test_noise_is_judged_without_a_traceback(content: str | bytes) -> None:
    look(content)
