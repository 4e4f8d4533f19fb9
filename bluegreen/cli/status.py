"""The verb `status`: what is true now. Owns the words of the call and looking again."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from bluegreen.cli.options import AsJson, PlaybookFile
from bluegreen.model.codes import Code

if TYPE_CHECKING:
    from bluegreen.engine.status import Status
    from bluegreen.model.errors import PlaybookRefused
    from bluegreen.steps.world import World

EXAMPLE = "Example: bluegreen status shop.yml"

LOOK_EVERY_S = 2.0
"""Soon enough for a person; four short queries a side each time."""


def status(
    playbook: PlaybookFile,
    monitor: Annotated[
        bool, typer.Option("--watch", help="Look again every two seconds.")
    ] = False,
    prometheus: Annotated[
        bool,
        typer.Option("--prometheus", help="Print metrics for Prometheus' collectors."),
    ] = False,
    json_: AsJson = False,
) -> int:
    """Show which side serves, and the state of both sides, pointers and streams.

    Everything is asked of the servers now, and every monitor looks; a heartbeat is sent
    along the stream to see that it lives. What cannot be confirmed is listed, and the
    exit status is then 7: stop and look.

    Raises:
        PlaybookRefused: 2001 to 2005, 2008.
    """
    if prometheus and (monitor or json_):
        raise _two_forms()
    from bluegreen.cli.context import open_context
    from bluegreen.engine.ask_status import look

    with open_context(playbook, "status") as open_:
        if monitor:
            return _watch(open_.world, json_=json_)
        seen = look(open_.world, beat=True)
        if prometheus:
            from bluegreen.report.prometheus import show_metrics

            show_metrics(seen)
        else:
            from bluegreen.report.answer import show

            show(seen, as_json=json_)
    return _exit_status(seen)


def _watch(world: World, *, json_: bool) -> int:
    """Look again and again, until a person has seen enough; that is no error."""
    from bluegreen.engine.ask_status import look
    from bluegreen.report.answer import shown_again

    seen: Status | None = None
    with suppress(KeyboardInterrupt), shown_again(as_json=json_) as show:
        while True:
            seen = look(world, beat=True)
            show(seen)
            time.sleep(LOOK_EVERY_S)
    return _exit_status(seen)


def _exit_status(seen: Status | None) -> int:
    return 7 if seen and seen.doubts else 0


def _two_forms() -> PlaybookRefused:
    from bluegreen.model.errors import PlaybookRefused

    return PlaybookRefused(
        Code.CALL_NOT_VALID,
        "--prometheus stands alone",
        wanted="`bluegreen status PLAYBOOK --prometheus`, without --watch and --json",
        hint="for a collector, start it again and again from a timer",
    )
