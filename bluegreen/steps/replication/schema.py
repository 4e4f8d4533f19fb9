"""Green's schema: tables before the rows, keys with them, all else after them.

Owns these actions and their statistics at the end. The dump is in
`postgres/schema/copy.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bluegreen.model.accept import ORPHANS, is_accepted
from bluegreen.model.codes import Code
from bluegreen.model.exclude import tables_in
from bluegreen.model.history import fold
from bluegreen.model.progress import Progress
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Refused, Satisfied, Verdict
from bluegreen.postgres.catalog.relations import Relation, read_relations
from bluegreen.postgres.catalog.statistics import analyze, tables_never_analyzed
from bluegreen.postgres.replication.stream import ReplicationStream, read_subscription
from bluegreen.postgres.schema.copy import (
    PartsRefused,
    copy_keys,
    copy_rest,
    copy_tables,
    missing_after_rows,
)
from bluegreen.postgres.schema.left_out import read_left_out
from bluegreen.steps.contract import Action, Result
from bluegreen.steps.replication.failing_copy import explain_refusals
from bluegreen.steps.replication.following import FollowBlue
from bluegreen.steps.replication.told import SchemaCopied
from bluegreen.steps.world import World


@dataclass(frozen=True, slots=True)
class SchemaFacts:
    """Tables that hold rows on both sides, by schema and name.

    Attributes:
        copied: the journal says that the schema was copied.
        left_out: objects that are not to be made; not looked up once it was copied.
        spoilt: what cannot be left out as it was asked for.
    """

    blue: frozenset[tuple[str, str]]
    green: frozenset[tuple[str, str]]
    copied: bool
    left_out: tuple[str, ...] = ()
    spoilt: tuple[str, ...] = ()


class CopySchema(Action[SchemaFacts]):
    """Green has blue's tables, types, functions and views.

    Crash: one transaction; all of it is there or nothing.
    """

    title = "green has blue's tables"
    no_undo = "drop green's database and make an empty one"

    def observe(self, world: World) -> SchemaFacts:
        """The tables of both sides, and whether we copied them."""
        copied = self.id in fold(world.journal.records()).results
        left = read_left_out(world.blue, () if copied else world.limits.left_out)
        return SchemaFacts(
            _tables(read_relations(world.blue)) - _not_made(world),
            _tables(read_relations(world.green)),
            copied,
            left.names,
            (
                *(f"{name}: blue's schema has no such object" for name in left.unknown),
                *(f"{name} needs {left.needing[name]}" for name in left.tables),
            ),
        )

    def judge(self, facts: SchemaFacts) -> Verdict:
        """A green with tables that we did not make is a database of others."""
        if facts.copied or (facts.blue and facts.blue <= facts.green):
            return Satisfied(f"{len(facts.green)} tables are there")
        if facts.green:
            names = ", ".join(".".join(t) for t in sorted(facts.green)[:5])
            return Refused(
                Code.GREEN_NOT_EMPTY,
                "green is not empty",
                seen=f"{len(facts.green)} tables, among them {names}",
                wanted="an empty database, or one with all of blue's tables",
                hint="make a new database for green; was this one meant for something "
                "else?",
            )
        if facts.spoilt:
            return Refused(
                Code.CHECK_BLOCKS,
                "`exclude` leaves out what it cannot",
                seen="\n".join(facts.spoilt),
                wanted="objects that blue has, and no table that is not named itself",
                hint="correct `exclude` of the step replicate; `bluegreen check` tells "
                "the lines",
            )
        without = f", without {', '.join(facts.left_out)}" if facts.left_out else ""
        return Needed(f"{len(facts.blue)} tables are to be made{without}")

    def act(self, world: World, facts: SchemaFacts) -> Result:
        """Run pg_dump's first section on green."""
        left = copy_tables(world.blue, world.green, world.limits.left_out)
        return SchemaCopied(len(facts.blue), left.names).as_body()


def _not_made(world: World) -> frozenset[tuple[str, str]]:
    """Tables that are left out whole."""
    objects = [n for n in world.limits.left_out if n.startswith("table ")]
    names = set(tables_in(objects))
    relations = read_relations(world.blue) if names else ()
    return frozenset((r.schema, r.name) for r in relations if r.full_name in names)


def _tables(relations: tuple[Relation, ...]) -> frozenset[tuple[str, str]]:
    return frozenset(
        (r.schema, r.name) for r in relations if r.holds_rows and not r.extension
    )


def _was_complete(world: World, action: str) -> bool:
    """Whether green was once seen to have all that an action makes.

    What was there already leaves no result of the action, but the step's last one
    always has something to do, and is never come to before.
    """
    last = f"{action.partition('/')[0]}/{FollowBlue.name()}"
    return not {action, last}.isdisjoint(fold(world.journal.records()).results)


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """How many tables of green have a key to find rows by, and how many on blue.

    Attributes:
        done: green followed blue, so a key that is gone was dropped by a migration.
    """

    blue: int
    green: int
    done: bool


class CreateKeys(Action[KeyFacts]):
    """Green's tables have their keys, so that apply finds rows while the copy runs.

    Crash: the keys that are made stay; the next run makes the others.
    """

    title = "green has the keys that apply needs"
    no_undo = "they belong to the schema"

    def observe(self, world: World) -> KeyFacts:
        """Count tables with a key that serves as replica identity."""
        left = _not_made(world)
        blue, green = (_with_identity(read_relations(world.on(s)), left) for s in Side)
        return KeyFacts(blue, green, _was_complete(world, self.id))

    def judge(self, facts: KeyFacts) -> Verdict:
        """As many as on blue; a migration may have added some, or dropped some."""
        if facts.done or facts.green >= facts.blue:
            return Satisfied(f"{facts.green} tables have theirs")
        return Needed(f"{facts.blue - facts.green} tables lack theirs")

    def act(self, world: World, facts: KeyFacts) -> Result:
        """Make primary keys and replica identities."""
        keys = copy_keys(world.blue, world.green, world.limits.left_out)
        return {"keys": keys}


def _with_identity(
    relations: tuple[Relation, ...], left: Collection[tuple[str, str]]
) -> int:
    return sum(
        1
        for r in relations
        if r.holds_rows and r.identity_columns and (r.schema, r.name) not in left
    )


@dataclass(frozen=True, slots=True)
class RestFacts:
    """What is left to build, and whether the rows are there to build it on.

    Attributes:
        missing: what blue has and green lacks; known once the rows are there.
        done: it was built, or green followed blue; a migration may since have dropped
            some of it on purpose, or made it under another name.
    """

    missing: int
    rows_ready: bool
    done: bool


class CreateIndexes(Action[RestFacts]):
    """Green has blue's indexes, constraints, triggers, rules and policies.

    Built after the rows: indexes first made the initial copy 1.3 times as long.

    Crash: what is built stays; the next run builds what is missing.
    """

    title = "green has blue's indexes, constraints and triggers"
    no_undo = "they belong to the schema"

    def __init__(self, step_id: str, workers: int) -> None:
        super().__init__(step_id)
        self.workers = workers

    def observe(self, world: World) -> RestFacts:
        """What blue has and green lacks."""
        name = ReplicationStream(world.name, Side.BLUE).name
        stream = read_subscription(world.green, name)
        ready = stream is not None and stream.is_ready
        done = _was_complete(world, self.id)
        known = ready and not done
        left = world.limits.left_out
        missing = missing_after_rows(world.blue, world.green, left) if known else 0
        return RestFacts(missing, ready, done)

    def judge(self, facts: RestFacts) -> Verdict:
        """Nothing is missing, or it was built and then changed by a migration."""
        if facts.done:
            return Satisfied("nothing is missing")
        if not facts.rows_ready:
            return NotYet("indexes, constraints and triggers wait for the rows")
        if not facts.missing:
            return Satisfied("nothing is missing")
        return Needed(f"{facts.missing} are to be made")

    def act(self, world: World, facts: RestFacts) -> Result:
        """Build them with several workers."""

        def done(number: int, total: int) -> None:
            text = f"{number} of {total} indexes and constraints are built"
            world.tell(Progress("index_built", text, number, total, "indexes"))

        try:
            built = copy_rest(
                world.blue,
                world.green,
                workers=self.workers,
                done=done,
                may_stay_open=lambda key: is_accepted(
                    world.limits.accept, ORPHANS, key
                ),
                exclude=world.limits.left_out,
            )
        except PartsRefused as error:
            explain_refusals(world, error)
            raise
        return {"built": built}


class AnalyzeGreen(Action[int]):
    """Green's planner knows its tables.

    Right after a copy it knows nothing, and queries took up to 3.4 times as long.

    Crash: the tables that are analyzed stay so.
    """

    title = "green's statistics are fresh"
    no_undo = "statistics do no harm"

    def observe(self, world: World) -> int:
        """How many tables with rows were never analyzed."""
        return tables_never_analyzed(world.green)

    def judge(self, facts: int) -> Verdict:
        """None must be left."""
        if facts:
            return Needed(f"{facts} tables were never analyzed")
        return Satisfied("every table was analyzed")

    def act(self, world: World, facts: int) -> Result:
        """ANALYZE the database."""
        analyze(world.green)
        return {"tables": facts}
