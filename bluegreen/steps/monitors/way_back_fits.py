"""Monitor: would blue take what was written on green since the cutover?

Owns what a no means while the window is open. The look is in
`compat/probe/rollback_fit.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from bluegreen.compat.rollback_fit import Fits, fixes, reasons, say_fit, warnings
from bluegreen.model.accept import verdicts_accepted
from bluegreen.model.finding import Figure, Finding, Severity
from bluegreen.model.side import Side
from bluegreen.steps.compatibility.rollback_fit import is_open
from bluegreen.steps.monitors.drift import remembered
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.monitors.monitor import (
    Round,
    StreamMonitor,
    direction,
    weigh,
)

if TYPE_CHECKING:
    from bluegreen.compat.rollback_fit import Fitting

_SEVERITIES = {
    Fits.YES: Severity.OK,
    Fits.UNKNOWN: Severity.UNKNOWN,
    Fits.NO: Severity.CRITICAL,
}


class MonitorWayBackFits(StreamMonitor["Fitting"]):
    """Every row that green took fits blue, as long as the way back is open.

    A no stops no run: the move that it is about, the rollback, looks for itself.
    """

    id: ClassVar[str] = "way-back-fits"
    every_s: ClassVar[float] = 30.0

    def places(self, world: Round) -> tuple[Side, ...]:
        """Green, once the way back to blue is open."""
        return (Side.GREEN,) if is_open(world.state) else ()

    def observe(self, world: Round, side: Side) -> Fitting:
        """Both catalogs and some counts; green's rows only where the stream rests."""
        # It reads SQL, which is heavy, and is asked twice a minute at most.
        from bluegreen.compat.probe.rollback_fit import check_fit

        return check_fit(
            world.on(Side.BLUE),
            world.on(side),
            world.name,
            accept=verdicts_accepted(world.limits.accept),
            exclude=world.limits.exclude,
            known=remembered(world.remembered, world.state, side),
        )

    def judge(self, facts: Fitting, limits: Limits) -> Iterator[Finding]:
        """The first reason in words, every misfit in numbers."""
        severity = _SEVERITIES[facts.answer]
        if severity is Severity.OK and facts.sequences_near:
            severity = Severity.WARNING
        do = ""
        if severity is Severity.WARNING:
            do = "; ".join(fixes(facts))
        if severity is Severity.OK and warnings(facts):
            severity = Severity.WARNING
            do = "`bluegreen partitions` makes them on blue and puts them in the stream"
        if severity is Severity.CRITICAL:
            do = "; ".join(
                [*fixes(facts), "`bluegreen rollback --check` names the rows"]
            )
        figures = (
            Figure(
                "rows_unfit_for_blue",
                sum(one.count for one in facts.misfits)
                + sum(one.rows or 1 for one in facts.lost),
                "Rows on the serving side that the other side would not take.",
            ),
            Figure(
                "reasons_against_way_back",
                len(reasons(facts)),
                "Things that block a rollback, the unknown included.",
            ),
        )
        found = weigh(severity, f"fits blue: {say_fit(facts)}", do)
        yield self.say(direction(Side.GREEN), found, figures)
