"""One switchover: where traffic goes, and within which limits. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from bluegreen.model.clock import Clock
from bluegreen.model.codes import Code
from bluegreen.model.duration import format_duration
from bluegreen.model.errors import BluegreenError, BudgetError
from bluegreen.model.side import Side
from bluegreen.postgres.database import ServerGoneError
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.steps.switchover.limits import SwitchoverLimits

PARTS = (
    "pause",
    "fence",
    "marker",
    "look",
    "read_sequences",
    "catch_up",
    "sequences",
    "stop_stream",
    "commit",
)
"""Of a pause, in their order, up to the commit point."""


@dataclass(frozen=True, slots=True)
class Switchover:
    """Traffic goes to `to_side`; the other side is left and becomes the way back."""

    to_side: Side
    limits: SwitchoverLimits = field(default_factory=SwitchoverLimits)

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
        usual: what earlier pauses took, as the start of a hint.
        parts_s: seconds that each named part took, in order.
    """

    clock: Clock
    span: timedelta
    usual: str = ""
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

    def why(self, error: BluegreenError) -> BluegreenError:
        """What ended the pause: a session that we or the guard hung up is no fault.

        Args:
            error: as it came.
        """
        spent = self.started and self.spent_s > self.span.total_seconds()
        return (
            self._used_up() if spent and isinstance(error, ServerGoneError) else error
        )

    def _require(self, spent_s: float) -> None:
        if spent_s > self.span.total_seconds():
            raise self._used_up()

    def _used_up(self) -> BudgetError:
        took = ", ".join(f"{k} {v * 1000:.0f} ms" for k, v in self.parts_s.items())
        part, longest = self._longest()
        return BudgetError(
            Code.PAUSE_OVER_BUDGET,
            f"the pause ran over its budget, most of it in {part} "
            f"({longest * 1000:.0f} ms)",
            seen=took or f"{part} was not over",
            wanted=f"all of it within {format_duration(self.span)} (`max_pause`)",
            hint=f"{self.usual}`bluegreen explain BG-5001` says what a long {part} "
            "waits for; run again when it is quieter, or raise `max_pause`",
        )

    def _longest(self) -> tuple[str, float]:
        """The longest part so far, the one that is not over included."""
        parts = dict(self.parts_s)
        going_on = next((part for part in PARTS if part not in parts), "")
        if going_on:
            parts[going_on] = self.clock.monotonic() - self._mark
        return max(parts.items(), key=lambda one: one[1])
