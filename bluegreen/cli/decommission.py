"""The verb `decommission`: let blue go, by hand or from a timer.

Owns the words of the call and the quiet no of `--if-due`. The refusals are in
`steps/release/due.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from bluegreen.cli.options import AsJson, Log, LogForm, PlaybookFile
from bluegreen.model.codes import Code
from bluegreen.model.errors import BluegreenError, PlaybookRefused

if TYPE_CHECKING:
    from bluegreen.cli.context import Context
    from bluegreen.cli.people import People
    from bluegreen.engine.events import Tell
    from bluegreen.model.history import State
    from bluegreen.model.verdict import Verdict
    from bluegreen.playbook.load import Loaded
    from bluegreen.steps.decommission import Decommission

EXAMPLE = (
    "Examples: bluegreen decommission --if-due /etc/bluegreen/shop.yml; "
    "bluegreen decommission --now shop.yml"
)


def decommission(
    playbook: PlaybookFile,
    if_due: Annotated[
        bool,
        typer.Option(
            "--if-due", help="Exit with 0 and do nothing while the window is open."
        ),
    ] = False,
    now: Annotated[
        bool,
        typer.Option("--now", help="End the window now; asks for a confirmation."),
    ] = False,
    confirm: Annotated[
        str | None,
        typer.Option(
            metavar="WORD",
            help="The confirmation: the first 8 characters of blue's identity.",
        ),
    ] = None,
    log: Log = LogForm.TEXT,
    json_: AsJson = False,
) -> None:
    """Release blue once the rollback window is over, and take it down.

    It refuses before the window's end, while a pointer names blue, while a client is
    connected to blue, and without a proved backup. It never acts on a database that
    does not say by itself that it is the blue of this cutover. On a terminal, without
    --if-due, it asks for a confirmation first. How blue is taken down is for the
    playbook's `command`.

    --now ends the window before its time; everything else is looked at as usual, and
    blue's quarantine is kept. Without a terminal it needs --confirm.

    Raises:
        BluegreenError: by its code, what stopped it; 8003 while it is not due; 2008
            the words of the call contradict each other, or do not name blue.
    """
    if if_due and (now or confirm is not None):
        raise _contradiction("--confirm" if confirm is not None else "--now")
    from bluegreen.cli.context import open_context
    from bluegreen.cli.people import people
    from bluegreen.report.notices import notifying
    from bluegreen.report.teller import make_teller

    with (
        make_teller(str(log)) as teller,
        open_context(playbook, "decommission", teller) as open_,
    ):
        asked = _Asked(if_due=if_due, now=now, confirm=confirm, as_json=json_)
        with (
            people(open_, "decommission", teller) as ours,
            notifying(ours.teller, ours.outbox, teller, ours.tell_once) as tell,
        ):
            _decommission(open_, tell, asked, ours)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The words of the call."""

    if_due: bool
    now: bool
    confirm: str | None
    as_json: bool


def _decommission(open_: Context, tell: Tell, asked: _Asked, ours: People) -> None:
    step, as_json = step_of(open_.loaded), asked.as_json
    if _is_over(open_, step):
        _tell_over(if_due=asked.if_due, as_json=as_json)
    elif _is_cut_short(open_, step):
        _finish(open_, step, tell, as_json=as_json)
    elif not (waiting := _not_due(open_, step)):
        if not asked.if_due:
            _ask(open_, asked.confirm, always=False)
        _let_go(open_, step, tell, as_json=as_json)
    elif asked.now and _may_end(open_):
        _ask(open_, asked.confirm, always=True)
        _let_go(open_, step, tell, as_json=as_json, end_window=True)
    elif not asked.if_due:
        raise _refusal(open_, waiting)
    else:
        _look_at_window(open_, ours)
        if as_json:
            _tell_waiting(waiting)


def _look_at_window(open_: Context, ours: People) -> None:
    """Tell people that it is about to end, and when a rollback stops being possible.

    Asked only where the playbook names someone to tell.
    """
    from bluegreen.cli.rollback import look_back
    from bluegreen.model.history import fold
    from bluegreen.model.notice import Occasion
    from bluegreen.model.side import Side
    from bluegreen.model.verdict import Refused
    from bluegreen.postgres.journal.table import server_time

    if not ours.leads:
        return
    state, now = fold(open_.world.journal.records()), server_time(open_.world.green)
    end = state.window_end
    if end is None or end <= now or state.serving is not Side.GREEN:
        return
    for lead in ours.leads:
        if end - now <= lead:
            notice = ours.teller.window_ends(end, end - now, lead)
            ours.tell_once(notice, f"{end.isoformat()} {lead}")
    try:
        refused = look_back(open_).plan.refused
    except BluegreenError as error:
        # What cannot be looked at is no yes; the window itself is not over.
        no = Refused(error.code, error.problem, seen=error.seen, hint=error.hint)
    else:
        if refused is None or not isinstance(refused.verdict, Refused):
            ours.forget(Occasion.ROLLBACK_UNAVAILABLE)
            return
        no = refused.verdict
    ours.tell_once(ours.teller.no_rollback(no.why, no.seen, no.hint), no.why)


def step_of(loaded: Loaded) -> Decommission:
    """The playbook's step decommission.

    Raises:
        PlaybookRefused: 2007, it has none.
    """
    from bluegreen.model.errors import PlaybookRefused
    from bluegreen.steps.decommission import Decommission

    for step in loaded.playbook.steps:
        if isinstance(step, Decommission):
            return step
    raise PlaybookRefused(
        Code.STEP_DOES_NOT_FIT,
        "the playbook has no step decommission",
        wanted="`- step: decommission` at the end of `steps`",
        hint="add it; its parameters are in docs/playbook-reference.md",
    )


def _is_over(open_: Context, step: Decommission) -> bool:
    """By what green tells alone: blue may be gone."""
    from bluegreen.model.history import fold
    from bluegreen.postgres.fence.fence import read_fence
    from bluegreen.postgres.journal.table import read_records

    green = open_.world.green
    return step.is_over(fold(read_records(green)), read_fence(green))


def _contradiction(with_: str) -> PlaybookRefused:
    return PlaybookRefused(
        Code.CALL_NOT_VALID,
        f"--if-due and {with_} contradict each other",
        wanted="--if-due for a timer, which asks no one; --now for a person",
        hint="leave one of them out",
    )


def _ask(open_: Context, given: str | None, *, always: bool) -> None:
    """Only now: the database given as blue was seen to be the blue of the cutover."""
    from bluegreen.cli.confirm import require_word
    from bluegreen.postgres.catalog.identity import identity_of

    blue = open_.world.blue
    require_word(identity_of(blue), blue.address, given, always=always)


def _may_end(open_: Context) -> bool:
    """Whether nothing but the window's end is waited for.

    Raises:
        BluegreenError: 7002, something else blocks it.
    """
    from bluegreen.model.history import fold
    from bluegreen.model.verdict import Satisfied
    from bluegreen.postgres.journal.table import read_records
    from bluegreen.steps.release.window import judge_end

    if fold(read_records(open_.world.green)).released:
        return False
    verdict = judge_end(open_.world)
    _require_not_refused(open_, verdict)
    return isinstance(verdict, Satisfied)


def _require_not_refused(open_: Context, verdict: Verdict) -> None:
    from bluegreen.engine.plan import refusal_error
    from bluegreen.engine.traffic import traffic_line
    from bluegreen.model.verdict import Refused

    if isinstance(verdict, Refused):
        error = refusal_error(verdict)
        error.traffic = traffic_line(open_.world)
        raise error


def _is_cut_short(open_: Context, step: Decommission) -> bool:
    """The command was begun, was not seen to end well, and blue does not answer."""
    if not step.command:
        return False
    facts = step.last_action.observe(open_.world)
    return facts.released and facts.begun and facts.says is None


def _not_due(open_: Context, step: Decommission) -> str:
    """Why it is not time; asked without lease or record, as a timer asks often.

    Raises:
        LeaseRefused: 8001, an operator is moving traffic at this moment.
        BluegreenError: 7002, something else than time blocks it.
    """
    from bluegreen.engine.lease import require_free
    from bluegreen.model.history import fold
    from bluegreen.model.verdict import NotYet
    from bluegreen.postgres.journal.own_schema import is_built
    from bluegreen.postgres.journal.table import read_records

    if not is_built(open_.world.green):
        return "no cutover was made: green has no journal"
    state = fold(read_records(open_.world.green))
    if waiting := _in_quarantine(open_, step, state):
        return waiting
    if state.open_move or not (state.last_move is None or state.last_move.moved):
        # Clients are held back just now, and would be taken for lost.
        require_free(open_.world.green)
    first = step.actions()[0]
    verdict = first.judge(first.observe(open_.world))
    _require_not_refused(open_, verdict)
    return verdict.why if isinstance(verdict, NotYet) else ""


def _in_quarantine(open_: Context, step: Decommission, state: State) -> str:
    """Why blue still stands, where that is all that is left; asked without a record."""
    from bluegreen.model.verdict import NotYet
    from bluegreen.postgres.fence.fence import read_fence

    green = read_fence(open_.world.green)
    if not step.command or not step.is_done_but_for_command(state, green):
        return ""
    wait = step.await_quarantine
    verdict = wait.judge(wait.observe(open_.world))
    return verdict.why if isinstance(verdict, NotYet) else ""


def _tell_waiting(why: str) -> None:
    import json

    typer.echo(json.dumps({"due": False, "why": why}))


def _tell_over(*, if_due: bool, as_json: bool) -> None:
    why = "blue was let go before; nothing is left to do"
    if as_json:
        _tell_waiting(why)
    elif not if_due:
        typer.echo(why)


def _refusal(open_: Context, why: str) -> Exception:
    from bluegreen.engine.traffic import traffic_line
    from bluegreen.model.errors import LeaseRefused

    return LeaseRefused(
        Code.DECOMMISSION_NOT_DUE,
        "decommission is not due",
        seen=why,
        wanted="the end of the window, or of blue's quarantine",
        traffic=traffic_line(open_.world),
        hint="a timer with `bluegreen decommission --if-due` does it when it is time",
    )


def _let_go(
    open_: Context,
    step: Decommission,
    tell: Tell,
    *,
    as_json: bool,
    end_window: bool = False,
) -> None:
    from bluegreen.cli.context import engaged
    from bluegreen.engine.interrupt import Interrupt
    from bluegreen.engine.plan import expand, require_allowed
    from bluegreen.engine.runner import Runner
    from bluegreen.engine.writer import this_user
    from bluegreen.report.answer import show
    from bluegreen.steps.release.window import end_now

    allow = open_.loaded.playbook.allow
    require_allowed(expand((step,)), allow)
    with engaged(open_) as world, Interrupt() as interrupt:
        runner = Runner(
            world, run=open_.run, allow=allow, interrupt=interrupt, tell=tell
        )
        if end_window:
            end_now(world, this_user())
        about = {"verb": "decommission", **open_.about}
        ended = runner.run((step,), about=about)
    show(ended, as_json=as_json)


def _finish(open_: Context, step: Decommission, tell: Tell, *, as_json: bool) -> None:
    """Run the command again, as its end was not seen; blue itself is gone."""
    from bluegreen.cli.context import engaged_without_blue
    from bluegreen.engine.interrupt import Interrupt
    from bluegreen.engine.runner import Runner
    from bluegreen.report.answer import show

    allow = open_.loaded.playbook.allow
    with engaged_without_blue(open_) as world, Interrupt() as interrupt:
        runner = Runner(
            world, run=open_.run, allow=allow, interrupt=interrupt, tell=tell
        )
        about = {"verb": "decommission", "playbook": open_.loaded.playbook.name}
        ended = runner.run((), before=(step.last_action,), about=about)
    show(ended, as_json=as_json)
