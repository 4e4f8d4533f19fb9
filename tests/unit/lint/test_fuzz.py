"""Mangled SQL: never a traceback, and every fault has a line and a column.

`BLUEGREEN_FUZZ` sets how many inputs each test makes, `SEED` where chance
begins; the defaults keep CI quick. `BLUEGREEN_FUZZ=10000` takes some minutes.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bluegreen.lint.config import Config
from bluegreen.lint.engine import check
from bluegreen.lint.fix import fixed
from bluegreen.lint.registry import RULES
from bluegreen.report import lint_github, lint_json, lint_junit, lint_sarif, lint_text
from bluegreen.sql.source import read
from tests.kit.sampling import get_seed

COUNT = int(os.environ.get("BLUEGREEN_FUZZ", "300"))
SEED = get_seed()
# A slow machine judges ten a second, checks and shrinking included.
SECONDS = 300 + COUNT // 10
CASES = Path(__file__).parents[2] / "cases"
SEEDS = sorted(
    {text for r in RULES.values() for text in (r.bad, r.good, r.known)}
    | {
        case["sql"]
        for case in json.loads((CASES / "lint" / "effects.json").read_text("utf-8"))[
            "cases"
        ]
    }
    | {
        "".join(case.get("green_migration", ""))
        for case in json.loads((CASES / "replication.json").read_text("utf-8"))
    }
)
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
        f.id in ("syntax-error", "not-utf8", "psql-meta-command")
        for f in [*report.findings, *report.files[0].ignored]
    )
    for renderer in (lint_github, lint_json, lint_junit, lint_sarif, lint_text):
        assert renderer.render(report) is not None
    fixed(source.text, report.findings)


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


def broken(chance: random.Random) -> bytes:
    """Some SQL with bytes changed, lost, doubled and swapped."""
    content = bytearray("\n".join(chance.sample(SEEDS, 2)).encode("utf-8", "replace"))
    for _ in range(chance.randrange(1, 8)):
        at = chance.randrange(len(content) + 1)
        end = min(len(content), at + chance.randrange(1, 30))
        match chance.randrange(5):
            case 0:
                content[at:at] = chance.randbytes(chance.randrange(1, 4))
            case 1:
                del content[at:end]
            case 2:
                content[at:at] = content[at:end]
            case 3:
                content[at:end] = content[at:end][::-1]
            case _:
                content[at:at] = chance.choice(SCRAPS).encode("utf-8", "replace")
    return bytes(content)


@pytest.mark.timeout(SECONDS)
def test_broken_bytes_are_judged_without_a_traceback() -> None:
    chance = random.Random(SEED)
    for _ in range(COUNT):
        content = broken(chance)
        try:
            look(content)
        except Exception as error:
            raise AssertionError(f"SEED={SEED}: {content!r}") from error
