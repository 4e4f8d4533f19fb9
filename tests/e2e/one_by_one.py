"""Each schema change alone through the command line: `python -m tests.e2e.one_by_one`.

    python -m tests.e2e.one_by_one [--blue MAJOR] [--green MAJOR] [ROW ...]

What the tests make all at once is made here one after the other, with a pair of
databases, a pooler and a playbook for each, so that no change hides what the judge
says of another. Half a minute for each; ends with 1 where one failed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bluegreen.lab.pooler import Pooler
from bluegreen.lab.server import Server
from tests.e2e.changes import CHANGES
from tests.kit.arena import open_arena
from tests.kit.databases import DatabasePair, create_database, drop_databases
from tests.kit.schema_change import Change
from tests.kit.schema_journey import require_kept, through_the_cli


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--blue", type=int, default=16)
    parser.add_argument("--green", type=int, default=18)
    parser.add_argument("rows", nargs="*", help="how rows begin; all where none")
    given = parser.parse_args()
    chosen = [
        change
        for change in CHANGES
        if given.blue in change.majors
        and (not given.rows or change.row.startswith(tuple(given.rows)))
    ]
    root = Path(tempfile.mkdtemp(prefix="bluegreen-lab-"))
    root.chmod(0o755)
    try:
        with ExitStack() as stack:
            blue, green = (
                stack.enter_context(Server.start(major, root / side))
                for side, major in (("blue", given.blue), ("green", given.green))
            )
            return tell_all(blue, green, root, chosen)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def tell_all(blue: Server, green: Server, root: Path, changes: Sequence[Change]) -> int:
    """Make one change after the other; 1 where one failed, else 0."""
    failed = []
    for change in changes:
        started, said = time.monotonic(), "ok"
        try:
            make(blue, green, root, change)
        except AssertionError as error:
            failed.append(change.row)
            said = f"FAILED\n{error}"
        print(f"{change.row}: {said} ({time.monotonic() - started:.0f} s)", flush=True)
    print(f"{len(changes) - len(failed)} of {len(changes)} passed")
    return 1 if failed else 0


def make(blue: Server, green: Server, root: Path, change: Change) -> None:
    """There and back with one change alone.

    Raises:
        AssertionError: a call of the command line failed, or rows were lost.
    """
    with ExitStack() as stack:

        def pooler(databases: Any, **words: Any) -> Pooler:
            folder = Path(tempfile.mkdtemp(dir=root))
            folder.chmod(0o755)
            return stack.enter_context(Pooler.start(folder, databases, **words))

        pair = DatabasePair(
            create_database(blue, "blue"), create_database(green, "green")
        )
        stack.callback(drop_databases, pair.blue, pair.green)
        here = stack.enter_context(open_arena(pair, pooler))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        require_kept(through_the_cli(here, folder, [change]), change)


if __name__ == "__main__":
    sys.exit(main())
