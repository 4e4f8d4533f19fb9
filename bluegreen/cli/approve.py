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

    It counts for the run that waits there, which goes on within a second. Where that
    run fails, or another one is started, it is asked for again. To approve twice
    changes nothing.

    Raises:
        PlaybookRefused: 2008, the playbook has no such step, or no run waits there.
        LeaseRefused: 8001 a move of traffic is going on; 8004 nothing was run yet.
    """
    from bluegreen.cli.context import open_context
    from bluegreen.engine.writer import this_user
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
        _require_waiting(open_, state, key)
        if (given := state.approvals.get(key)) is not None:
            result = Approved(key, given.by, given.at, new=False)
        else:
            who = by or this_user()
            told = bodies.Approved(key, who).as_body()
            record = journal.append(Kind.APPROVED, body=told)
            next_ = _next_step(open_.loaded, key)
            result = Approved(key, who, record.at, new=True, next=next_)
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


def _require_waiting(open_: Context, state: State, key: str) -> None:
    """A yes that is given before there is anything to look at would be for nothing."""
    from bluegreen.postgres.journal.lease import read_holder
    from bluegreen.steps.approve import is_asked

    alive = read_holder(open_.world.blue) is not None
    if alive and is_asked(state, key):
        return
    newest = f"run {state.runs[-1]}" if state.runs else "no run"
    raise PlaybookRefused(
        Code.CALL_NOT_VALID,
        f"no run waits at step {key}",
        seen=f"{newest} has not come to it yet"
        if alive
        else "no run of this playbook is going on now",
        wanted="an approval of what the run that waits has shown",
        hint="start `bluegreen run PLAYBOOK`, or let it go on; approve once it says "
        "that it waits",
    )


def _next_step(loaded: Loaded, key: str) -> str:
    keys = [one.key for one in loaded.playbook.steps]
    return next(iter(keys[keys.index(key) + 1 :]), "")


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
