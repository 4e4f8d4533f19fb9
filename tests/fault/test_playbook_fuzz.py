"""A fuzzer's bytes and the worst that can be thought of: our refusal, soon, in bounds.

`python -m tests.fuzz.playbook` runs as long as it is told; here it runs for seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from bluegreen.model.errors import PlaybookRefused
from bluegreen.playbook.load import parse
from bluegreen.playbook.source import MAX_BYTES

SECONDS = float(os.environ.get("BLUEGREEN_FUZZ_SECONDS", "10"))
MOST_BYTES = 100 * 1024 * 1024
HEAD = b"version: 1\nname: shop\nblue: {dsn: host=a dbname=a}\n"
WORST = {
    "lists": b"[" * 200_000,
    "tables": b"{a: " * 60_000,
    "dashes": b"- " * 120_000,
    "keys": b"".join(b"k%d: 1\n" % n for n in range(24_000)),
    "same keys": b"k: 1\n" * 50_000,
    "items": HEAD + b"allow: [" + b"a," * 100_000 + b"]",
    "one word": HEAD + b"steps: " + b"x" * 200_000,
    "one key": b"x" * 200_000 + b": 1",
    "folded": HEAD + b"name: >\n" + b" a\n\n" * 60_000,
    "comments": b"#\n" * 125_000,
    "blanks": b" " * 250_000 + b"a",
    "lines": b"\n" * 250_000,
    "quotes": b"'" * 250_000,
    "escapes": b'a: "' + b"\\u0041" * 40_000 + b'"',
    "references": HEAD + b'green: {dsn: "' + b"${env:A}" * 30_000 + b'"}',
    "dollars": HEAD + b"green: {dsn: " + b"$" * 200_000 + b"}",
    "hosts": HEAD + b"green: {dsn: 'postgresql://" + b"a," * 100_000 + b"/b'}",
    "percents": HEAD + b"green: {dsn: 'postgresql://" + b"%41" * 70_000 + b"/b'}",
    "words": HEAD + b"green: {dsn: '" + b"host=a " * 35_000 + b"'}",
    "backslashes": HEAD + b"green: {dsn: 'host=" + b"\\" * 200_000 + b"'}",
    "anchors": b"".join(b"a%d: &a%d [*a%d]\n" % (n, n, n - 1) for n in range(9_000)),
    "bombs": b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]\n" * 4_000,
    "documents": b"---\n" * 60_000,
    "steps": HEAD + b"steps:\n" + b"  - step: chek\n" * 12_000,
    "steps that lack a key": HEAD + b"steps:\n" + b"  - step: migrate\n" * 4_900,
    "questions": b"? " * 120_000,
    "commas": b"{" + b"," * 240_000 + b"}",
    "pipes": b"a: |\n" + b" x\n" * 80_000,
    "wide": "ü€🐍".encode() * 28_000,
    "nul": b"\0" * 250_000,
    "latin": b"\xe9" * 250_000,
}


@pytest.mark.sampled(10)
@pytest.mark.parametrize("data", WORST.values(), ids=WORST)
def test_the_worst_is_refused_within_a_second_and_a_hundred_megabytes(
    data: bytes, tmp_path: Path
) -> None:
    assert len(data) <= MAX_BYTES + 20_000
    begun = time.process_time()
    with pytest.raises(PlaybookRefused):
        parse(data, tmp_path / "worst.yml", {"A": "a"})
    # A second on a quiet machine; processor time, and twice that, on a busy one.
    assert time.process_time() - begun < 2
    tracemalloc.start()
    try:
        with pytest.raises(PlaybookRefused) as caught:
            parse(data, tmp_path / "worst.yml", {"A": "a"})
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 4_000, "a person must be able to read it"


@pytest.mark.timeout(SECONDS * 4 + 120)
@pytest.mark.parametrize("way", [(), ("--plain",)], ids=["guided", "plain"])
def test_a_fuzzer_finds_nothing_but_our_refusal(
    way: tuple[str, ...], tmp_path: Path
) -> None:
    words = ["-m", "tests.fuzz.playbook", f"--seconds={SECONDS}", *way]
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    broken = [path.read_bytes() for path in tmp_path.glob("broken*")]
    assert (ended.returncode, broken) == (0, []), ended.stdout + ended.stderr
    figures = json.loads(ended.stdout.splitlines()[-1])
    assert figures["inputs"] > 300, figures
    assert list(tmp_path.iterdir()) == []
