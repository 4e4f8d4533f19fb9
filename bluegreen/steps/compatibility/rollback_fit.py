"""The action that says before a rollback which rows of green would not fit blue.

Owns where the look stands among a rollback's actions. Looking is in
`compat/probe/rollback_fit.py`, its meaning in `compat/rollback_fit.py`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from bluegreen.compat.rollback_fit import (
    Fits,
    fixes,
    reasons,
    say_fit,
    say_losses,
    warnings,
)
from bluegreen.model.accept import verdicts_accepted
from bluegreen.model.codes import Code
from bluegreen.model.history import State, fold
from bluegreen.model.progress import Progress
from bluegreen.model.side import Side
from bluegreen.model.verdict import Refused, Satisfied, Verdict
from bluegreen.steps.action import Waiting
from bluegreen.steps.monitors.drift import remembered
from bluegreen.steps.world import World

if TYPE_CHECKING:
    from bluegreen.compat.rollback_fit import Fitting

SEEN = "fit_seen"
"""The progress that carries a look."""


class CheckFit(Waiting["Fitting | None"]):
    """No row on green is known that blue would not take.

    Crash: nothing is changed.
    """

    title = "green's rows fit blue"

    def observe(self, world: World) -> Fitting | None:
        """Both catalogs, the stream, and where it stands still green's rows."""
        # What reads SQL is heavy, and a rollback that is only finished needs none.
        from bluegreen.compat.probe.rollback_fit import check_fit

        records = world.journal.records()
        if not is_open(fold(records)):
            return None
        found = check_fit(
            world.blue,
            world.green,
            world.name,
            accept=verdicts_accepted(world.limits.accept),
            exclude=world.limits.exclude,
            known=remembered(records, fold(records), Side.GREEN),
        )
        world.tell(progress_of(found))
        return found

    def judge(self, facts: Fitting | None) -> Verdict:
        """Refuse with the rows. What is not known is for the stream to show."""
        if facts is None:
            return Satisfied("blue serves, or no way back is open yet")
        if _refuses(facts):
            return Refused(
                Code.ROLLBACK_LOSES_DATA,
                "blue does not take what was written on green",
                seen="\n".join(reasons(facts)),
                wanted=_wanted(facts),
                hint="\n".join(
                    [*fixes(facts), "then `bluegreen rollback --check` once more"]
                ),
            )
        said = "no row is known that does not fit"
        if facts.answer is not Fits.YES:
            said = f"{said}; {reasons(facts)[0]}"
        told = [said, say_losses(facts), *warnings(facts)]
        return Satisfied("; ".join(filter(None, told)))


def _wanted(facts: Fitting) -> str:
    if facts.sequences_out and not facts.misfits:
        return "every sequence's value on green fits blue's sequence"
    return "every row of green fits blue's types, constraints and labels"


def _refuses(facts: Fitting) -> bool:
    """Whether rows would stay behind that this look knows of. Pure.

    A stream that is gone is refused by `CheckWayBack`, which names what is missing.
    Where blue has all that green took, a change of schema that only later rows would
    break on is told; on a bad night it must not stand in the way.
    """
    if not facts.stream.present:
        return False
    unfit = facts.answer is Fits.NO and not facts.stream.in_step
    return bool(facts.misfits or facts.lost or facts.sequences_out) or unfit


def progress_of(fitting: Fitting) -> Progress:
    """The whole look for the terminal and the log."""
    values: dict[str, object] = {
        "answer": str(fitting.answer),
        "reasons": reasons(fitting),
        "misfits": [asdict(one) for one in fitting.misfits],
        "losses": [asdict(one) for one in fitting.losses],
        "behind": [asdict(one) for one in fitting.behind],
        "unknown": list(fitting.unknown),
        "sequences": [asdict(one) for one in fitting.sequences],
    }
    return Progress(SEEN, f"fits blue: {say_fit(fitting)}", values=values)


def is_open(state: State) -> bool:
    """Whether blue is a way back that was opened. Pure."""
    last = state.last_move
    return (
        not state.released
        and state.serving is Side.GREEN
        and last is not None
        and last.way_back_open
    )
