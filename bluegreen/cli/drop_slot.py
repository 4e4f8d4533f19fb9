"""The verb `drop-slot`: give up the side that does not serve, before a disk is full.

Owns the words of the call. What it does is in `engine/drop_slot.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bluegreen.cli.options import AsJson, PlaybookFile
from bluegreen.model.hazard import Hazard

if TYPE_CHECKING:
    from bluegreen.cli.context import Context
    from bluegreen.engine.drop_slot import Abandoned

EXAMPLE = (
    "Examples: bluegreen drop-slot shop.yml; bluegreen drop-slot shop.yml --if-over"
)


def drop_slot(
    playbook: PlaybookFile,
    if_over: Annotated[
        bool,
        typer.Option(
            "--if-over", help="Only when it keeps more than the limit; for a timer."
        ),
    ] = False,
    allow: Annotated[
        list[Hazard] | None,
        typer.Option(
            metavar="HAZARD", help="ENDS_ROLLBACK: drop green's slot for blue as well."
        ),
    ] = None,
    json_: AsJson = False,
) -> None:
    """Drop the slot that keeps WAL for the side that does not serve.

    For the moment in which a disk fills. It needs the side that serves alone; the
    other may be gone. Traffic is not touched. The other side lacks rows from then on:
    while blue serves, green must be made again; while green serves, rollback is lost,
    which must be allowed in the call: `--allow ENDS_ROLLBACK`.

    With `--if-over` it does nothing below `monitor.wal_limit`, and above it only when
    the playbook allows ABANDONS_GREEN.

    Raises:
        BluegreenError: 2006 where it is not allowed; 7001 where it is not sure which
            side serves; 8001 while a run goes on.
    """
    from bluegreen.cli.context import open_context
    from bluegreen.report.answer import show

    with open_context(playbook, "drop-slot") as open_:
        done = _abandon(open_, if_over=if_over, allow=allow or [])
    if done.slot or not if_over:
        show(done, as_json=json_)


def _abandon(open_: Context, *, if_over: bool, allow: list[Hazard]) -> Abandoned:
    from bluegreen.engine.drop_slot import drop_kept_slot as give_up

    return give_up(
        open_.world,
        allow_drop=not if_over or Hazard.ABANDONS_GREEN in open_.loaded.playbook.allow,
        allow_end=Hazard.ENDS_ROLLBACK in allow,
        only_over=if_over,
    )
