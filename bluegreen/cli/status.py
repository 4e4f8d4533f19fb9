"""The verb `status`: what is true now. Owns the words of the call and looking again."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from bluegreen.cli.options import AsJson, PlaybookFile
from bluegreen.model.codes import Code

if TYPE_CHECKING:
    from collections.abc import Callable

    from bluegreen.engine.status import Status
    from bluegreen.model.errors import PlaybookRefused

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
    show = _shower(prometheus=prometheus, json_=json_)
    from bluegreen.cli.context import open_context
    from bluegreen.engine.ask_status import look
    from bluegreen.report.screen import clear

    with open_context(playbook, "status") as open_:
        seen: Status | None = None
        # Leaving a watch is no error.
        with suppress(*([KeyboardInterrupt] if monitor else [])):
            while seen is None or monitor:
                if seen is not None:
                    time.sleep(LOOK_EVERY_S)
                seen = look(open_.world, beat=True)
                if monitor and not json_:
                    clear()
                show(seen)
        return 7 if seen and seen.doubts else 0


def _shower(*, prometheus: bool, json_: bool) -> Callable[[Status], None]:
    if prometheus:
        from bluegreen.report.prometheus import show_metrics

        return show_metrics
    from bluegreen.report.answer import show

    return lambda seen: show(seen, as_json=json_)


def _two_forms() -> PlaybookRefused:
    from bluegreen.model.errors import PlaybookRefused

    return PlaybookRefused(
        Code.CALL_NOT_VALID,
        "--prometheus stands alone",
        wanted="`bluegreen status PLAYBOOK --prometheus`, without --watch and --json",
        hint="for a collector, start it again and again from a timer",
    )
