"""A run of the small steps as a process of its own, to be killed.

`python -m tests.kit.small_run BLUE_DSN GREEN_DSN RUN [--critical]`
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack

from bluegreen.engine.interrupt import Interrupt
from bluegreen.engine.runner import Runner
from bluegreen.engine.session import engage
from bluegreen.model.errors import BluegreenError
from bluegreen.model.hazard import Hazard
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.steps.world import World
from tests.kit.crash import points
from tests.kit.small_steps import MakeShelf, Shelf


def main(blue_dsn: str, green_dsn: str, run: str, *flags: str) -> int:
    MakeShelf.critical = "--critical" in flags  # type: ignore[attr-defined]
    blue = Database(Side.BLUE, blue_dsn, label="bluegreen run")
    green = Database(Side.GREEN, green_dsn, label="bluegreen run")
    try:
        with ExitStack() as stack:
            stack.callback(blue.close)
            stack.callback(green.close)
            interrupt = stack.enter_context(Interrupt())
            held = stack.enter_context(engage(blue, green, "shop", run))
            world = World(
                name="shop",
                blue=blue,
                green=green,
                pointers=(),
                journal=held.journal,
                point=points(os.environ),
                require_lease=held.lease.require_held,
            )
            runner = Runner(
                world,
                run=run,
                allow=[Hazard.CHANGES_GREEN_SCHEMA],
                interrupt=interrupt,
            )
            ended = runner.run([Shelf()])
            print("acted:", *ended.acted, flush=True)
    except BluegreenError as error:
        print(error, file=sys.stderr, flush=True)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
