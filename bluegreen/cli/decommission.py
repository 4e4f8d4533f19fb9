"""The verb `decommission`: let blue go, by hand or from a timer.

Owns the words of the call and the quiet no of `--if-due`. The refusals are in
`steps/release/due.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bluegreen.cli.words import AsJson, Log, LogForm, PlaybookFile

if TYPE_CHECKING:
    from bluegreen.cli.opened import Opened
    from bluegreen.report.teller import Teller
    from bluegreen.steps.decommission import Decommission

EXAMPLE = "Example: bluegreen decommission --if-due /etc/bluegreen/shop.yml"


def decommission(
    playbook: PlaybookFile,
    if_due: Annotated[
        bool,
        typer.Option("--if-due", help="Exit 0 quietly while the window is open."),
    ] = False,
    log: Log = LogForm.AUTO,
    json_: AsJson = False,
) -> None:
    """End the way back once the window is over, and take blue down by the playbook.

    It refuses before the window's end, while a pointer names blue, while a client is
    connected to blue, and without a proved backup. It never acts on a database that
    does not say by itself that it is the blue of this cutover.

    Raises:
        BluegreenError: by its code, what stopped it; 8003 while it is not due.
    """
    from bluegreen.cli.opened import opened
    from bluegreen.report.teller import make_teller

    with (
        make_teller(str(log)) as teller,
        opened(playbook, "decommission", teller) as open_,
    ):
        step = _step(open_)
        waiting = _not_due(open_, step)
        if waiting and if_due:
            _tell_waiting(waiting, as_json=json_)
            return
        if waiting:
            raise _refusal(waiting)
        _let_go(open_, step, teller, as_json=json_)


def _step(open_: Opened) -> Decommission:
    from bluegreen.model.errors import PlaybookRefused
    from bluegreen.steps.decommission import Decommission

    for step in open_.loaded.playbook.steps:
        if isinstance(step, Decommission):
            return step
    raise PlaybookRefused(
        2009,
        "the playbook has no step decommission",
        wanted="`- step: decommission` at the end of `steps`",
        hint="add it; its parameters are in docs/playbook-reference.md",
    )


def _not_due(open_: Opened, step: Decommission) -> str:
    """Why it is not time; asked without lease or journal, as a timer asks often."""
    from bluegreen.model.verdict import NotYet
    from bluegreen.postgres.house import is_built

    if not is_built(open_.world.green):
        return "no cutover was made: green has no journal"
    if _is_done(open_, step):
        return "it was done before: blue is released"
    first = step.actions()[0]
    verdict = first.judge(first.observe(open_.world))
    return verdict.why if isinstance(verdict, NotYet) else ""


def _is_done(open_: Opened, step: Decommission) -> bool:
    """By green's journal alone: blue may be gone."""
    from bluegreen.model.history import fold
    from bluegreen.postgres.journal_table import read_records

    state = fold(read_records(open_.world.green))
    return state.released and all(
        action.id in state.results for action in step.actions()[1:]
    )


def _tell_waiting(why: str, *, as_json: bool) -> None:
    if as_json:
        import json

        typer.echo(json.dumps({"due": False, "why": why}))


def _refusal(why: str) -> Exception:
    from bluegreen.model.errors import LeaseRefused

    return LeaseRefused(
        8003,
        "decommission is not due",
        seen=why,
        wanted="the end of the window",
        traffic="green",
        hint="a timer with `bluegreen decommission --if-due` does it when it is time",
    )


def _let_go(
    open_: Opened, step: Decommission, teller: Teller, *, as_json: bool
) -> None:
    from bluegreen.cli.opened import engaged
    from bluegreen.engine.interrupt import Interrupt
    from bluegreen.engine.plan import expand, require_allowed
    from bluegreen.engine.runner import Runner
    from bluegreen.report.results import show

    allow = open_.loaded.playbook.allow
    require_allowed(expand((step,)), allow)
    with engaged(open_) as world, Interrupt() as interrupt:
        runner = Runner(
            world, run=open_.run, allow=allow, interrupt=interrupt, tell=teller
        )
        about = {"verb": "decommission", **open_.about}
        ended = runner.run((step,), about=about)
    show(ended, as_json=as_json)
