"""Put one bug after the other into a copy of our code; each must make a test fail.

    python -m tests.mutants [WORD]

WORD chooses the bugs whose names hold it. Prints a table; exit status 1 when a bug
lives, or when a test fails without any.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tests.mutants.bug import Bug
from tests.mutants.bugs import BUGS

HERE = Path(__file__).parents[2]
PARTS = ("bluegreen", "tests")
FILES = ("pyproject.toml", "README.md")
TESTS_FAILED = 1
"""pytest's exit status; others mean that the tests did not run."""


def copy_to(root: Path) -> Path:
    """A copy of the code and its tests, to be spoilt."""
    for part in PARTS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(HERE / part, root / part, ignore=ignored)
    for name in FILES:
        shutil.copy(HERE / name, root / name)
    return root


def run_tests(root: Path, tests: Iterable[str]) -> tuple[int, list[str]]:
    """pytest's exit status and the lines that name what failed."""
    # A sample of cases may lack the one that is to find the bug.
    environ = {**os.environ, "PYTHONPATH": str(root), "TESTS": "all"}
    where = [sys.executable, "-c", "import bluegreen; print(bluegreen.__file__)"]
    used = subprocess.run(
        where, cwd=root, env=environ, capture_output=True, text=True, check=True
    ).stdout
    assert used.startswith(str(root)), f"the tests would try {used}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-rfE", "--tb=no", *tests],
        cwd=root,
        env=environ,
        capture_output=True,
        text=True,
    )
    lines = [x for x in done.stdout.splitlines() if x.startswith(("FAILED", "ERROR"))]
    return done.returncode, lines or done.stdout.splitlines()[-3:]


def try_bug(root: Path, bug: Bug) -> tuple[bool, str]:
    """Whether it was found, and by what."""
    for edit in bug.edits:
        edit.apply(root)
    status, lines = run_tests(root, bug.tests)
    found = status == TESTS_FAILED and lines[0].startswith("FAILED")
    return found, lines[0].removeprefix("FAILED ") if lines else f"status {status}"


def main(words: list[str]) -> int:
    """Try all bugs whose names hold every word."""
    chosen = [bug for bug in BUGS if all(word in bug.name for word in words)]
    alive = 0
    with tempfile.TemporaryDirectory(prefix="bluegreen-mutants-") as folder:
        clean = copy_to(Path(folder) / "clean")
        status, lines = run_tests(clean, sorted({t for b in chosen for t in b.tests}))
        if status:
            print("the tests fail without any bug:", *lines, sep="\n")
            return 1
        for number, bug in enumerate(chosen):
            begun = time.monotonic()
            found, by = try_bug(copy_to(Path(folder) / str(number)), bug)
            alive += not found
            seconds = time.monotonic() - begun
            what = "found" if found else "LIVES"
            print(f"{what}  {seconds:5.0f} s  {bug.name}\n{'':15}{by}", flush=True)
    print(f"{len(chosen)} bugs, {alive} of them live")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
