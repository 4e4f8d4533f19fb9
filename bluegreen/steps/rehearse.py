"""Blue's schema and the migrations on it, tried on green's server before the copy.

Owns when they are tried again. Making the schema is for `postgres/schema/rehearsal.py`,
running migrations for `migrators/rehearsal.py`, what a refusal means for
`preflight/rehearsal.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from bluegreen.migrators.rehearsal import Tried, try_scripts
from bluegreen.model.errors import StepError
from bluegreen.model.finding import Finding
from bluegreen.model.progress import Progress
from bluegreen.postgres.database import Database
from bluegreen.postgres.schema.ownership import (
    Handover,
    handovers,
    our_role,
    permitted,
    read_owned,
)
from bluegreen.postgres.schema.rehearsal import Rehearsal, prepare, rehearsed
from bluegreen.postgres.schema.throw_away import NotPermitted
from bluegreen.steps.migrate import Migrate
from bluegreen.steps.preflight.exclude import check_left_out
from bluegreen.steps.preflight.rehearsal import (
    check_migrations,
    check_owners_of_new,
    check_rehearsal,
    not_read,
    not_rehearsed,
)
from bluegreen.steps.world import World


class Rehearser:
    """What was tried is not tried again: a first run looks twice."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Rehearsal, Tried, tuple[Handover, ...]]] = {}

    def rehearse(
        self, world: World, role: str, migrations: Sequence[Migrate]
    ) -> list[Finding]:
        """Make blue's schema in a throw-away database beside green, and migrate it.

        Args:
            world: the handles.
            role: ours on green, for the statement that would allow it.
            migrations: the playbook's, in order.

        What keeps pg_dump from reading it now, as a lock or a right that is missing,
        is told, and holds nothing up.
        """
        scripts = [one for step in migrations for one in step.scripts(world.home)]
        try:
            prepared = prepare(world.blue, world.green, world.limits.left_out)
        except StepError as error:
            return [not_read(error)]
        excluded = list(check_left_out(prepared.left_out, world.limits.excluded))
        owner = next((step.role for step in migrations if step.role), "")
        key = " ".join([prepared.digest, owner, *(script.digest for script in scripts)])
        if key not in self._known:
            try:
                with rehearsed(prepared) as (database, made):
                    tried = try_scripts(database, scripts)
                    ours = _ours(world, database, owner) if scripts else ()
                    self._known[key] = made, tried, ours
            except NotPermitted as error:
                return [*excluded, not_rehearsed(error, role)]
        made, migrated, ours = self._known[key]
        # That a role is missing is told by itself.
        ours = tuple(one for one in ours if one.to not in prepared.absent)
        world.tell(_told(made, migrated))
        return [
            *excluded,
            *check_rehearsal(made),
            *check_migrations(migrated),
            *check_owners_of_new(ours),
        ]


def _ours(world: World, database: Database, role: str) -> tuple[Handover, ...]:
    """What migrations made there and could not be handed over."""
    found = handovers(
        read_owned(world.blue), read_owned(database), ours=our_role(database), role=role
    )
    return tuple(one for one in permitted(database, found) if one.why_not)


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
