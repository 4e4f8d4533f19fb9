"""Green is still whole at the cutover, also where the playbook has no step `validate`.

Owns noting how green's server and its stream were when the copy had ended, and
comparing rows before traffic moves where they are not so any more. A planned restart
and a disk that was set back look alike, so the rows decide. What is noted is in
`postgres/replication/witness.py`; the monitor `follower` asks it again right before the
pause.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bluegreen.model.accept import is_accepted
from bluegreen.model.bodies import Witnessed
from bluegreen.model.hazard import Hazard
from bluegreen.model.history import fold
from bluegreen.model.progress import Progress
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Satisfied, Verdict
from bluegreen.postgres.replication.stream import ReplicationStream, read_subscription
from bluegreen.postgres.replication.witness import read_witness
from bluegreen.steps.contract import Action, Result
from bluegreen.steps.monitors.follower import MonitorFollower
from bluegreen.steps.monitors.monitor import direction
from bluegreen.steps.validation.rows import CompareRows
from bluegreen.steps.world import World

WITHIN = timedelta(hours=6)
WORKERS = 2


@dataclass(frozen=True, slots=True)
class NotedFollower:
    """What the journal tells of green, and whether its copy has ended."""

    moved: bool
    ready: bool = False
    known: bool = False


class NoteFollower(Action[NotedFollower]):
    """How green was when it first held every row stands in the journal.

    It is never noted again: what has changed since is a doubt, which only comparing
    rows ends.

    Crash: the record is there or it is not.
    """

    title = "green is noted as it is"
    no_undo = "it changes nothing on either side"

    def observe(self, world: World) -> NotedFollower:
        """The journal and the subscription."""
        state = fold(world.journal.records())
        if state.serving is Side.GREEN:
            return NotedFollower(moved=True)
        now = read_subscription(
            world.green, ReplicationStream(world.name, Side.BLUE).name
        )
        noted = state.witness
        known = noted is not None and noted.side is Side.GREEN
        return NotedFollower(False, now is not None and now.is_ready, known)

    def judge(self, facts: NotedFollower) -> Verdict:
        """Once, when the copy has ended."""
        if facts.moved:
            return Satisfied("green serves already")
        if facts.known:
            return Satisfied("it stands in the journal")
        if not facts.ready:
            return NotYet("the initial copy has not ended")
        return Needed("it does not stand in the journal yet")

    def act(self, world: World, facts: NotedFollower) -> Result:
        """Note the server's start, the subscription and what is published."""
        name = ReplicationStream(world.name, Side.BLUE).name
        return Witnessed(read_witness(world.green, name, world.blue)).as_body()


def doubt_of_green(world: World) -> str:
    """Why rows of green may be missing; empty where what was noted still stands."""
    state = fold(world.journal.records())
    then = state.witness
    if state.serving is Side.GREEN or then is None or then.side is not Side.GREEN:
        return ""
    name = ReplicationStream(world.name, Side.BLUE).name
    if then.holds(read_witness(world.green, name, world.blue, then)):
        return ""
    return (
        "green was restarted, its stream was altered, or a server failed over since "
        "its rows were last known to be whole"
    )


def noted_again(world: World) -> dict[str, Any]:
    """What an action of ours leaves in its result that has changed the stream itself.

    Only for where `doubt_of_green` was empty right before; nothing before the first
    note.
    """
    noted = fold(world.journal.records()).witness
    if noted is None or noted.side is not Side.GREEN:
        return {}
    name = ReplicationStream(world.name, Side.BLUE).name
    return Witnessed(read_witness(world.green, name, world.blue)).as_body()


class ProveGreen(Action[str]):
    """Every row of blue is on green, or no row is in doubt.

    Crash: nothing was changed but marker rows; the proof is made again.
    """

    title = "no row of green is in doubt"
    hazards = frozenset({Hazard.LOADS_BLUE})
    no_undo = "a proof changes nothing"

    def observe(self, world: World) -> str:
        """Why rows must be compared; empty where what was noted still stands."""
        accepted = is_accepted(
            world.limits.accept, MonitorFollower.id, direction(Side.BLUE)
        )
        return "" if accepted else doubt_of_green(world)

    def judge(self, facts: str) -> Verdict:
        """Satisfied while nothing has happened to green."""
        return Needed(facts) if facts else Satisfied("nothing has happened to it")

    def act(self, world: World, facts: str) -> Result:
        """Compare every table that the stream feeds.

        Raises:
            StepError: 4005, naming the rows that differ.
        """
        world.tell(Progress("rows_in_doubt", f"{facts}: every row is compared"))
        return CompareRows(self.id, "checksum", WORKERS, WITHIN).prove(world)
