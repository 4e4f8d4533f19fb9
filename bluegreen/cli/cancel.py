"""The verb `cancel`: give a move up before its cutover.

Owns the words of the call. What it does is in `engine/cancel.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bluegreen.cli.options import AsJson, Log, LogForm, PlaybookFile

if TYPE_CHECKING:
    from bluegreen.cli.context import Context
    from bluegreen.engine.cancel import Cancelled
    from bluegreen.report.teller import Teller

EXAMPLE = "Examples: bluegreen cancel shop.yml --dry-run; bluegreen cancel shop.yml"


def cancel(
    playbook: PlaybookFile,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what it would take away.")
    ] = False,
    forget: Annotated[
        bool,
        typer.Option(
            "--forget", help="Drop our schema on both sides too, journal included."
        ),
    ] = False,
    log: Log = LogForm.TEXT,
    json_: AsJson = False,
) -> None:
    """Give a move up before its cutover, and take away what was made for it.

    Subscriptions, slots, publications, the fence, helper triggers, what blue was given
    for the migrations, and the identities that were set. Green keeps its rows. It may
    be called again, and it goes on where it was cut short. Once green serves there is
    nothing to cancel: `rollback` first.

    Raises:
        BluegreenError: 8006 green serves; 8001 while a run goes on; by its code, what
            could not be taken away.
    """
    from bluegreen.cli.context import open_context
    from bluegreen.report.answer import show
    from bluegreen.report.teller import InTurn, make_teller

    with (
        InTurn(make_teller(str(log))) as teller,
        open_context(playbook, "cancel", teller) as open_,
    ):
        done = _would(open_) if dry_run else _cancel(open_, teller, forget=forget)
    show(done, as_json=json_)


def _would(open_: Context) -> Cancelled:
    from bluegreen.engine.cancel import (
        Cancelled,
        actions_to_undo,
        require_cancellable,
    )
    from bluegreen.model.history import fold

    require_cancellable(fold(open_.world.journal.records()))
    ids = [action.id for action in actions_to_undo(open_.loaded.playbook.steps)]
    return Cancelled(tuple(ids), ("this was a dry run: nothing was taken away",))


def _cancel(open_: Context, teller: Teller, *, forget: bool) -> Cancelled:
    from bluegreen.cli.context import engaged
    from bluegreen.engine.cancel import cancel as give_up
    from bluegreen.engine.runner import Runner
    from bluegreen.steps.switchover.recover import RecoverSwitchover

    with engaged(open_) as world:
        # A move that was cut short is ended first, whichever side serves then.
        runner = Runner(world, run=open_.run, tell=teller)
        about = {"verb": "cancel", **open_.about}
        runner.run((), before=(RecoverSwitchover("cancel"),), about=about)
        return give_up(world, open_.loaded.playbook.steps, forget=forget)
