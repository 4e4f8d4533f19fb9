"""Monitor: are both servers the ones that they were, on the same timeline?

Owns what a failover, a restore or an exchanged machine looks like, and remembering at
first sight how both servers were. Reading is in `postgres/catalog/server_life.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from bluegreen.model.bodies import Monitored, remembered_by
from bluegreen.model.finding import Blocks, Figure, Finding, Severity
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Satisfied, Verdict
from bluegreen.postgres.catalog.server_life import ServerLife, read_server_life
from bluegreen.postgres.replication.stream import (
    ReplicationStream,
    read_slot,
    read_subscription,
)
from bluegreen.steps.action import Action, Result
from bluegreen.steps.monitors.limits import Limits
from bluegreen.steps.monitors.monitor import Monitor, Round, weigh
from bluegreen.steps.world import World

ID = "servers"


@dataclass(frozen=True, slots=True)
class LifeTold:
    """A server's life as the journal has it.

    Attributes:
        system: as text: JSON in other hands has no integers of 64 bits.
    """

    system: str
    timeline: int
    identity: str


@dataclass(frozen=True, kw_only=True)
class ServersRemembered(Monitored):
    """Of MONITORED: both servers as they were."""

    monitor: str = ID
    sides: Mapping[Side, LifeTold]


@dataclass(frozen=True, slots=True)
class LifeFacts:
    """A server as it is, and as it was at first sight.

    Attributes:
        then: None before it was remembered.
        proved: its timeline when rows were last compared; None where they were not.
    """

    side: Side
    now: ServerLife
    then: ServerLife | None
    serving: Side
    proved: int | None = None


class MonitorServers(Monitor[LifeFacts]):
    """Neither side failed over, was restored or exchanged since the stream was made."""

    id: ClassVar[str] = ID
    if_unknown: ClassVar[Blocks] = Blocks.SWITCHOVER

    def places(self, world: Round) -> tuple[Side, ...]:
        """Both; green alone once blue was released."""
        return (Side.GREEN,) if world.state.released else tuple(Side)

    def observe(self, world: Round, side: Side) -> LifeFacts | None:
        """The server's own words, and the journal's."""
        now = read_server_life(world.on(side))
        then = remembered(world.remembered, world.state.green).get(side)
        witness = world.state.witness
        proved = witness.timelines.get(side) if witness else None
        return LifeFacts(side, now, then, world.state.serving, proved)

    def judge(self, facts: LifeFacts, limits: Limits) -> Iterator[Finding]:
        """Any change since then may have cost rows that nothing reports."""
        figure = Figure(
            "timeline",
            facts.now.timeline,
            "Timeline of the server's WAL.",
            {"side": str(facts.side)},
        )
        yield self.say(str(facts.side), _weigh(facts), (figure,))


def _weigh(facts: LifeFacts) -> Finding:
    if changes := _changes(facts):
        return weigh(Severity.CRITICAL, "; ".join(changes), _do(facts), Blocks.RUN)
    if moved := _failed_over(facts):
        return weigh(
            Severity.CRITICAL, moved, _do_after_failover(facts), Blocks.SWITCHOVER
        )
    words = f"the server that it was, timeline {facts.now.timeline}"
    if facts.then is None:
        words = "how it was at first is not in the journal yet"
    return weigh(Severity.OK, words)


def _changes(facts: LifeFacts) -> list[str]:
    now, then = facts.now, facts.then
    found = []
    if now.in_recovery:
        found.append("it is a standby now and takes no writes")
    if then is None:
        return found
    if now.system != then.system:
        found.append(f"another cluster answers: {now.system}, it was {then.system}")
    if now.identity != then.identity:
        said = now.identity or "none"
        found.append(f"another database answers: identity {said}, not {then.identity}")
    return found


def _failed_over(facts: LifeFacts) -> str:
    """A standby took over, or the server was restored; empty where rows tell more.

    Its journal lacks nothing, or no look would have come this far. Whether rows behind
    the journal's last record are missing shows only in the rows.
    """
    now, then = facts.now, facts.then
    if then is None or now.timeline in {then.timeline, facts.proved}:
        return ""
    return (
        f"timeline {now.timeline}, it was {then.timeline}: the server failed over or "
        "was restored; its rows were not compared since"
    )


def _do_after_failover(facts: LifeFacts) -> str:
    if facts.serving is Side.GREEN:
        return "`bluegreen rollback PLAYBOOK --prove` compares every row before it goes"
    return (
        "run again with a step `validate` before the cutover: it compares every row. "
        "Where you know that nothing is missing, accept the finding servers"
    )


def _do(facts: LifeFacts) -> str:
    return (
        f"see that the address leads to the right {facts.side}, and that it takes "
        "writes. If another server is meant to be it from now on, make it from scratch"
    )


def remembered(records: Sequence[Record], green: str = "") -> Mapping[Side, ServerLife]:
    """Both servers as the journal's newest record of them tells. Pure.

    Nothing where it tells of another green than the one of this identity.
    """
    told = next(remembered_by(ID, records), None)
    if told is None:
        return {}
    sides = ServersRemembered.from_body(told.body).sides
    if green and sides[Side.GREEN].identity != green:
        return {}
    return {
        side: ServerLife(int(life.system), life.timeline, life.identity)
        for side, life in sides.items()
    }


@dataclass(frozen=True, slots=True)
class RememberedLives:
    """Both servers as they are and as the journal tells; whether anything streams."""

    now: Mapping[Side, ServerLife]
    then: Mapping[Side, ServerLife]
    streams: bool


class RememberServers(Action[RememberedLives]):
    """Which lives of both servers the stream is made between stands in the journal.

    As long as nothing streams, a failover costs nothing, and the new life is the one to
    hold on to. So it is for a green that was made again.

    Crash: the record is there or it is not.
    """

    title = "both servers are remembered as they are"
    no_undo = "it changes nothing on either side"

    def observe(self, world: World) -> RememberedLives:
        """The servers, the journal, and the streams."""
        return RememberedLives(
            {side: read_server_life(world.on(side)) for side in Side},
            remembered(world.journal.records()),
            _streams(world),
        )

    def judge(self, facts: RememberedLives) -> Verdict:
        """What a stream was made between is not replaced: the monitor tells of it."""
        if not facts.then:
            return Needed("they do not stand in the journal yet")
        if facts.then[Side.GREEN].identity != facts.now[Side.GREEN].identity:
            return Needed("green was made again")
        if not facts.streams and facts.then != facts.now:
            return Needed("a server has changed, and nothing streams yet")
        return Satisfied("they stand in the journal")

    def act(self, world: World, facts: RememberedLives) -> Result:
        """Write them down."""
        sides = {
            side: LifeTold(str(life.system), life.timeline, life.identity)
            for side, life in facts.now.items()
        }
        body = ServersRemembered(sides=sides).as_body()
        world.journal.append(Kind.MONITORED, action=self.id, body=body)
        return {}


def _streams(world: World) -> bool:
    names = [
        (publisher, ReplicationStream(world.name, publisher).name) for publisher in Side
    ]
    return any(
        read_slot(world.on(publisher), name) is not None
        or read_subscription(world.on(publisher.other), name) is not None
        for publisher, name in names
    )
