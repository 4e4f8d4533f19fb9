"""How long `bluegreen lint` takes beside squawk, in one run: read the ratio.

    python -m tests.bench.bench_lint [files] [rounds]

Both lint the same files from a cold process, as they are installed: their usual rules,
one line a finding, to nobody, exit status 1 where something is
found. Squawk has more to say on these files, ours follows them as one history. Rounds
alternate, the median counts. Byte code is cached as after any installation, by a first
run that does not count. On a busy machine read the CPU time.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SQUAWK = Path(sys.executable).with_name("squawk")
OURS = [sys.executable, "-m", "bluegreen", "lint", "--format", "github"]
# A release's file, and a generated one of about 20 kB.
SMALL = (
    "SET lock_timeout = '2s';\n"
    "ALTER TABLE note_{n} ADD COLUMN body text NOT NULL DEFAULT '';\n"
    "CREATE INDEX CONCURRENTLY note_{n}_body ON note_{n} (body);\n"
)
LARGE = (
    "CREATE TABLE t{n}_{i} (id bigint PRIMARY KEY, a text NOT NULL, b int DEFAULT 4, "
    "c timestamptz DEFAULT now());\n"
    "CREATE INDEX t{n}_{i}_a ON t{n}_{i} (a);\n"
    "ALTER TABLE old_{m}_{i} ADD COLUMN c{n} text;\n"
    "ALTER TABLE old_{m}_{i} ADD CONSTRAINT k{n} CHECK (c{n} <> '') NOT VALID;\n"
)
PARTS = 60


def seconds(command: list[str], cache: Path) -> tuple[float, float]:
    """Wall and CPU time of a process that may end with findings, not with a fault."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(cache)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start, before = time.perf_counter(), os.times()
    done = subprocess.run(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert done.returncode in (0, 1), done.stderr.decode()
    wall, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system
    return wall, cpu - before.children_user - before.children_system


def compare(folder: Path, rounds: int) -> list[tuple[float, float]]:
    """Medians of squawk and of ours, for wall and for CPU time."""
    files = [str(path) for path in sorted(folder.glob("*.sql"))]
    cache = folder.parent / "bytecode"
    seconds([*OURS, files[0]], cache)
    theirs, ours = [], []
    for _ in range(rounds):
        theirs.append(seconds([str(SQUAWK), "--reporter", "gcc", *files], cache))
        ours.append(seconds([*OURS, str(folder)], cache))
    return [
        (statistics.median(theirs), statistics.median(ours))
        for theirs, ours in zip(
            zip(*theirs, strict=True), zip(*ours, strict=True), strict=True
        )
    ]


def main(count: int = 1000, rounds: int = 3) -> None:
    """Print one line for each size of file."""
    with tempfile.TemporaryDirectory() as place:
        for name, part, parts in (("small", SMALL, 1), ("large", LARGE, PARTS)):
            folder = Path(place, name)
            folder.mkdir()
            for n in range(count):
                text = "".join(part.format(n=n, m=n // 20, i=i) for i in range(parts))
                (folder / f"{n:05}.sql").write_text(text)
            size = sum(path.stat().st_size for path in folder.iterdir()) / count
            print(f"{count} {name} files of {size / 1000:.1f} kB")
            for clock, pair in zip(
                ("wall", "CPU"), compare(folder, rounds), strict=True
            ):
                theirs, ours = pair
                print(
                    f"  {clock:<4} squawk {theirs:.2f} s, bluegreen {ours:.2f} s, "
                    f"ratio {ours / theirs:.1f}"
                )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
