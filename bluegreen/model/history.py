"""What a run of records means, as one value. A pure fold, nothing else.

It says what was done, never what is true now: that is always asked of the servers and
the pointers. Reading records is for `postgres/journal/table.py`, agreeing on which
records hold for `engine/journal.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from bluegreen.model import bodies
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.model.witness import Witness


@dataclass(frozen=True, slots=True)
class Move:
    """One movement of traffic, from the first pause on.

    Attributes:
        to_side: the side that traffic goes to.
        action: id of the action that makes it.
        run: the run that began it.
        begun: when the pause was announced.
        epoch: the epoch that its commit point made; 0 before the commit point.
        committed: when the commit point was passed, None before it.
        moved: whether every pointer was seen to name `to_side` afterwards.
        way_back_open: whether a marker was seen to come back the other way.
    """

    to_side: Side
    action: str
    run: str
    begun: datetime
    epoch: int = 0
    committed: datetime | None = None
    moved: bool = False
    way_back_open: bool = False


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's yes to one step, for the run that asked for it."""

    step: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """An act that raised: which, when, and the error's code and problem."""

    action: str
    run: str
    at: datetime
    code: int
    problem: str


@dataclass(frozen=True, slots=True)
class State:
    """All that the journal tells.

    Attributes:
        seq: number of the last record, 0 where there is none.
        epoch: how many moves were committed.
        serving: the side of the last commit point; blue before the first.
        pauses: how many pauses were announced, those that were backed out included.
        open_move: a move whose pause was announced and that neither committed nor
            backed out.
        last_move: the last move that committed.
        window_end: until when rollback is promised; None where no window is open.
        released: whether blue was given up as a way back.
        abandoned: whether the slot that fed the side that does not serve was dropped on
            purpose; that side lacks rows from then on.
        approvals: by step id; each ends with the attempt that it was given for.
        results: the last RESULT of each action.
        intents: intents that have neither a result nor a failure yet.
        failures: all failures, oldest first.
        runs: ids of all runs, oldest first.
        green: green's identity in the last run that told it.
        certificates: the record that holds the certificate, by the move's epoch.
        witness: how the subscriber was when it was last known to hold every row; see
            `model/witness.py`. None where nothing was proved: a move's commit record
            has it too.
    """

    seq: int = 0
    epoch: int = 0
    serving: Side = Side.BLUE
    pauses: int = 0
    open_move: Move | None = None
    last_move: Move | None = None
    window_end: datetime | None = None
    released: bool = False
    abandoned: bool = False
    approvals: Mapping[str, Approval] = field(default_factory=dict)
    results: Mapping[str, Record] = field(default_factory=dict)
    intents: Mapping[str, Record] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    runs: tuple[str, ...] = ()
    green: str = ""
    certificates: Mapping[int, Record] = field(default_factory=dict)
    witness: Witness | None = None

    @property
    def unfinished_move(self) -> Move | None:
        """The move that a new run must back out of, or finish, before all else."""
        if self.open_move is not None:
            return self.open_move
        last = self.last_move
        return last if last is not None and not last.moved else None


class Records(list[Record]):
    """Records, oldest first, that remember what they mean.

    Nothing is ever added to one: `followed_by` gives a longer one, which folds only
    what is new. So a look at the state costs the same on the first day and after a
    year.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        super().__init__(records)
        # One value: two threads may look at the same records.
        self._known = 0, State()

    def followed_by(self, more: Iterable[Record]) -> Records:
        """The same with more records at its end."""
        longer = Records((*self, *more))
        longer._known = self._known
        return longer

    @property
    def state(self) -> State:
        """What it means."""
        count, state = self._known
        if count < len(self):
            state = _fold(islice(self, count, None), state)
            self._known = len(self), state
        return state


def fold(records: Iterable[Record], start: State | None = None) -> State:
    """Fold records, oldest first, into what they mean.

    Folding records in two parts gives the same as folding all of them. A record of a
    move that does not say where to is an error (KeyError, ValueError), never a guess.
    """
    if start is None and isinstance(records, Records):
        return records.state
    return _fold(records, start or State())


def _fold(records: Iterable[Record], state: State) -> State:
    runs, failures, last = [], [], None
    for last in records:
        state = _WAYS[last.kind](_in_epoch(state, last.epoch), last)
        # Gathered here: a tuple that grows by one is copied each time.
        if last.kind is Kind.RUN_STARTED:
            runs.append(last.run)
        elif last.kind is Kind.FAILED:
            failures.append(_failure(last))
    if last is None:
        return state
    return replace(
        state,
        seq=last.seq,
        runs=(*state.runs, *runs),
        failures=(*state.failures, *failures),
    )


def with_green(state: State, green: str) -> State:
    """The state for the green of this identity.

    One that was made again holds nothing of what was done to the former one.
    """
    if state.green and green != state.green:
        state = replace(
            state,
            results={},
            intents={},
            approvals={},
            last_move=None,
            window_end=None,
            abandoned=False,
            witness=None,
        )
    return replace(state, green=green)


def _asked_anew(state: State) -> State:
    """A yes is for what the person saw: the next attempt asks again."""
    return replace(state, approvals={}) if state.approvals else state


def _in_epoch(state: State, epoch: int) -> State:
    if epoch <= state.epoch:
        return state
    return replace(_asked_anew(state), epoch=epoch)


def _run_started(state: State, record: Record) -> State:
    green = bodies.RunStarted.from_body(record.body).green
    return with_green(_asked_anew(state), green or state.green)


def _intent(state: State, record: Record) -> State:
    return replace(state, intents={**state.intents, record.action: record})


def _result(state: State, record: Record) -> State:
    return replace(
        _intent_over(state, record),
        results={**state.results, record.action: record},
        witness=_witness(state, record),
    )


def _failure(record: Record) -> Failure:
    error = bodies.Failed.from_body(record.body)
    return Failure(record.action, record.run, record.at, error.code, error.problem)


def _failed(state: State, record: Record) -> State:
    return _asked_anew(_intent_over(state, record))


def _intent_over(state: State, record: Record) -> State:
    left = {k: v for k, v in state.intents.items() if k != record.action}
    return replace(state, intents=left)


def _approved(state: State, record: Record) -> State:
    told = bodies.Approved.from_body(record.body)
    given = Approval(told.step, told.by, record.at)
    return replace(state, approvals={**state.approvals, told.step: given})


def _pausing(state: State, record: Record) -> State:
    return replace(state, pauses=state.pauses + 1, open_move=_begun(record))


def _committed(state: State, record: Record) -> State:
    to = bodies.Committing.from_body(record.body).to
    begun = state.open_move or _begun(record)
    done = replace(begun, to_side=to, epoch=record.epoch, committed=record.at)
    return replace(
        state,
        serving=to,
        open_move=None,
        last_move=done,
        window_end=None,
        witness=bodies.Witnessed.from_body(record.body).witness,
    )


def _begun(record: Record) -> Move:
    to = bodies.Pausing.from_body(record.body).to
    return Move(to, record.action, record.run, record.at)


def _backed_out(state: State, _: Record) -> State:
    return replace(_asked_anew(state), open_move=None)


def _moved(state: State, _: Record) -> State:
    return _on_last_move(state, lambda move: replace(move, moved=True))


def _way_back_open(state: State, record: Record) -> State:
    state = replace(state, witness=_witness(state, record))
    return _on_last_move(state, lambda move: replace(move, way_back_open=True))


def _on_last_move(state: State, change: Callable[[Move], Move]) -> State:
    last = state.last_move
    return state if last is None else replace(state, last_move=change(last))


def _certified(state: State, record: Record) -> State:
    epoch = bodies.Certified.from_body(record.body).epoch
    return replace(state, certificates={**state.certificates, epoch: record})


def _window_opened(state: State, record: Record) -> State:
    until = bodies.WindowOpened.from_body(record.body).until
    return replace(state, window_end=until)


def _released(state: State, _: Record) -> State:
    return replace(state, released=True)


def _abandoned(state: State, _: Record) -> State:
    return replace(state, abandoned=True)


def _note(state: State, record: Record) -> State:
    return replace(state, witness=_witness(state, record))


def _witness(state: State, record: Record) -> Witness | None:
    return bodies.Witnessed.from_body(record.body).witness or state.witness


_WAYS: Mapping[Kind, Callable[[State, Record], State]] = {
    Kind.RUN_STARTED: _run_started,
    Kind.INTENT: _intent,
    Kind.RESULT: _result,
    Kind.FAILED: _failed,
    Kind.APPROVED: _approved,
    Kind.PAUSING: _pausing,
    Kind.COMMITTED: _committed,
    Kind.BACKED_OUT: _backed_out,
    Kind.MOVED: _moved,
    Kind.WAY_BACK_OPEN: _way_back_open,
    Kind.CERTIFIED: _certified,
    Kind.WINDOW_OPENED: _window_opened,
    Kind.RELEASED: _released,
    Kind.ABANDONED: _abandoned,
    Kind.MONITORED: _note,
    Kind.NOTE: _note,
}
