"""One movement of traffic: where to, and within which limits. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from bluegreen.model.clock import Clock
from bluegreen.model.codes import Code
from bluegreen.model.errors import BudgetError
from bluegreen.model.side import Side
from bluegreen.postgres.replication.stream import ReplicationStream


@dataclass(frozen=True, slots=True)
class Switchover:
    """Traffic goes to `to_side`; the other side is left and becomes the way back.

    Attributes are those of the step `cutover`.
    """

    to_side: Side
    max_pause: timedelta = timedelta(seconds=2)
    drain: timedelta = timedelta(milliseconds=500)
    after_drain: Literal["abort", "terminate"] = "abort"
    max_lag: timedelta = timedelta(seconds=1)
    wait_for_lag: timedelta = timedelta(seconds=15)
    probe: bool = True

    @property
    def from_side(self) -> Side:
        """The side that serves before."""
        return self.to_side.other

    @property
    def name(self) -> str:
        """`cutover` or `rollback`."""
        return "cutover" if self.to_side is Side.GREEN else "rollback"

    def stream(self, playbook: str) -> ReplicationStream:
        """The stream that feeds `to_side` until the commit point."""
        return ReplicationStream(playbook, publisher=self.from_side)

    def reverse_stream(self, playbook: str) -> ReplicationStream:
        """The stream that feeds the side that was left from then on."""
        return ReplicationStream(playbook, publisher=self.to_side)


@dataclass
class Budget:
    """The time a pause may take, and a stopwatch over its parts.

    Attributes:
        parts_s: seconds that each named part took, in order.
    """

    clock: Clock
    span: timedelta
    parts_s: dict[str, float] = field(default_factory=dict)
    started: float = 0.0
    _mark: float = 0.0

    def start(self) -> None:
        """The pause begins now."""
        self.started = self._mark = self.clock.monotonic()

    @property
    def spent_s(self) -> float:
        """Seconds since the start."""
        return self.clock.monotonic() - self.started

    @property
    def remaining(self) -> timedelta:
        """What is left; at least a millisecond, so that waits end with an error."""
        seconds = self.span.total_seconds() - self.spent_s
        return timedelta(seconds=max(seconds, 0.001))

    def mark(self, part: str) -> None:
        """A part behind the commit point has ended; the budget is not asked there."""
        now = self.clock.monotonic()
        self.parts_s[part] = now - self._mark
        self._mark = now

    def done(self, part: str) -> None:
        """A part before the commit point has ended.

        Raises:
            BudgetError: 5001, the budget is used up.
        """
        self.mark(part)
        self._require(self._mark - self.started)

    def require_left(self) -> None:
        """Nothing more is begun once the guard may have let the clients go.

        Raises:
            BudgetError: 5001, the budget is used up.
        """
        self._require(self.spent_s)

    def _require(self, spent_s: float) -> None:
        if spent_s > self.span.total_seconds():
            took = ", ".join(f"{k} {v * 1000:.0f} ms" for k, v in self.parts_s.items())
            raise BudgetError(
                Code.PAUSE_OVER_BUDGET,
                "the pause ran over its budget",
                seen=took,
                wanted=f"all of it within {self.span.total_seconds():.1f} s",
                hint="look at the longest part; run again when the servers are quieter "
                "or give `max_pause` more time",
            )
