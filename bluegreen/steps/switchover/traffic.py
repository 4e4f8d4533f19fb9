"""The action that moves traffic. Owns what happens around the pause and after it.

The sequence inside is in `pause.py`; backing out and finishing in `recover.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

from bluegreen.model import bodies
from bluegreen.model.codes import Code
from bluegreen.model.errors import (
    BluegreenError,
    LeaseRefused,
    TrafficUnknownError,
)
from bluegreen.model.hazard import Hazard
from bluegreen.model.progress import Progress
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Refused, Satisfied, Verdict
from bluegreen.pointers.all_poolers import apart, move_all, resume_all
from bluegreen.pointers.client_probe import ClientProbe
from bluegreen.postgres.catalog.identity import read_identity
from bluegreen.postgres.hang_up import hung_up_after
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.postgres.replication.witness import read_witness
from bluegreen.postgres.sync_wait import name_standby, require_commits_return
from bluegreen.steps.action import Action, Result
from bluegreen.steps.switchover.inconsistencies import (
    TrafficFacts,
    find_inconsistencies,
    read_traffic,
)
from bluegreen.steps.switchover.names import lead_by_name, told_of_names
from bluegreen.steps.switchover.newest import (
    end_late_pause,
    read_state,
    require_newest,
    while_newest,
)
from bluegreen.steps.switchover.pause import Committed, Ready, go_through, made_ready
from bluegreen.steps.switchover.recover import claim_back_out, open_again, recover
from bluegreen.steps.switchover.reverse_stream import StartReverseStream
from bluegreen.steps.switchover.switchover import Switchover
from bluegreen.steps.switchover.table_set import NoteTables, noted_print
from bluegreen.steps.world import World

GUARD_GRACE = timedelta(milliseconds=250)
"""The tool backs out by itself at the budget's end; the guard only when it did not."""

ANSWER_WITHIN = timedelta(seconds=1)
"""How long a server may take to say whose the newest pause is; half of the default
pause, and far above a round trip."""


class SwitchTraffic(Action[TrafficFacts]):
    """Clients are served by the wanted side.

    Crash: before the commit point the guard, or the next run, backs out and the side
    that was left serves again; after it they finish. Clients wait at most for the
    budget.
    """

    hazards: ClassVar[frozenset[Hazard]] = frozenset(
        {Hazard.STOPS_WRITES, Hazard.MOVES_TRAFFIC}
    )
    no_undo = "`bluegreen rollback` is the way back"
    critical = True

    def __init__(self, step_id: str, switchover: Switchover) -> None:
        super().__init__(step_id)
        self.switchover = switchover
        self.title = f"{switchover.to_side} serves all clients"

    def observe(self, world: World) -> TrafficFacts:
        """Where traffic goes, as servers and pointers say."""
        return read_traffic(world)

    def judge(self, facts: TrafficFacts) -> Verdict:
        """Done when the commit record says so and nothing is left loose."""
        to_side, state = self.switchover.to_side, facts.state
        ends = find_inconsistencies(facts)
        if state.serving is not to_side:
            wrong = [
                n for n, p in facts.pointers.items() if p.names is not to_side.other
            ]
            if wrong and not ends:
                return Refused(
                    Code.POINTER_ELSEWHERE,
                    f"pointer {wrong[0]} does not name {to_side.other}",
                )
            return Needed(f"{state.serving} serves")
        recorded = state.last_move is not None and state.last_move.moved
        if ends or not recorded:
            return Needed("; ".join(ends) or "the move is not confirmed yet")
        return Satisfied(f"{to_side} serves since epoch {state.epoch}")

    def act(self, world: World, facts: TrafficFacts) -> Result:
        """Move, or finish a move that was committed.

        Whatever fails behind the commit point, the way back is opened first.
        """
        try:
            return self._switch(world, facts)
        except LeaseRefused:
            raise
        except BluegreenError:
            with suppress(BluegreenError):
                self._open_way_back(world)
            raise

    def _open_way_back(self, world: World) -> None:
        if read_state(world).serving is not self.switchover.to_side:
            return
        step = self.id.partition("/")[0]
        start = StartReverseStream(step, self.switchover.to_side)
        facts = start.observe(world)
        if isinstance(start.judge(facts), Needed):
            start.act(world, facts)

    def _switch(self, world: World, facts: TrafficFacts) -> Result:
        if facts.state.serving is self.switchover.to_side:
            return self._confirm(world, bodies.Pause(), recover(world))
        world.require_lease()
        with (
            world.guard(self.switchover.limits.max_pause + GUARD_GRACE) as begin_guard,
            made_ready(world, self.switchover, self._noted(facts)) as ready,
            self._probe(world) as probe,
        ):
            begin_guard()
            pause, committed = self._through(world, ready, begin_guard)
            self._lead_clients(world, ready, pause)
            felt = probe.stop() if probe else None
        took = _timings(ready, committed)
        if felt is not None:
            took = replace(
                took,
                longest_gap_ms=round(felt.longest_gap_s * 1000, 1),
                client_errors=tuple(felt.errors)[:20],
            )
        took = told_of_names(world.pointers, took)
        return self._confirm(world, took, pause, committed)

    def _noted(self, facts: TrafficFacts) -> str:
        step = self.id.partition("/")[0]
        return noted_print(facts.state.results, f"{step}/{NoteTables.name()}")

    def _through(
        self, world: World, ready: Ready, require_monitored: Callable[[], None]
    ) -> tuple[int, Committed | None]:
        """Go through the pause; None when only the commit record is known.

        Returns:
            The number of the record that announced the pause, and what came of it.
        """
        world.point("move/ready")
        # Making ready took a second or more: time enough to lose the lease.
        world.require_lease()
        pause = 0
        try:
            with hung_up_after(
                self.switchover.limits.max_pause, ready.from_side, ready.to_side
            ):
                body = self._commit_body(world)
                require_commits_return(
                    ready.from_side, ready.to_side, code=Code.SWITCHOVER_BLOCKED
                )
                pause = self._announce(world)
                draft = world.journal.draft(Kind.COMMITTED, action=self.id, body=body)
                return pause, go_through(
                    world, self.switchover, ready, draft, require_monitored
                )
        except BluegreenError as error:
            error = ready.budget.why(error)
            # They may be what broke, and a silent session would hold us up again.
            ready.from_side.close()
            ready.to_side.close()
            name_standby(error, world.blue, world.green)
            try:
                self._end_pause(world, ready, pause, error)
            except LeaseRefused as refused:
                if ready.asked_to_pause and end_late_pause(world):
                    refused.seen += "\nthis run's PAUSE came late; it is taken back"
                    # It did touch something.
                    refused.traffic = refused.traffic.partition(";")[0]
                raise
            return pause, None

    def _commit_body(self, world: World) -> Result:
        """What the commit record says; the witness is the side that will follow.

        It may be restarted, or a table be unpublished for a while, before the reverse
        stream starts; that shows against what stood before the commit point only.
        """
        from_side, to_side = (
            world.on(self.switchover.from_side),
            world.on(self.switchover.to_side),
        )
        reverse = ReplicationStream(world.name, self.switchover.to_side).name
        return bodies.Committing(
            self.switchover.to_side,
            {side: read_identity(world.on(side)).id for side in Side},
            read_witness(from_side, reverse, to_side),
        ).as_body()

    def _end_pause(
        self, world: World, ready: Ready, pause: int, error: BluegreenError
    ) -> None:
        """Back out, and raise `error`; it returns where the move was committed."""
        if not ready.asked_to_commit:
            self._back_out(world, pause, error)
            raise error
        require_newest(world, pause)
        claim_back_out(world, pause)
        if read_state(world).serving is self.switchover.to_side:
            ready.budget.mark("commit")
            return
        recover(world)
        error.traffic = self._backed_out
        raise error

    def _announce(self, world: World) -> int:
        body = bodies.Pausing(self.switchover.to_side).as_body()
        return world.journal.append(Kind.PAUSING, action=self.id, body=body).seq

    def _back_out(self, world: World, pause: int, error: BluegreenError) -> None:
        """Nothing was asked to commit: clients come first, the journal after them."""
        if not pause:
            return
        open_again(world, self.switchover.from_side, pause)
        error.traffic = self._backed_out
        try:
            claim_back_out(world, pause)
            recover(world)
        except TrafficUnknownError as unsaid:
            # The next run, or the guard, tells the journal.
            off = (
                f"the stream to {self.switchover.to_side} may be off until the next "
                f"run; {self.switchover.from_side} keeps WAL for it"
            )
            error.seen = "\n".join(filter(None, (error.seen, unsaid.seen, off)))

    @property
    def _backed_out(self) -> str:
        return f"{self.switchover.from_side} (backed out, nothing has moved)"

    def _lead_clients(self, world: World, ready: Ready, pause: int) -> None:
        """Clients who wait come first, then those whom nothing holds back.

        Raises:
            LeaseRefused: 8001.
            TrafficUnknownError: 7001.
        """
        _, names = apart(world.pointers)
        try:
            self._let_clients_in(world, ready, pause)
        except TrafficUnknownError:
            with suppress(TrafficUnknownError):
                lead_by_name(world, names, self.switchover.to_side, pause)
            raise
        lead_by_name(world, names, self.switchover.to_side, pause)

    def _let_clients_in(self, world: World, ready: Ready, pause: int) -> None:
        """Each part asks first: a tool that was stopped may wake up after other moves.

        Raises:
            LeaseRefused: 8001.
        """
        to_side = self.switchover.to_side
        held, _ = apart(world.pointers)
        self._while_newest(world, pause, lambda: move_all(held, to_side))
        ready.budget.mark("pointer")
        world.point("move/pointed")
        self._while_newest(world, pause, lambda: resume_all(held))
        ready.budget.mark("resume")
        world.point("move/resumed")

    def _while_newest(self, world: World, pause: int, act: Callable[[], None]) -> None:
        # A server that fell silent right behind its commit must not hold clients up.
        with hung_up_after(ANSWER_WITHIN, world.blue, world.green):
            while_newest(
                world, pause, act, (self.switchover.to_side, self.switchover.from_side)
            )

    def _probe(self, world: World) -> AbstractContextManager[ClientProbe | None]:
        clients = [pointer.client for pointer in world.pointers if pointer.client]
        if not self.switchover.limits.probe or not clients:
            return nullcontext()
        return ClientProbe.running(clients[0])

    def _confirm(
        self,
        world: World,
        took: bodies.Pause,
        pause: int,
        committed: Committed | None = None,
    ) -> Result:
        """See through every pointer that the wanted side answers."""
        require_newest(world, pause)
        world.journal.reconcile()
        wanted = read_identity(world.on(self.switchover.to_side)).id
        for pointer in world.pointers:
            reached = pointer.probe()
            if reached not in {wanted, ""}:
                # It may have been moved on while this was asked.
                require_newest(world, pause)
                raise TrafficUnknownError(
                    Code.TRAFFIC_UNKNOWN,
                    f"a client that comes through pointer {pointer.id} does not "
                    f"reach {self.switchover.to_side}",
                    seen=f"it reached the database with identity {reached}",
                    wanted=f"identity {wanted}",
                    traffic=f"{self.switchover.to_side}, by the commit record",
                    hint="look at the pooler's SHOW DATABASES and SHOW SERVERS. By "
                    f"hand: {pointer.by_hand(self.switchover.to_side)}",
                )
        to_side, result = self.switchover.to_side, took.as_body()
        told = bodies.Moved(
            to=to_side,
            pointers=tuple(pointer.id for pointer in world.pointers),
            sequence_values=None if committed is None else committed.values,
            sequences_left=(committed and committed.left) or None,
        )
        body = {**result, **told.as_body()}
        world.journal.append(Kind.MOVED, action=self.id, body=body)
        world.tell(_moved(to_side, took))
        return result


def _timings(ready: Ready, committed: Committed | None) -> bodies.Pause:
    parts = {k: round(v * 1000, 1) for k, v in ready.budget.parts_s.items()}
    total = round(sum(parts.values()), 1)
    took = bodies.Pause(pause_ms=total, parts_ms=parts)
    if committed is None:
        return took
    return replace(took, sequences=len(committed.values), origin=committed.origin)


def _moved(to_side: Side, took: bodies.Pause) -> Progress:
    pause = took.pause_ms
    text = f"{to_side} serves" + (f"; the pause took {pause:.0f} ms" if pause else "")
    if took.not_held:
        text += (
            f"; clients of {', '.join(took.not_held)} were not held back: they meet "
            "errors until they reconnect"
        )
    return Progress("traffic_moved", text, values=took.as_body())
