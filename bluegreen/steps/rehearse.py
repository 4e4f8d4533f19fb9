"""Blue's schema and the migrations on it, tried on green's server before the copy.

Owns when they are tried again. Making the schema is for `postgres/schema/rehearsal.py`,
running migrations for `migrators/rehearsal.py`, what a refusal means for
`preflight/rehearsal.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bluegreen import __version__
from bluegreen.compat.verdict import Verdict
from bluegreen.migrators.rehearsal import Tried, try_scripts
from bluegreen.migrators.script import Script
from bluegreen.model.errors import StepError
from bluegreen.model.finding import Finding
from bluegreen.model.history import fold
from bluegreen.model.progress import Progress
from bluegreen.postgres.database import Database, SqlError
from bluegreen.postgres.schema.compare import Difference, compare_with
from bluegreen.postgres.schema.items import Item, read_items
from bluegreen.postgres.schema.ownership import (
    Handover,
    hand_over,
    handovers,
    our_role,
    permitted,
    read_owned,
)
from bluegreen.postgres.schema.rehearsal import Prepared, Rehearsal, prepare, rehearsed
from bluegreen.postgres.schema.throw_away import NotPermitted
from bluegreen.steps.compat import Compat, look_ahead
from bluegreen.steps.migrate import Migrate
from bluegreen.steps.preflight.exclude import check_left_out
from bluegreen.steps.preflight.rehearsal import (
    check_differences,
    check_migrations,
    check_owners_of_new,
    check_rehearsal,
    check_ways_back,
    not_read,
    not_rehearsed,
)
from bluegreen.steps.rehearsed import Look, Plans, Rehearsed
from bluegreen.steps.world import World


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of all of it.

    Attributes:
        made: blue's schema.
        migrated: the files.
        differences: what blue has and green would not have alike behind the files, and
            had before them.
        whole: every statement that changes the schema was made.
        ours: what the files made and could not be handed over to the application.
        verdicts: what `compat` says behind the files by both catalogs.
    """

    made: Rehearsal
    migrated: Tried
    differences: tuple[Difference, ...]
    whole: bool
    ours: tuple[Handover, ...]
    verdicts: tuple[Verdict, ...] = ()


class Rehearser:
    """What was tried is not tried again while it is the same."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Finding, ...]] = {}
        self._last: Look | None = None

    def now(self, world: World, plans: Plans) -> Look:
        """What this process has seen already, or else a rehearsal."""
        last = self._last
        if last is None:
            return self.rehearse(world, plans)
        return replace(last, remembered=_remembered(world, last.key) is not None)

    def rehearse(self, world: World, plans: Plans) -> Look:
        """Make blue's schema in a throw-away database beside green, and migrate it.

        What keeps pg_dump from reading it now, as a lock or a right that is missing,
        is told, and holds nothing up.
        """
        self._last = self._rehearse(world, plans)
        return self._last

    def _rehearse(self, world: World, plans: Plans) -> Look:
        migrations = plans.migrations
        scripts = [one for step in migrations for one in step.scripts(world.home)]
        try:
            prepared = prepare(world.blue, world.green, world.limits.left_out)
        except StepError as error:
            return Look("", (not_read(error),))
        excluded = tuple(check_left_out(prepared.left_out, world.limits.excluded))
        key = _key(world, prepared, scripts, plans)
        known = _remembered(world, key)
        found = self._known.get(key, known)
        if found is None:
            try:
                found = tuple(_findings(world, prepared, scripts, plans))
            except NotPermitted as error:
                role = our_role(world.green)
                return Look("", (*excluded, not_rehearsed(error, role)))
            self._known[key] = found
        told = tuple(one for one in excluded if one not in found)
        return Look(key, (*told, *found), known is not None)


def _remembered(world: World, key: str) -> tuple[Finding, ...] | None:
    """What an earlier run found of the same; None where none did."""
    results = fold(world.journal.records()).results.values()
    bodies = (Rehearsed.from_body(r.body) for r in results if "rehearsed" in r.body)
    same = next((body for body in bodies if key and body.rehearsed == key), None)
    return None if same is None else tuple(one.finding for one in same.findings)


def _key(
    world: World, prepared: Prepared, scripts: Sequence[Script], plans: Plans
) -> str:
    """A digest of all that decides what is found."""
    parts: list[object] = [
        __version__,
        prepared.digest,
        *(script.digest for script in scripts),
        *(step.model_dump_json() for step in plans.migrations),
        plans.compares,
        plans.judge.model_dump_json(),
    ]
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def _findings(
    world: World, prepared: Prepared, scripts: Sequence[Script], plans: Plans
) -> list[Finding]:
    migrations = plans.migrations
    owner = next((step.role for step in migrations if step.role), "")
    found = _rehearsed(world, prepared, scripts, plans.judge, owner)
    world.tell(_told(found.made, found.migrated))
    whole = found.whole and not any(map(_is_rewritten, migrations))
    return [
        *check_rehearsal(found.made),
        *check_migrations(found.migrated),
        # That a role is missing is told by itself.
        *check_owners_of_new([h for h in found.ours if h.to not in prepared.absent]),
        *check_differences(
            found.differences if plans.compares else (),
            whole=whole,
            changed=tuple(_given_to_blue(migrations)),
        ),
        *check_ways_back(
            found.verdicts,
            whole=whole,
            given={name for step in migrations for name in step.expand_blue},
        ),
    ]


def _rehearsed(
    world: World,
    prepared: Prepared,
    scripts: Sequence[Script],
    judge: Compat,
    owner: str,
) -> Outcome:
    """All of it in one throw-away database."""
    with rehearsed(prepared) as (database, made):
        blue = read_items(world.blue) if scripts else {}
        before = _differences(blue, database)
        migrated = try_scripts(database, scripts)
        ours = _handed_over(world, database, owner) if scripts else ()
        after = _differences(blue, database)
        judged = look_ahead(world, database, judge) if scripts else ()
    return Outcome(
        made,
        migrated,
        tuple(one for one in after if one not in before),
        not (made.refused or prepared.absent or _is_unsure(migrated)),
        ours,
        judged,
    )


def _handed_over(world: World, database: Database, role: str) -> tuple[Handover, ...]:
    """Hand over what migrations made there, as a run does; what cannot be."""
    found = handovers(
        read_owned(world.blue), read_owned(database), ours=our_role(database), role=role
    )
    hindered = []
    for one in list(permitted(database, found)):
        why_not = one.why_not
        if not why_not:
            try:
                hand_over(database, [one])
            except SqlError as error:
                why_not = error.seen
        if why_not:
            hindered.append(replace(one, why_not=why_not))
    return tuple(hindered)


def _is_rewritten(step: Migrate) -> bool:
    """Whether more happens on green than the files say, or less."""
    return bool(step.contract_by_judge or step.renamed or step.mapping)


def _given_to_blue(migrations: Sequence[Migrate]) -> Iterator[str]:
    """Tables, types and names that blue is changed by before schemas are compared."""
    for step in migrations:
        for name in step.expand_blue:
            schema, _, rest = name.partition(".")
            yield f"{schema}.{rest.partition('.')[0]}"
            yield f"{schema}.{rest.rpartition('.')[2]}"


def _differences(blue: Mapping[str, Item], database: Database) -> list[Difference]:
    """As `validate` finds them, before anything is accepted.

    What the throw-away database alone lacks, such as its event triggers, is there with
    the files and without them.
    """
    if not blue:
        return []

    return list(compare_with(blue, database).blocking)


def _is_unsure(migrated: Tried) -> bool:
    return bool(migrated.refused or migrated.unsure or migrated.left_out)


def _told(made: Rehearsal, migrated: Tried) -> Progress:
    text = f"{made.made} objects of blue's schema"
    if migrated.tried:
        text += f" and {migrated.tried} statements of migrations"
    took = f"{text} were made on green's server, without rows, in {made.seconds:.1f} s"
    values: dict[str, object] = {
        "objects": made.made,
        "seconds": round(made.seconds, 3),
        "statements": migrated.tried,
        "left_out": migrated.left_out,
    }
    return Progress("schema_rehearsed", took, values=values)
