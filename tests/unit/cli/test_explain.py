"""`bluegreen explain`: every id has a page, in a checkout and in the wheel."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bluegreen.cli.explain import meant, plain
from bluegreen.cli.findings import PAGE, page
from bluegreen.cli.manual import KINDS, Entry, about, docs_folder, entries, section
from bluegreen.lint.registry import RULES
from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused
from bluegreen.model.hazard import Hazard
from bluegreen.steps.monitors.every import MONITORS

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
KNOWN = entries((ROOT / PAGE).read_text())


def call(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bluegreen", "explain", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "80", **environ},
        cwd=environ.get("PYTHONPATH"),
        timeout=60,
    )


def of(kind: str) -> set[str]:
    return {one.id for one in KNOWN if one.kind == kind}


def test_the_page_is_what_the_code_says() -> None:
    told = "out of date: run `python -m bluegreen.cli.findings`"
    assert (ROOT / PAGE).read_text() == page(DOCS), told


def test_the_page_has_every_id() -> None:
    assert of("error code") == {f"BG-{code}" for code in Code}
    assert of("lint rule") == set(RULES)
    assert of("monitor") == {monitor.id for monitor in MONITORS}
    assert of("hazard") == set(Hazard)
    assert {one.kind for one in KNOWN} == set(KINDS.values())


def test_the_page_has_every_check_of_a_pointer() -> None:
    """The checks of the servers are held against their page in `preflight/`."""
    named = set()
    for path in (ROOT / "bluegreen" / "pointers").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "checked":
                named |= {a.value for a in node.args[:1] if isinstance(a, ast.Constant)}
    assert named
    assert named <= of("check of PgBouncer")


@pytest.mark.parametrize("entry", KNOWN, ids=lambda one: f"{one.kind}-{one.id}")
def test_an_id_has_something_to_read(entry: Entry) -> None:
    told = about(entry, (DOCS / entry.page).read_text())
    assert len(told) > 20, told
    assert "| `" not in told or entry.kind == "monitor"
    for line in plain(told, 80):
        assert len(line) <= 80 or line.startswith("    ")
        assert "](" not in line


@pytest.mark.parametrize(
    ("word", "ids"),
    [
        ("5001", ["BG-5001"]),
        ("bg-5001", ["BG-5001"]),
        (" BG-70001 ", ["BG-70001"]),
        ("stops_writes", ["STOPS_WRITES"]),
        ("wal-level", ["wal-level"]),
        ("wal_level", ["wal-level"]),
        ("sequences", ["sequences", "sequences"]),
    ],
)
def test_an_id_is_found_however_it_is_written(word: str, ids: list[str]) -> None:
    assert [one.id for one in meant(word, KNOWN)] == ids


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("set-notnull", "did you mean set-not-null"),
        ("4103", "did you mean BG-4"),
        ("xyzzy", f"all of them are in {docs_folder() / 'findings.md'}"),
    ],
)
def test_an_unknown_id_is_refused_with_the_nearest(word: str, hint: str) -> None:
    with pytest.raises(PlaybookRefused) as refused:
        meant(word, KNOWN)
    assert refused.value.code == 2008
    assert refused.value.hint.startswith(hint)


def test_the_whole_text_of_a_refusal() -> None:
    done = call("set-notnull")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error BG-2008: there is no id 'set-notnull'\n"
        "  wanted:  an error code, or the name of a check, a monitor, a lint rule or a "
        "hazard\n"
        "  hint:    did you mean set-not-null or drop-not-null or domain-not-null?\n"
    )


def test_a_page_on_a_narrow_terminal() -> None:
    done = call("wal-level")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:3] == ["wal-level (preflight check)", "", "side: both"]
    assert lines[-1] == str(DOCS / "steps" / "check.md")


def test_a_page_as_json() -> None:
    [told] = json.loads(call("5001", "--json").stdout)
    assert (told["id"], told["kind"]) == ("BG-5001", "error code")
    assert told["page"] == "docs/errors.md#bg-5001"
    assert told["text"].startswith("*the pause ran over its budget.*")


def test_a_section_ends_where_the_next_begins() -> None:
    text = "# A\n\n## B b\n\none\n\n```\n## C\n```\n\n### D\n\ntwo\n\n## E\n\nthree\n"
    assert section(text, "b-b").endswith("### D\n\ntwo")
    assert section(text, "d") == "### D\n\ntwo"


def test_text_keeps_code_and_drops_signs() -> None:
    text = (
        "# T\n\nA *b* **c** [d](e.md)\nf_g 2*3.\n\n```sql\nSELECT  1\n```\n\n- x\n- y"
    )
    assert list(plain(text, 80)) == [
        "T",
        "",
        "A b c d f_g 2*3.",
        "",
        "    SELECT  1",
        "",
        "- x",
        "- y",
    ]


def test_the_wheel_brings_the_pages(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        check=True,
        capture_output=True,
        cwd=ROOT,
        timeout=120,
    )
    [wheel] = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    done = call("BG-7001", PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("BG-7001 (error code)\n")
    assert done.stdout.splitlines()[-1] == f"{site}/bluegreen/docs/errors.md"
