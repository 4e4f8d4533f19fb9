"""How soon help is there, as a multiple of starting Python for nothing.

Run it: `python -m tests.bench.bench_startup`. It prints one line a call and ends with 1
when one is above its limit. Processor time of the child counts, the best of many, with
compiled modules: so a busy machine changes the ratio little.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile

ROUNDS = 15
LIMIT = 10.0
"""The aim is 8; the rest is for a machine with other work."""
CALLS = (
    ("--help",),
    ("--version",),
    ("run", "--help"),
    ("status", "--help"),
    ("rollback", "--help"),
)


def processor_s(args: list[str], environ: dict[str, str]) -> float:
    """Processor seconds of the cheapest of all rounds."""
    return min(_once(args, environ) for _ in range(ROUNDS))


def _once(args: list[str], environ: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(args, env=environ, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def main() -> int:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as compiled:
        environ = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        nothing = processor_s([sys.executable, "-c", "pass"], environ)
        print(f"{'python -c pass':<28} {nothing * 1000:6.0f} ms")
        worst = 0.0
        for call in CALLS:
            took = processor_s([sys.executable, "-m", "bluegreen", *call], environ)
            worst = max(worst, took / nothing)
            name = " ".join(("bluegreen", *call))
            print(f"{name:<28} {took * 1000:6.0f} ms  {took / nothing:4.1f}x")
    print(f"worst {worst:.1f}x, limit {LIMIT:.0f}x")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
