"""The runner: brings about every action's wanted state, in order, and remembers it.

Owns the order observe, judge, intent, act, result, observe again; waiting; and where a
run may be stopped. What an action does is in `steps/`; what a run tells is shown by
`report/`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from shlex import quote
from typing import Any

from bluegreen.engine.events import (
    ActionDone,
    ActionSatisfied,
    ActionStarted,
    ActionWaits,
    RunEnded,
    RunStarted,
    StopAsked,
    Tell,
)
from bluegreen.engine.interrupt import Interrupt, InterruptibleClock
from bluegreen.engine.plan import divide, expand, refusal_error, require_allowed
from bluegreen.engine.traffic import traffic_line
from bluegreen.model import bodies
from bluegreen.model.codes import Code
from bluegreen.model.duration import format_duration
from bluegreen.model.errors import (
    BluegreenError,
    BudgetError,
    LeaseRefused,
    StepError,
)
from bluegreen.model.hazard import Hazard
from bluegreen.model.history import fold
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Refused, Satisfied
from bluegreen.steps.contract import Action, Step
from bluegreen.steps.world import World

FIRST_LOOK_S = 0.1
"""How soon a wait looks again at first; most waits are over within a second."""

LAST_LOOK_S = 1.0
"""How seldom it looks in the end; Ctrl-C is noticed this soon."""

SLOWER = 1.5


def _ignore(_: object) -> None:
    return None


def _nothing() -> None:
    return None


class Runner:
    """Runs actions one by one, for one run.

    Args:
        world: what the actions may touch; its `require_lease` is called before every
            act.
        run: id of the run.
        allow: hazards that the playbook allows.
        interrupt: whether a stop was asked for.
        tell: takes events for the terminal and the log.
        require_fit: raises when the run's end is lost already; called before each step
            and in waits, never while a move that was cut short is ended.
    """

    def __init__(
        self,
        world: World,
        *,
        run: str,
        allow: Iterable[Hazard] = (),
        interrupt: Interrupt | None = None,
        tell: Tell = _ignore,
        require_fit: Callable[[], None] = _nothing,
    ) -> None:
        self._world = world
        self._run = run
        self._allow = frozenset(allow)
        self._interrupt = interrupt or Interrupt()
        # What waits inside of an action hears of a stop too; our own waits say where.
        clock = InterruptibleClock(world.clock, self._interrupt)
        self._inside = replace(world, clock=clock)
        self._tell = tell
        self._acted: list[str] = []
        self._require_fit: Callable[[], None] = require_fit
        self._step = ""

    def run(
        self,
        steps: Sequence[Step],
        *,
        before: Sequence[Action[Any]] = (),
        about: Mapping[str, Any] | None = None,
    ) -> RunEnded:
        """Bring about every wanted state, or stop at the first that gives way.

        Every hazard that lies ahead must be allowed before anything is looked at. An
        action that `waits_for_timer` ends the run well while it says NotYet.

        Args:
            steps: what to run, in order.
            before: actions that come before all steps, whichever side serves; they
                end a move that was cut short.
            about: what the record of the run's start says, e.g. digests.

        Raises:
            BluegreenError: an action refused or failed; its `traffic` line is set.
            StepError: 4007; a stop was asked for.
        """
        try:
            return self._run_all(before, expand(steps), about or {})
        except KeyboardInterrupt:
            raise self._stopped("interrupted", "nothing was half way") from None
        except BluegreenError as error:
            error.traffic = error.traffic or traffic_line(self._world)
            raise

    def _run_all(
        self,
        before: Sequence[Action[Any]],
        actions: Sequence[Action[Any]],
        about: Mapping[str, Any],
    ) -> RunEnded:
        started = self._world.clock.monotonic()
        records = self._world.journal.records()
        _, ahead = divide(actions, fold(records))
        require_allowed((*before, *ahead), self._allow)
        self._world.journal.append(Kind.RUN_STARTED, body=told_once(about, records))
        self._tell(RunStarted(self._run, self._world.name))
        waiting = self._run_some(before)
        if not waiting:
            _, ahead = divide(actions, fold(self._world.journal.records()))
            waiting = self._run_some(ahead, monitored=True)
        took = self._world.clock.monotonic() - started
        ended = RunEnded(self._run, took, tuple(self._acted), waiting)
        ended = with_traffic(ended, self._world.journal.records(), about)
        self._tell(ended)
        return ended

    def _run_some(
        self, actions: Sequence[Action[Any]], *, monitored: bool = False
    ) -> str:
        """In order; returns at once with what a timer waits for."""
        for action in actions:
            step = action.id.partition("/")[0]
            if monitored and step != self._step:
                self._require_fit()
                self._step = step
            self._stop_if_asked(f"before {action.title or action.id}")
            if waiting := self._bring_about(action):
                return waiting
        return ""

    def _bring_about(self, action: Action[Any]) -> str:
        """Until it is satisfied. Returns what a timer waits for, else nothing."""
        started = self._world.clock.monotonic()
        acted = False
        wait = _Wait(self._world.clock.monotonic())
        while True:
            facts = action.observe(self._inside)
            verdict = action.judge(facts)
            match verdict:
                case Satisfied():
                    self._tell_satisfied(action, verdict.why, acted, started)
                    return ""
                case Refused():
                    raise refusal_error(verdict)
                case NotYet():
                    if action.waits_for_timer:
                        return verdict.why
                    self._wait(action, verdict, wait)
                case Needed():
                    if acted:
                        raise _not_reached(action, verdict)
                    self._act(action, facts, verdict)
                    acted = True
                    wait = _Wait(self._world.clock.monotonic())

    def _act(self, action: Action[Any], facts: Any, verdict: Needed) -> None:
        world = self._world
        world.require_lease()
        started = ActionStarted(action.id, action.title, verdict.why, action.critical)
        self._tell(started)
        intent = bodies.Intent(verdict.why).as_body()
        world.journal.append(Kind.INTENT, action=action.id, body=intent)
        try:
            with self._interrupt.shielded(action.critical):
                world.point(f"{action.id}/before_act")
                # Writing the intent takes time, and a process may be stopped in it.
                world.require_lease()
                result = action.act(self._inside, facts)
                world.point(f"{action.id}/after_act")
        except BluegreenError as error:
            # Who lost the lease has no more say, and its servers may not answer.
            if not isinstance(error, LeaseRefused):
                self._remember_failure(action, error)
            raise
        except KeyboardInterrupt:
            stopped = self._stopped(
                f"interrupted in the middle of {action.id}", crash_text(action)
            )
            self._remember_failure(action, stopped)
            raise stopped from None
        world.journal.append(Kind.RESULT, action=action.id, body=result)
        self._acted.append(action.id)
        world.point(f"{action.id}/after_result")

    def _remember_failure(self, action: Action[Any], error: BluegreenError) -> None:
        """Tell the journal; a journal out of reach must not hide the error itself."""
        body = bodies.Failed(error.code, error.problem).as_body()
        try:
            self._world.journal.append(Kind.FAILED, action=action.id, body=body)
        except BluegreenError as lost:
            unsaid = f"the journal could not be told: {lost.problem}"
            error.seen = "\n".join(filter(None, (error.seen, unsaid)))

    def _wait(self, action: Action[Any], verdict: NotYet, wait: _Wait) -> None:
        clock = self._world.clock
        waited = clock.monotonic() - wait.since
        patience = action.patience.total_seconds() if action.patience else None
        self._tell(
            ActionWaits(
                action.id,
                action.title,
                verdict.why,
                verdict.progress,
                waited,
                patience,
            )
        )
        if patience is not None and waited >= patience:
            raise _out_of_patience(action, verdict, waited)
        self._stop_if_asked(f"while waiting for: {action.title or action.id}")
        if self._step:
            self._require_fit()
        clock.sleep(wait.next_look())

    def _tell_satisfied(
        self, action: Action[Any], why: str, acted: bool, started: float
    ) -> None:
        if not acted:
            self._tell(ActionSatisfied(action.id, action.title, why))
            return
        seconds = self._world.clock.monotonic() - started
        self._tell(ActionDone(action.id, action.title, why, seconds))

    def _stop_if_asked(self, where: str) -> None:
        if self._interrupt.asked:
            self._tell(StopAsked())
            raise self._stopped(f"interrupted {where}", "nothing was half way")

    def _stopped(self, problem: str, seen: str) -> StepError:
        return StepError(
            Code.INTERRUPTED,
            problem,
            seen=seen,
            traffic=traffic_line(self._world),
            hint="run again; it goes on from here",
        )


def with_traffic(
    ended: RunEnded, records: Sequence[Record], about: Mapping[str, Any]
) -> RunEnded:
    """The end with who serves, this run's own move and the way back. Pure.

    Args:
        ended: what the runner knows by itself.
        records: the journal at the end.
        about: what the record of the run's start says.
    """
    state = fold(records)
    moves = [r for r in records if r.kind is Kind.MOVED and r.run == ended.run]
    pause = bodies.Moved.from_body(moves[-1].body) if moves else bodies.Moved()
    file = bodies.RunStarted.from_body(about).file
    is_open = state.last_move is not None and state.last_move.way_back_open
    lost = state.released or state.abandoned
    back = state.serving is Side.GREEN and is_open and not lost
    until = state.window_end
    return replace(
        ended,
        serving=str(state.serving),
        pause_ms=pause.pause_ms,
        client_errors=pause.client_errors,
        rollback=f"bluegreen rollback {quote(file)}" if back and file else "",
        rollback_until=until if back and until and until > records[-1].at else None,
    )


def told_once(about: Mapping[str, Any], records: Sequence[Record]) -> Mapping[str, Any]:
    """What the record of a start says, without a playbook's text that stands already.

    A run of every minute would fill the journal with the same text. Pure.
    """
    starts = (
        bodies.RunStarted.from_body(record.body)
        for record in reversed(records)
        if record.kind is Kind.RUN_STARTED
    )
    last = next((one for one in starts if one.text is not None), bodies.RunStarted())
    now = bodies.RunStarted.from_body(about)
    if (last.text, last.file) != (now.text, now.file):
        return about
    return {word: value for word, value in about.items() if word != "text"}


class _Wait:
    """How long a wait lasts and when it looks next."""

    def __init__(self, since: float) -> None:
        self.since = since
        self._look = FIRST_LOOK_S / SLOWER

    def next_look(self) -> float:
        self._look = min(LAST_LOOK_S, self._look * SLOWER)
        return self._look


def crash_text(action: Action[Any]) -> str:
    """What the action's docstring says under `Crash:`, on one line."""
    _, found, text = (inspect.getdoc(type(action)) or "").partition("Crash:")
    return " ".join(text.split()) if found else "it says nothing of a stop half way"


def _not_reached(action: Action[Any], verdict: Needed) -> StepError:
    return StepError(
        Code.GOAL_NOT_REACHED,
        f"{action.id} ran, but its goal is still not met",
        seen=verdict.why,
        wanted=action.title,
        hint="is something else changing it too? Run again; if it comes back, "
        "this is a bug",
    )


def _out_of_patience(
    action: Action[Any], verdict: NotYet, waited: float
) -> BudgetError:
    return BudgetError(
        Code.WAIT_OVER_DEADLINE,
        f"{action.id} timed out after {format_duration(waited)}",
        seen=verdict.why,
        wanted=action.title,
        hint="run again to keep waiting",
    )
