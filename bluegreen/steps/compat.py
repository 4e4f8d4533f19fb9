"""The step `compat`: whether rows keep flowing both ways across green's new schema.

Owns when `compat` is asked and what a run does with its answer. The analysis itself is
in `compat/`, what it looks at in `postgres/compat_*.py`.

A run asks three times, whether or not the playbook names the step: the migration's
text before it is applied, both sides after it, and both sides again right before
traffic moves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from bluegreen.compat.gate import Ruling, rule, stops
from bluegreen.compat.probe.limits import Limits
from bluegreen.compat.verdict import Answer, Direction, Verdict
from bluegreen.model import verdict as model
from bluegreen.model.accept import verdicts_accepted
from bluegreen.model.bookkeeping import BOOKKEEPING
from bluegreen.model.codes import Code
from bluegreen.model.errors import StepError
from bluegreen.model.exclude import tables_in
from bluegreen.model.history import fold
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.relations import read_relations
from bluegreen.postgres.database import Database
from bluegreen.postgres.quoting import quote_name
from bluegreen.postgres.replication.publication import (
    COLUMN_LISTS_SINCE,
    server_version,
)
from bluegreen.postgres.replication.stream import ReplicationStream, read_subscription
from bluegreen.postgres.schema.applied import read_applied
from bluegreen.steps.action import Waiting
from bluegreen.steps.compatibility.rows import progress_of, rows_of
from bluegreen.steps.compatibility.ruling import judged
from bluegreen.steps.compatibility.texts import (
    Texts,
    compat_texts,
    read_texts,
    with_full_names,
)
from bluegreen.steps.compatibility.travel import WriteTrialRows
from bluegreen.steps.compatibility.zones import zone_verdicts
from bluegreen.steps.contract import Action, Step
from bluegreen.steps.fields import Duration
from bluegreen.steps.monitors.drift import remembered
from bluegreen.steps.schema_change.deferral import Asking, waiting_in
from bluegreen.steps.schema_change.journal_queries import shells
from bluegreen.steps.world import World

if TYPE_CHECKING:
    from bluegreen.steps.compatibility.pair import Judged

FIXED_BY_MIGRATE = frozenset(
    {"column-generated", "column-missing", "table-missing", "table-replaced"}
)
"""What the step `migrate` and our publications see to; the catalogs tell whether they
did."""

_CERTAIN = {Answer.BREAK, Answer.SILENT, Answer.APP}


class Compat(Step):
    """Judge whether rows keep flowing both ways across green's new schema.

    A run asks before and after every `migrate` and right before the cutover anyway;
    this step says what more is to be tried.
    """

    step: Literal["compat"] = "compat"

    files: tuple[str, ...] = ()
    """Migration files whose text is judged too; those of the steps migrate are
    added."""

    exclude: tuple[str, ...] = ()
    """Tables that stay behind, `schema.table`; those of the step replicate are
    added."""

    contract: tuple[str, ...] = ()
    """Those of `files` that run at decommission; those of the steps migrate are
    added."""

    contract_by_judge: bool = False
    """What is safe only once blue is released waits, as the step migrate has it."""

    renamed: tuple[str, ...] = ()
    """Tables that keep their old name for the stream; the keys of `renamed` of the
    steps migrate are added."""

    carried: tuple[str, ...] = ()
    """Columns, `schema.table.column`, that triggers of yours keep in step with columns
    that are sent; the keys of `mapping` of the steps migrate are added."""

    longest: Duration = timedelta(seconds=30)
    """One question to the data may take this long; then its answer is unknown."""

    rehearse: bool = True
    """Try some of blue's rows on green as the stream would, in a transaction that is
    rolled back."""

    travel: tuple[str, ...] = ()
    """Tables of which one row makes the whole way for real, `schema.table` or `*`: an
    UPDATE on the side that serves that changes no value."""

    def texts(self, world: World) -> Texts:
        """The statements that run before traffic moves.

        Raises:
            PlaybookRefused: 2009; a file is not plain SQL, or a pattern names none.
        """
        asking = Asking(
            self.files,
            self.contract,
            carried=frozenset(self.carried),
            renamed=frozenset(self.renamed),
            ask=self.contract_by_judge,
        )
        waiting = waiting_in(world, asking).reasons
        return read_texts(world.home, self.files, self.contract, waiting)

    @property
    def limits(self) -> Limits:
        """How much a look at the data may cost."""
        return Limits(each=self.longest, trial_writes=self.rehearse)

    def actions(self) -> tuple[Action[Any], ...]:
        """Both sides; then the rows that travel, where the playbook asks for them."""
        sides = CheckSides(self)
        return (
            (sides, WriteTrialRows(self.key, self.travel)) if self.travel else (sides,)
        )


class CompatFirst(Compat):
    """The look at the migration's text, before it is applied."""

    def actions(self) -> tuple[Action[Any], ...]:
        """One action: the text."""
        return (CheckText(self),)


@dataclass(frozen=True, slots=True)
class TextFacts:
    """What the text says.

    Attributes:
        pending: how many statements are not applied yet.
        ruling: what is certain by the text alone; None where nothing is pending.
    """

    pending: int
    ruling: Ruling | None


class CheckText(Waiting[TextFacts]):
    """Nothing that waits to be applied would surely stop the stream or lose rows.

    Crash: nothing is left; it only reads.
    """

    title = "the migration's text keeps both sides alike"

    def __init__(self, step: Compat) -> None:
        super().__init__(step.key)
        self.step = step

    def observe(self, world: World) -> TextFacts:
        """Read the files, and blue's names for what they leave out."""
        texts = self.step.texts(world)
        done = {row.name for row in read_applied(world.green) if row.finished}
        pending = {n for n, file in enumerate(texts.files) if file not in done}
        if not pending:
            return TextFacts(0, None)
        found = [
            v for v in read_verdicts(world, self.step, texts) if v.statement in pending
        ]
        ruling = rule_by_text(found, self.step, verdicts_accepted(world.limits.accept))
        tell(world, ruling, texts)
        return TextFacts(len(pending), ruling)

    def judge(self, facts: TextFacts) -> model.Verdict:
        """Refuse what is certain; what depends on catalogs and rows is asked later."""
        if facts.ruling is None:
            return model.Satisfied("every file is applied")
        return judged(facts.ruling, whole=False)


class CheckSides(Waiting[Ruling]):
    """Rows flow both ways, but for what the playbook accepts.

    Crash: nothing is left; it only reads, and what it tries is rolled back.
    """

    title = "blue and green stay alike, both ways"

    def __init__(self, step: Compat) -> None:
        super().__init__(step.key)
        self.step = step

    def observe(self, world: World) -> Ruling:
        """Catalogs of both sides, and what live data say."""
        texts = self.step.texts(world)
        require_migrated(world, texts)
        found = look(world, self.step, texts)
        accept = verdicts_accepted(world.limits.accept)
        known = read_verdicts(world, self.step, texts) if accept else ()
        ruling = rule(found.verdicts, accept, known)
        tell(world, ruling, texts)
        return ruling

    def judge(self, facts: Ruling) -> model.Verdict:
        """Refuse with everything that stops, or with what is accepted for nothing."""
        return judged(facts, whole=True)


def read_verdicts(world: World, step: Compat, texts: Texts) -> list[Verdict]:
    """What the text alone says, with blue's full names."""
    lists = server_version(world.green) >= COLUMN_LISTS_SINCE
    relations = read_relations(world.blue, expressions=False)
    names = {(r.schema, r.name) for r in relations}
    found = compat_texts(texts, lists=lists, carried=step.carried)
    zones = zone_verdicts(world, texts, relations)
    return with_full_names([*found, *zones], names)


def look(world: World, step: Compat, texts: Texts) -> Judged:
    """Judge both sides as the step says."""
    # What reads SQL is heavy, and a rollback never needs it.
    from bluegreen.steps.compatibility.pair import judge_pair

    found = judge_pair(
        world,
        texts,
        exclude=tables_in(step.exclude),
        carried=step.carried,
        limits=step.limits,
    )
    records = world.journal.records()
    given = {".".join(name) for name in shells(records)}
    known = remembered(records, fold(records), Side.BLUE) or {}
    left = (
        v
        for v in found.verdicts
        if not _is_seen_to(v, step, given) and not _is_dropped(v, known)
    )
    return replace(found, verdicts=tuple(left))


def look_ahead(world: World, database: Database, step: Compat) -> tuple[Verdict, ...]:
    """What `compat` is sure to say once green is like this database. Changes nothing.

    Args:
        world: the handles.
        database: a throw-away one, with green's schema to be and no rows.
        step: what the playbook says to it.
    """
    from bluegreen.steps.compatibility.pair import judge_catalogs

    texts = step.texts(world)
    ahead = replace(world, green=database)
    names = tables_in(step.exclude)
    found = judge_catalogs(ahead, texts, exclude=names, carried=step.carried)
    filled = {name.rpartition(".")[0] for name in step.carried}
    left = (_fixed(v, filled) for v in found if not _is_seen_to(v, step, ()))
    return tuple(v for v in left if v.answer in {*_CERTAIN, Answer.LOSSY} and stops(v))


def require_migrated(world: World, texts: Texts) -> None:
    """Stop while green is not what it is going to be.

    Raises:
        StepError: 4001; a plan takes it for not visible yet.
    """
    name = ReplicationStream(world.name, Side.BLUE).name
    missing = ""
    if read_subscription(world.green, name) is None:
        missing = "green does not follow blue yet"
    elif texts.files:
        done = {row.name for row in read_applied(world.green) if row.finished}
        left = [name for name in dict.fromkeys(texts.files) if name not in done]
        missing = f"{', '.join(left)} is not applied yet" if left else ""
    if missing:
        raise StepError(
            Code.GOAL_NOT_REACHED,
            missing,
            wanted="green with its new schema, following blue",
            hint="`bluegreen run` looks again once that is done",
        )


def rule_by_text(
    found: Iterable[Verdict], step: Compat, accept: Mapping[str, str]
) -> Ruling:
    """What the text alone makes certain stops; all else waits for a higher tier."""
    filled = {name.rpartition(".")[0] for name in step.carried}
    found = [_fixed(v, filled) for v in found if not _is_bookkeeping(v)]
    ruling = rule([v for v in found if v.answer in _CERTAIN], accept)
    waiting = tuple(v for v in found if v.answer not in _CERTAIN)
    return replace(ruling, passing=(*ruling.passing, *waiting))


def _is_seen_to(verdict: Verdict, step: Compat, given: Collection[str]) -> bool:
    """Whether an action of ours makes it good.

    Args:
        verdict: what `compat` found.
        step: what the playbook says to it.
        given: tables that blue got for green's rows; blue's own clients know none.
    """
    if _is_bookkeeping(verdict):
        return True
    if verdict.rule == "table-not-published":
        return verdict.direction is Direction.FORWARD and verdict.where in given
    filled = {*step.carried, *(name.rpartition(".")[0] for name in step.carried)}
    ours = verdict.rule in {"column-generated", "derived-stale"}
    return ours and verdict.where in filled


def _is_dropped(verdict: Verdict, known: Collection[str]) -> bool:
    """Whether a migration took a partition away that green once had.

    Args:
        verdict: what `compat` found.
        known: what blue's schema had when green was made after it.
    """
    forward = verdict.direction is Direction.FORWARD
    if not forward or verdict.rule != "partition-left-behind":
        return False
    return f"table {quote_name(*verdict.where.split('.', 1))}" in known


def _is_bookkeeping(verdict: Verdict) -> bool:
    """Whether it is about a migration tool's own table, which travels in no stream."""
    return verdict.where.rpartition(".")[2] in BOOKKEEPING


def _fixed(verdict: Verdict, filled: Collection[str]) -> Verdict:
    certain = verdict.answer in {Answer.BREAK, Answer.SILENT}
    kept = verdict.rule == "derived-stale" and verdict.where in filled
    if certain and (kept or verdict.rule in FIXED_BY_MIGRATE):
        return replace(verdict, answer=Answer.NEEDS)
    return verdict


def tell(world: World, ruling: Ruling, texts: Texts) -> None:
    """Report every verdict."""
    for row in rows_of(ruling, texts):
        world.tell(progress_of(row))
