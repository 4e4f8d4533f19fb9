"""A migration that cannot be run is found in the first second, not behind the copy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bluegreen.lab.pooler import Pooler
from tests.fault.test_time_goes_back import shop
from tests.kit.cli import call

pytestmark = pytest.mark.timeout(600)

BAD = {
    "syntax": ("ALTER TABLE t ADD COLUM note text;", "syntax error"),
    "psql": ("\\copy t FROM 'x'\n", "psql meta-command"),
    "open transaction": ("BEGIN;\nALTER TABLE t ADD COLUMN b text;", "has no COMMIT"),
    "not text": (b"ALTER TABLE t ADD COLUMN \xff text;", "UTF-8"),
    "contract": ("-- bluegreen: contract\nALTER TABLE t DROP COLUM note;", "syntax"),
}


def test_files_that_cannot_be_run_are_all_named_before_anything_is_made(
    lab_folder: Path, pooler: Callable[..., Pooler]
) -> None:
    with shop(lab_folder, pooler) as (here, playbook):
        told = json.loads(playbook.read_text())
        told["steps"].insert(1, {"step": "migrate", "files": ["m/*.sql"]})
        playbook.write_text(json.dumps(told))
        folder = playbook.parent / "m"
        folder.mkdir()
        for number, (text, _) in enumerate(BAD.values()):
            content = text if isinstance(text, bytes) else text.encode()
            (folder / f"{number}.sql").write_bytes(content)
        for verb in ("check", "run"):
            ended = call(verb, playbook).require(2)
            for number, (_, says) in enumerate(BAD.values()):
                line = next(
                    x for x in ended.err.splitlines() if f"m/{number}.sql:" in x
                )
                assert says in line
        for one in (here.pair.blue, here.pair.green):
            assert one.value("SELECT to_regnamespace('bluegreen') IS NULL")


def test_the_marks_of_a_dump_are_passed_over(
    lab_folder: Path, pooler: Callable[..., Pooler]
) -> None:
    with shop(lab_folder, pooler) as (here, playbook):
        told = json.loads(playbook.read_text())
        told["steps"].insert(1, {"step": "migrate", "files": ["0.sql"]})
        told["accept"] = [{"id": "*", "reason": "a column of green alone"}]
        playbook.write_text(json.dumps(told))
        (playbook.parent / "0.sql").write_text(
            "\\restrict xYz1\nCREATE INDEX i ON public.t (note);\n\\unrestrict xYz1\n"
        )
        call("run", playbook).require()
        assert here.pair.green.value("SELECT to_regclass('public.i') IS NOT NULL")
