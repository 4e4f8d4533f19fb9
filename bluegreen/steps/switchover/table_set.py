"""Is the set of tables the one that was judged? Asked before the pause, and behind it.

Owns noting the set before anything else of a move is judged, and holding what is there
against it right before the pause and again behind the fence, where nothing can change
any more. Reading it is in `postgres/replication/table_set.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bluegreen.model.accept import is_accepted
from bluegreen.model.bodies import Witnessed
from bluegreen.model.body import Body
from bluegreen.model.codes import Code
from bluegreen.model.errors import StepError
from bluegreen.model.history import State, fold
from bluegreen.model.record import Record
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Refused, Satisfied, Verdict
from bluegreen.model.witness import FOUND_OPEN, Witness
from bluegreen.postgres.replication.publication import (
    read_publication,
    subscribed_tables,
)
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.postgres.replication.table_set import (
    CatalogMark,
    TableSet,
    read_mark,
    read_table_prints,
    read_table_set,
    tables_changed,
    unfenced_tables,
    unready_tables,
)
from bluegreen.postgres.replication.witness import read_route, read_witness
from bluegreen.steps.action import Action, Result
from bluegreen.steps.monitors.drift import changed_things
from bluegreen.steps.monitors.follower import MonitorFollower
from bluegreen.steps.monitors.monitor import direction
from bluegreen.steps.switchover.switchover import Switchover
from bluegreen.steps.validation.age import Bound, Proved, age_ends, read_clocks
from bluegreen.steps.world import World

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class NotedFacts:
    """The set of tables now, and as it was noted.

    Attributes:
        moved: traffic has gone there already.
        now: in its short form.
        noted: the same as the journal has it; empty for none.
        unready: tables whose initial copy has not ended.
        lacking: published tables that the other side does not subscribe to.
        outlived: comparisons made since the last move that no longer hold, and why.
    """

    moved: bool
    now: str = ""
    noted: str = ""
    unready: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    outlived: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Noted(Body):
    """The result: the set of tables in its short form."""

    print: str = ""


class NoteTables(Action[NotedFacts]):
    """The set of tables that all later looks judge stands in the journal.

    Crash: the record is there or it is not.
    """

    no_undo = "it changes nothing on either side"
    patience = timedelta(minutes=10)

    def __init__(self, step_id: str, to_side: Side) -> None:
        super().__init__(step_id)
        self.to_side = to_side
        self.title = f"the tables of {to_side.other} are noted as they are"

    def observe(self, world: World) -> NotedFacts:
        """Both ends of the stream, and the journal."""
        state = fold(world.journal.records())
        if state.serving is self.to_side:
            return NotedFacts(moved=True)
        from_side, to_side = world.on(self.to_side.other), world.on(self.to_side)
        stream = ReplicationStream(world.name, self.to_side.other).name
        published = read_publication(from_side, stream) or ()
        subscribed = subscribed_tables(to_side, stream)
        return NotedFacts(
            moved=False,
            now=read_table_set(from_side, stream).print,
            noted=noted_print(state.results, self.id),
            unready=unready_tables(to_side, stream),
            lacking=tuple(
                f"{one.schema}.{one.name}"
                for one in published
                if (one.schema, one.name) not in subscribed
            ),
            outlived=outlived(
                state, read_route(from_side, to_side, stream), read_clocks(world)
            ),
        )

    def judge(self, facts: NotedFacts) -> Verdict:
        """Noted again whenever it changed, so that what follows judges this set."""
        if facts.moved:
            return Satisfied(f"{self.to_side} serves already")
        if facts.lacking:
            return Refused(
                Code.SWITCHOVER_BLOCKED,
                f"{self.to_side} does not receive {_listed(facts.lacking)}",
                seen=f"published on {self.to_side.other}, and not in {self.to_side}'s "
                "subscription",
                wanted="every published table subscribed and copied",
                hint=f"on {self.to_side}: ALTER SUBSCRIPTION … REFRESH PUBLICATION; "
                "then run again",
            )
        if facts.outlived:
            return Refused(
                Code.SWITCHOVER_BLOCKED,
                f"what {', '.join(facts.outlived)} proved no longer holds",
                seen="\n".join(dict.fromkeys(facts.outlived.values())),
                wanted="rows compared not long ago, over the stream that is there now",
                hint="run again: they are compared again",
            )
        if facts.unready:
            return NotYet(f"{_listed(facts.unready)}: the initial copy has not ended")
        if facts.now != facts.noted:
            return Needed("they are not noted as they are")
        return Satisfied("they are as noted")

    def act(self, world: World, facts: NotedFacts) -> Result:
        """Note them."""
        stream = ReplicationStream(world.name, self.to_side.other).name
        noted = Noted(read_table_set(world.on(self.to_side.other), stream).print)
        return noted.as_body()


def outlived(
    state: State, route: str, clocks: Mapping[Side, datetime]
) -> dict[str, str]:
    """Actions whose proof, of this epoch, holds no longer, and why. Pure.

    Args:
        state: as the journal tells it.
        route: the stream's route now.
        clocks: of both servers now.
    """
    ended = {}
    for action, result in state.results.items():
        if result.epoch != state.epoch:
            continue
        bound = Bound.from_body(result.body)
        if bound.route not in {None, route}:
            ended[action] = "the publication or the subscription was changed since"
        elif bound.lasts_s is not None and (
            why := age_ends(Proved.from_body(result.body), clocks)
        ):
            ended[action] = why
    return ended


def known_witness(world: World, to_side: Side, stream: str) -> Witness:
    """As the journal has it; as it is now where nothing was proved, or is asked for.

    Before a cutover that is what `replicate` noted, or the newest proof of its rows.
    """
    now = read_witness(world.on(to_side), stream)
    state = fold(world.journal.records())
    then = state.witness
    if then is None or then.side is not to_side or then.stream.startswith(FOUND_OPEN):
        return now
    proved = to_side is Side.BLUE or any(
        one.epoch == state.epoch and Witnessed.from_body(one.body).witness is not None
        for one in state.results.values()
    )
    where = direction(to_side.other)
    accepted = is_accepted(world.limits.accept, MonitorFollower.id, where)
    return then if proved and not accepted else now


def noted_print(results: Mapping[str, Record], action: str) -> str:
    """What `NoteTables` of this id left in the journal; empty for nothing. Pure."""
    result = results.get(action)
    return Noted.from_body(result.body).print if result else ""


@dataclass(frozen=True, slots=True)
class LastLook:
    """The set of tables as it was judged, to be held against what is there.

    Attributes:
        stream: name of the publication on the side that is left, and of the
            subscription on the other.
        mark: where the catalog stood right before the set was read.
        was: the set, in its short form.
        tables: the same table by table, for words.
        witness: the other side when it was last known to hold every row.
    """

    switchover: Switchover
    stream: str
    mark: CatalogMark
    was: TableSet
    tables: Mapping[str, str]
    witness: Witness

    @classmethod
    def before_pause(cls, world: World, switchover: Switchover, noted: str) -> LastLook:
        """Look while clients are served, and stop here rather than in the pause.

        Args:
            world: the handles.
            switchover: where to.
            noted: the set that was judged; empty to take the one that is there.

        Raises:
            StepError: 4011, naming what changed, has no trigger or is not copied.
        """
        from_side = world.on(switchover.from_side)
        stream = switchover.stream(world.name).name
        mark, now = read_mark(from_side), read_table_set(from_side, stream)
        prints = read_table_prints(from_side, stream)
        known = known_witness(world, switchover.to_side, stream)
        look = cls(switchover, stream, mark, now, prints, known)
        if noted and now.print != noted:
            raise look._changed(changed_things(world, switchover.from_side))
        if unfenced := unfenced_tables(from_side):
            raise look._unfenced(unfenced)
        look.require_copied(world)
        return look

    def require_unchanged(self, world: World) -> None:
        """Ask the side that is left again, behind its fence.

        Raises:
            StepError: 4011, naming the tables.
        """
        from_side = world.on(self.switchover.from_side)
        if read_mark(from_side, self.mark).rows == self.mark.rows:
            return
        now = read_table_set(from_side, self.stream)
        if now.print != self.was.print:
            found = read_table_prints(from_side, self.stream)
            raise self._changed(tables_changed(self.tables, found))
        if now.unfenced != self.was.unfenced:
            raise self._unfenced(unfenced_tables(from_side))

    def require_copied(self, world: World) -> None:
        """Ask the other side whether every table streams, and nothing was skipped.

        Raises:
            StepError: 4011, naming what does not.
        """
        to_side = self.switchover.to_side
        if not self.witness.is_same_stream(
            read_witness(world.on(to_side), self.stream)
        ):
            raise self._skipped()
        if unready := unready_tables(world.on(to_side), self.stream):
            raise StepError(
                Code.SWITCHOVER_BLOCKED,
                f"{to_side} has not copied all tables yet",
                seen=f"the initial copy has not ended: {_listed(unready)}",
                wanted="every table of the subscription ready before traffic moves",
                hint=f"see the copy's progress in `bluegreen status` and its errors in "
                f"{to_side}'s log; then run again",
            )

    def _skipped(self) -> StepError:
        to_side, from_side = self.switchover.to_side, self.switchover.from_side
        again = "rollback PLAYBOOK --prove" if to_side is Side.BLUE else "run"
        return StepError(
            Code.SWITCHOVER_BLOCKED,
            f"{to_side} may lack a transaction of {from_side}",
            seen=f"the subscription on {to_side} failed and was altered since the rows "
            f"of {to_side} were last known to be whole",
            wanted="a stream from which nothing was skipped",
            hint="did someone run ALTER SUBSCRIPTION … SKIP while the move was made "
            f"ready? Run `bluegreen {again}`: it compares the rows first",
        )

    def _changed(self, found: Sequence[str]) -> StepError:
        from_side = self.switchover.from_side
        return StepError(
            Code.SWITCHOVER_BLOCKED,
            f"the tables of {from_side} changed while the move was made ready",
            seen=_listed(found) or f"a table's part in the publication {self.stream}",
            wanted="the tables, columns and publication that were judged",
            hint="was it a deploy, or a task that makes partitions? When it is over, "
            "run again: the new set is judged then",
        )

    def _unfenced(self, found: Sequence[str]) -> StepError:
        from_side = self.switchover.from_side
        return StepError(
            Code.SWITCHOVER_BLOCKED,
            f"{from_side} would go on taking writes: {_listed(found)}",
            seen="no enabled trigger `bluegreen_fence`",
            wanted=f"every table of {from_side} refuses writes before traffic moves",
            hint="did someone run ALTER TABLE … DISABLE TRIGGER ALL? Run again; the "
            "triggers are enabled first",
        )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
