"""The verb `hold`: a person promises rollback for longer.

Owns the words of the call. When the end may be moved is for `steps/release/window.py`;
the window is opened by the step `hold`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from bluegreen.cli.options import AsJson, PlaybookFile
from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused

EXAMPLE = (
    "Examples: bluegreen hold shop.yml --until '2026-12-03 08:00'; "
    "bluegreen hold shop.yml --for 24h"
)


def hold(
    playbook: PlaybookFile,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="The new end, in UTC unless it has an offset."
        ),
    ] = None,
    for_: Annotated[
        str | None,
        typer.Option("--for", metavar="SPAN", help="The new end, from now: 24h, 3d."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who says so; by default this user."),
    ] = None,
    json_: AsJson = False,
) -> None:
    """Promise rollback until a later time.

    Until then blue stays as it is, `rollback` works, and `decommission` is not due.
    It is never cut short: that is `decommission --now`. A window that has ended opens
    again as long as blue was not released.

    Raises:
        PlaybookRefused: 2008, no time or no later one, or there is no way back to
            promise.
        LeaseRefused: 8001 while a run goes on.
    """
    from bluegreen.cli.context import engaged, open_context
    from bluegreen.engine.writer import this_user
    from bluegreen.postgres.journal.table import server_time
    from bluegreen.report.answer import show
    from bluegreen.steps.release.window import extend

    wanted = _wanted(until, for_)
    with open_context(playbook, "hold") as open_, engaged(open_) as world:
        now = server_time(world.green)
        end = now + wanted if isinstance(wanted, timedelta) else wanted
        moved = extend(world, end, by or this_user())
    show(moved, as_json=json_)


def _wanted(until: str | None, span: str | None) -> datetime | timedelta:
    """The new end, or how far from now it is."""
    from bluegreen.model.duration import parse_duration

    if (until is None) == (span is None):
        raise _not_a_time("one of --until and --for is needed", "")
    try:
        if until is None:
            return parse_duration(span or "")
        at = datetime.fromisoformat(until.strip())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        which = "--for is no span of time" if until is None else "--until is no time"
        raise _not_a_time(which, until or span or "") from None


def _not_a_time(problem: str, seen: str) -> PlaybookRefused:
    return PlaybookRefused(
        Code.CALL_NOT_VALID,
        problem,
        seen=repr(seen) if seen else "",
        wanted="--until '2026-12-03 08:00' (UTC), or --for 24h",
    )
