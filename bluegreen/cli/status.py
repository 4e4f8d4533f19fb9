"""The verb `status`: what is true now. Owns the words of the call and looking again."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from bluegreen.cli.words import AsJson, PlaybookFile

EXAMPLE = "Example: bluegreen status shop.yml --watch"

LOOK_EVERY_S = 2.0
"""Soon enough for a person; four short queries a side each time."""


def status(
    playbook: PlaybookFile,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every two seconds.")
    ] = False,
    json_: AsJson = False,
) -> int:
    """Tell which side serves, how both sides, pointers and streams stand.

    Everything is asked of the servers now. What cannot be confirmed is said, and the
    exit status is then 7: stop and look.

    Raises:
        PlaybookRefused: 2001 to 2005.
    """
    from bluegreen.cli.opened import opened
    from bluegreen.engine.look import look
    from bluegreen.report.results import show
    from bluegreen.report.screen import clear

    with opened(playbook, "status") as open_:
        while True:
            seen = look(open_.world)
            if watch and not json_:
                clear()
            show(seen, as_json=json_)
            if not watch:
                return 7 if seen.doubts else 0
            time.sleep(LOOK_EVERY_S)
