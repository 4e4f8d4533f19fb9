"""Our command line with crash points that the environment arms.

Owns putting `tests.kit.crash` in the place where the product has an empty function. The
product itself looks at no variable: what is installed cannot be armed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.kit.crash import points

_ROOT = str(Path(__file__).parents[2])
_START = (
    f"import sys; sys.path.append({_ROOT!r}); from tests.kit.armed import main; main()"
)


def command(environ: Mapping[str, str]) -> list[str]:
    """What calls `bluegreen`; armed where that environment asks for it."""
    if any(name.startswith("BLUEGREEN_FAULT") for name in environ):
        return [sys.executable, "-P", "-c", _START]
    return [sys.executable, "-m", "bluegreen"]


def arm(environ: Mapping[str, str]) -> None:
    """Arm the crash points of this process."""
    from bluegreen.cli import context

    context.point = points(environ)


def main() -> None:
    """One call, like `python -m bluegreen`."""
    from bluegreen.cli.app import run

    arm(os.environ)
    sys.exit(run(sys.argv[1:]))
