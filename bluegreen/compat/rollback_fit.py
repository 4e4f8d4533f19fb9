"""What a look at the way back means: yes, no with the rows, or unknown. Pure.

Owns the values and the words. Looking is for `compat/probe/rollback_fit.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from shlex import quote

from bluegreen.compat.rules.rule import RULES
from bluegreen.compat.verdict import Answer, Verdict, id_and_where
from bluegreen.model.accept import entries
from bluegreen.model.counted import counted
from bluegreen.model.duration import format_bytes
from bluegreen.postgres.replication.sequence_ranges import SequenceMisfit, Tightness

IN_STEP_BYTES = 1 << 20
"""A stream that is less behind applies; what it has not applied comes with the next
look."""


MOST_COUNTED = 10_000
"""Rows that stay behind are counted up to here: more says the same."""


class Fits(StrEnum):
    """Whether a rollback would fit blue."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Stream:
    """The stream from green to blue.

    Attributes:
        present: subscription and slot are there.
        enabled: the subscription is meant to run.
        runs: its apply worker lives at this moment.
        behind_bytes: WAL of green that blue has not confirmed.
        errors: failed applies since the server counts; None before 15.
        pid: that of the apply worker; None where none lives.
    """

    present: bool
    enabled: bool = False
    runs: bool = False
    behind_bytes: int | None = None
    errors: int | None = None
    pid: int | None = None

    @property
    def in_step(self) -> bool:
        """What was written on green, but for the last moment, has gone into blue."""
        behind = self.behind_bytes
        return self.runs and behind is not None and behind < IN_STEP_BYTES

    @property
    def stuck(self) -> bool:
        """It does not get on: a worker that fails lives for a moment each time."""
        return self.present and not self.in_step and not (self.runs and not self.errors)


@dataclass(frozen=True, slots=True)
class Misfit:
    """Rows on green that blue does not take, or takes and is broken by.

    Attributes:
        rule: the rule of `compat`.
        where: table and column, constraint or index.
        count: how many, up to 1,000.
        rows: keys of some of them.
    """

    rule: str
    where: str
    count: int
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Loss:
    """What blue does not carry: lost at a rollback, as was declared.

    Attributes:
        table: `schema.table`.
        column: empty for all of the table.
        rows: how many rows have something there, up to 10,000; None when the count
            took too long.
    """

    table: str
    column: str
    rows: int | None


@dataclass(frozen=True, slots=True)
class Behind:
    """A table of green that blue's tables are short of: its rows stay on green.

    Attributes:
        name: what a playbook accepts it by.
        table: `schema.table`.
        parent: the table of blue that its rows belong to; empty where blue has the
            table itself.
        rows: as `Loss` has them.
        accepted: the playbook names it.
        alone: blue has no table of that name.
    """

    name: str
    table: str
    parent: str
    rows: int | None
    accepted: bool = False
    alone: bool = False

    @property
    def is_lost(self) -> bool:
        """Whether a rollback would leave rows that were acknowledged to clients."""
        return self.rows != 0 and not self.accepted


@dataclass(frozen=True, slots=True)
class Fitting:
    """All that one look brought up.

    Attributes:
        stream: how it stands.
        shape: what the two schemas alone make impossible or silent.
        misfits: rows on green that do not fit.
        losses: what stays on green.
        unknown: questions that had no answer, and why.
        behind: tables on green that hold rows of blue's tables and do not travel.
        sequences: those whose value does not fit blue's, or may come to it.
    """

    stream: Stream
    shape: tuple[Verdict, ...] = ()
    misfits: tuple[Misfit, ...] = ()
    losses: tuple[Loss, ...] = ()
    unknown: tuple[str, ...] = ()
    behind: tuple[Behind, ...] = ()
    sequences: tuple[SequenceMisfit, ...] = ()

    @property
    def lost(self) -> tuple[Behind, ...]:
        """Tables with rows that a rollback would lose and that are not accepted."""
        return tuple(one for one in self.behind if one.is_lost)

    @property
    def sequences_out(self) -> tuple[SequenceMisfit, ...]:
        """Those at which a rollback would stop."""
        return tuple(one for one in self.sequences if one.how is Tightness.OUT)

    @property
    def sequences_near(self) -> tuple[SequenceMisfit, ...]:
        """Those that are about to come to it."""
        return tuple(one for one in self.sequences if one.how is Tightness.NEAR)

    @property
    def answer(self) -> Fits:
        """No as soon as one thing says no; yes only when everything could be seen."""
        refused = self.misfits or self.lost or self.sequences_out
        if refused or not self.stream.present:
            return Fits.NO
        if any(v.answer in {Answer.BREAK, Answer.APP} for v in self.shape):
            return Fits.NO
        if not self.stream.in_step or self.unknown:
            return Fits.UNKNOWN
        return Fits.YES


def say_fit(fitting: Fitting) -> str:
    """One line: the answer and the first reason for it."""
    match fitting.answer:
        case Fits.NO:
            return f"no: {reasons(fitting)[0]}"
        case Fits.UNKNOWN:
            return f"unknown: {reasons(fitting)[0]}"
        case _:
            near = [one.says for one in fitting.sequences_near]
            left = [say_losses(fitting), *warnings(fitting), *near]
            return "; ".join(["yes", *filter(None, left)])


def reasons(fitting: Fitting) -> list[str]:
    """Everything that blocks it, rows included, worst first."""
    stream = fitting.stream
    found = [] if stream.present else ["the stream from green to blue is gone"]
    for one in fitting.misfits:
        rows = counted(one.count, "row")
        some = f": {'; '.join(one.rows)}" if one.rows else ""
        more = " …" if one.count > len(one.rows) else ""
        found.append(f"{one.where}: {rows} on green do not fit blue{some}{more}")
    found += [f"{_say_behind(one)} would stay behind" for one in fitting.lost]
    found += [one.says for one in fitting.sequences_out]
    found += [
        f"{v.where}: {v.why}"
        for v in fitting.shape
        if v.answer in {Answer.BREAK, Answer.APP}
    ]
    if stream.present and not stream.in_step:
        found.append(_say_stream(stream))
    return found + [f"not known: {one}" for one in fitting.unknown]


def warnings(fitting: Fitting) -> list[str]:
    """Tables that are empty still: the first row in one of them would be lost."""
    return [
        f"{_kind(one)} {one.table} is not in the stream: rows that come to it would "
        "stay behind"
        for one in fitting.behind
        if one.rows == 0 and not one.accepted
    ]


def _say_behind(one: Behind) -> str:
    return f"{_rows(one.rows)} of {_kind(one)} {one.table}"


def _kind(one: Behind) -> str:
    return "partition" if one.parent else "table"


def _rows(count: int | None) -> str:
    if count is None:
        return "rows (not counted)"
    return f"{count:,}{'+' * (count >= MOST_COUNTED)} row{'s' * (count != 1)}"


def _say_stream(stream: Stream) -> str:
    if not stream.enabled:
        return "blue's subscription to green is disabled"
    behind = format_bytes(stream.behind_bytes or 0)
    if not stream.runs:
        errors = f", {stream.errors} errors so far" if stream.errors else ""
        return f"blue's apply worker is down, {behind} behind{errors}"
    return f"blue is {behind} behind green"


def say_losses(fitting: Fitting) -> str:
    """What a rollback leaves on green; empty when that is nothing."""
    parts = [_say_loss(one) for one in fitting.losses if one.rows != 0]
    parts += [
        f"{_say_behind(one)} (accepted)"
        for one in fitting.behind
        if one.accepted and one.rows != 0
    ]
    return f"left on green: {', '.join(parts)}" if parts else ""


def _say_loss(one: Loss) -> str:
    what = f"{one.column} of {one.table}" if one.column else f"table {one.table}"
    if one.rows is None:
        return f"{what} (rows not counted)"
    count = f"{one.rows:,}" + ("+" if one.rows >= MOST_COUNTED else "")
    return f"{what} ({count} {'row' if one.rows == 1 else 'rows'})"


def fixes(fitting: Fitting) -> list[str]:
    """What makes it fit, one line for each rule that is hurt."""
    rules = [m.rule for m in fitting.misfits]
    rules += [v.rule for v in fitting.shape if v.answer in {Answer.BREAK, Answer.APP}]
    told = [RULES[rule].fix for rule in dict.fromkeys(rules)]
    tight = fitting.sequences_out or fitting.sequences_near
    repairs = [f"on {one.on}: {one.repair}" for one in tight]
    return [*ways_out(fitting), *repairs, *told]


def ways_out(fitting: Fitting) -> list[str]:
    """What brings the rows of tables that stay behind to blue, and the accept. Pure."""
    if not fitting.lost:
        return []
    lines = []
    if any(one.parent for one in fitting.lost):
        lines.append(
            "`bluegreen partitions PLAYBOOK` makes the same partitions on blue and "
            "brings their rows over"
        )
    if any(not (one.parent or one.alone) for one in fitting.lost):
        lines.append("publish the table on green, or copy its rows to blue")
    lines += [
        f"blue has no table {one.table}: keep its rows with pg_dump, and leave "
        f"them there with `bluegreen rollback --leave-rows {quote(one.table)}`"
        for one in fitting.lost
        if one.alone and not one.parent
    ]
    lines.append("or accept the loss, in the playbook:")
    return [*lines, *entries(id_and_where(one.name) for one in fitting.lost)]
