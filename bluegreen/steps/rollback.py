"""Rollback: the movement the other way round, and what must hold before it.

Owns the list of its actions and the look whether blue can take over. It is no step of a
playbook: a person asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bluegreen.model.codes import Code
from bluegreen.model.duration import format_duration
from bluegreen.model.history import State, fold
from bluegreen.model.side import Side
from bluegreen.model.verdict import NotYet, Refused, Satisfied, Verdict
from bluegreen.postgres.replication.following import Following, check_following
from bluegreen.postgres.replication.stream import (
    ReplicationStream,
    SlotFacts,
    SubscriptionFacts,
    read_slot,
    read_subscription,
)
from bluegreen.steps.action import Waiting
from bluegreen.steps.compatibility.rollback_fit import CheckFit
from bluegreen.steps.contract import Action
from bluegreen.steps.switchover.limits import SwitchoverLimits
from bluegreen.steps.switchover.order import (
    actions_of_switchover,
    actions_that_finish,
)
from bluegreen.steps.switchover.recover import RecoverSwitchover
from bluegreen.steps.switchover.reverse_stream import StartReverseStream
from bluegreen.steps.switchover.switchover import Switchover
from bluegreen.steps.validation.way_back import ProveWayBack
from bluegreen.steps.world import World

KEY = "rollback"


def actions_of_rollback(
    limits: SwitchoverLimits,
    state: State,
    gates: Sequence[Action[Any]] = (),
    *,
    prove: bool = False,
) -> tuple[Action[Any], ...]:
    """Finish what was cut short, prove the way back, move to blue.

    `gates` come last before traffic moves. With `prove` every row is compared first
    where blue may lack some.

    Where blue serves, only what was cut short is left to do. Once it was released it
    may be gone, so only the refusal is left.
    """
    if state.released:
        return (CheckWayBack(KEY),)
    if state.serving is Side.BLUE:
        return (RecoverSwitchover(KEY), *actions_that_finish(KEY, state))
    first: tuple[Action[Any], ...] = (
        # Before the stream's own health: the rows that hold it up say more.
        CheckFit(KEY),
        CheckWayBack(KEY),
        # Whether clients are served on green is nothing that the way to blue needs.
        # Its id is its own: the same action makes the movement to blue.
        StartReverseStream(f"{KEY}-first", Side.GREEN),
        *((ProveWayBack(KEY),) if prove else ()),
    )
    return (
        RecoverSwitchover(KEY),
        *actions_of_switchover(KEY, Switchover(Side.BLUE, limits), gates, first),
    )


@dataclass(frozen=True, slots=True)
class WayBackHealth:
    """Whether blue follows green.

    Attributes:
        state: what the journal tells.
        subscription: blue's subscription to green.
        slot: the slot on green that feeds it.
        following: how blue keeps up; None where the stream is not on.
    """

    state: State
    subscription: SubscriptionFacts | None = None
    slot: SlotFacts | None = None
    following: Following | None = None


class CheckWayBack(Waiting[WayBackHealth]):
    """Blue has followed green since the cutover, so it can take over.

    Crash: nothing is changed.
    """

    title = "blue can take over"
    patience = timedelta(seconds=30)

    def observe(self, world: World) -> WayBackHealth:
        """Journal, subscription and slot, and for some seconds how blue keeps up."""
        state = fold(world.journal.records())
        if state.released or state.serving is Side.BLUE:
            return WayBackHealth(state)
        name = ReplicationStream(world.name, Side.GREEN).name
        subscription = read_subscription(world.blue, name)
        slot = read_slot(world.green, name)
        following = None
        if slot is not None and subscription is not None and subscription.enabled:
            following = check_following(world.green, world.blue, name, world.clock)
        return WayBackHealth(state, subscription, slot, following)

    def judge(self, facts: WayBackHealth) -> Verdict:
        """No data may stay behind: a broken stream refuses."""
        if facts.state.released:
            return Refused(
                Code.ROLLBACK_NOT_OPEN,
                "blue was released and is no way back any more",
                seen="the journal tells of the release",
                wanted="a rollback before `bluegreen decommission`",
                hint="restore the final backup, or move forward on green",
            )
        if facts.state.serving is Side.BLUE:
            return Satisfied("blue serves")
        if facts.subscription is None or facts.slot is None:
            gone = "subscription on blue" if facts.slot else "slot on green"
            return Refused(
                Code.ROLLBACK_LOSES_DATA,
                "blue does not hold what was written on green",
                seen=f"the {gone} is gone",
                wanted="the stream from green to blue, unbroken since the cutover",
                hint="was it dropped, or green failed over? Blue must be made again",
            )
        if facts.slot.wal_status == "lost":
            return Refused(
                Code.ROLLBACK_LOSES_DATA,
                "blue does not hold what was written on green",
                seen="the slot on green has lost WAL that blue still needs",
                wanted="a slot that kept everything since the cutover",
                hint="blue must be made again; raise max_slot_wal_keep_size on green",
            )
        return _keeps_up(facts.following)


def _keeps_up(following: Following | None) -> Verdict:
    if following is None:
        return Satisfied("blue's subscription waits to be enabled")
    if following.caught_up:
        return Satisfied("blue follows green")
    if following.stayed_up and not following.errors:
        return NotYet("blue has not applied all of green's changes yet")
    errors = f", {following.errors} errors" if following.errors else ""
    return Refused(
        Code.ROLLBACK_LOSES_DATA,
        "blue does not hold what was written on green",
        seen="the apply worker on blue does not stay up: "
        f"{format_duration(following.seconds)} looked at{errors}",
        wanted="every change on green applied on blue",
        hint="its reason is the last ERROR of a logical replication worker in blue's "
        "log; was a row written on blue by hand? Fix that, then run "
        "`bluegreen rollback --check`",
    )
