"""The verb `approve`: a person's yes, from any machine.

Owns which step is meant and when a yes may be written. What counts as an approval is
for `steps/approve.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bluegreen.cli.options import AsJson, PlaybookFile
from bluegreen.model.codes import Code
from bluegreen.model.errors import LeaseRefused, PlaybookRefused

if TYPE_CHECKING:
    from bluegreen.cli.context import Context
    from bluegreen.model.history import State
    from bluegreen.playbook.load import Loaded

EXAMPLE = "Example: bluegreen approve shop.yml --by 'Ann, on call'"


def approve(
    playbook: PlaybookFile,
    step: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The step; needed where there are several."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who approves; by default this user."),
    ] = None,
    json_: AsJson = False,
) -> None:
    """Approve a step that waits for a person.

    It counts for the next switchover only. A run that waits goes on within a second.
    To approve twice changes nothing.

    Raises:
        PlaybookRefused: 2008, the playbook has no such step.
        LeaseRefused: 8001 a move of traffic is going on; 8004 nothing was run yet.
    """
    from bluegreen.cli.context import open_context
    from bluegreen.engine.journal import this_writer
    from bluegreen.model import bodies
    from bluegreen.model.history import fold
    from bluegreen.model.record import Kind
    from bluegreen.report.answer import show
    from bluegreen.report.results import Approved

    with open_context(playbook, "approve") as open_:
        key = _step(open_.loaded, step)
        journal = open_.world.journal
        state = fold(journal.records())
        _refuse_in_a_move(open_, state)
        if (given := state.approvals.get(key)) is not None:
            result = Approved(key, given.by, given.at, new=False)
        else:
            who = by or this_writer().partition(" ")[0]
            told = bodies.Approved(key, who).as_body()
            record = journal.append(Kind.APPROVED, body=told)
            result = Approved(key, who, record.at, new=True)
    show(result, as_json=json_)


def _step(loaded: Loaded, wanted: str | None) -> str:
    keys = [one.key for one in loaded.playbook.steps if one.step == "approve"]
    if wanted in keys:
        return str(wanted)
    if wanted is None and len(keys) == 1:
        return keys[0]
    raise PlaybookRefused(
        Code.CALL_NOT_VALID,
        f"{loaded.path} has no step {wanted!r} that waits for a person"
        if wanted
        else "it is not clear which step is meant",
        seen=f"steps that wait: {', '.join(keys) or 'none'}",
        wanted="one of them, by --step",
    )


def _refuse_in_a_move(open_: Context, state: State) -> None:
    from bluegreen.engine.lease import describe_holder
    from bluegreen.postgres.journal.lease import read_holder

    if state.open_move is not None:
        holder = read_holder(open_.world.blue)
        raise LeaseRefused(
            Code.LEASE_HELD,
            "a move of traffic is going on",
            seen=f"to {state.open_move.to_side}, begun at "
            f"{state.open_move.begun:%Y-%m-%d %H:%M:%S} UTC"
            + (f"\nby {describe_holder(holder)}" if holder else ""),
            wanted="an approval before a move or after it",
            hint="look at `bluegreen status`; it is over in seconds",
        )
