"""A table that a migration renames keeps its old name for the stream.

Owns this action; the shell itself is in `postgres/schema/rename_wrapper.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bluegreen.model.codes import Code
from bluegreen.model.errors import StepError
from bluegreen.model.verdict import Needed, NotYet, Satisfied, Verdict
from bluegreen.postgres.catalog.relations import Relation, read_relations
from bluegreen.postgres.replication.publication import server_version
from bluegreen.postgres.schema.rename_wrapper import (
    RenameWrapper,
    drop_rename_wrapper,
    make_rename_wrapper,
    read_rename_wrappers,
    unfit,
)
from bluegreen.steps.action import Action, Result
from bluegreen.steps.schema_change.stream import started_on_failure
from bluegreen.steps.world import World


@dataclass(frozen=True, slots=True)
class RenamedFacts:
    """Tables that the playbook calls renamed, as green has them.

    Attributes:
        pending: migrations that green still lacks.
        lacking: renamed, and nothing stands under the old name.
        hindrances: why a table cannot stand in a shell.
    """

    pending: int
    lacking: tuple[tuple[RenameWrapper, Relation], ...]
    hindrances: tuple[str, ...]


class KeepOldNames(Action[RenamedFacts]):
    """A renamed table takes blue's rows under its old name, and sends them back so.

    Crash: one transaction a table; the next run does the others. The stream rests.
    """

    title = "renamed tables keep their old names for the stream"

    def __init__(
        self,
        step_id: str,
        renamed: Mapping[str, str],
        pending: Callable[[World], int],
    ) -> None:
        super().__init__(step_id)
        self.renamed, self.pending = renamed, pending

    def observe(self, world: World) -> RenamedFacts:
        """Green's tables under both names."""
        green = {r.full_name: r for r in read_relations(world.green)}
        made = {shell.old for shell in read_rename_wrappers(world.green)}
        version = server_version(world.green)
        left = {old: new for old, new in self.renamed.items() if old not in made}
        hindrances = (_hindrance(old, new, green, version) for old, new in left.items())
        return RenamedFacts(
            self.pending(world),
            tuple((_shell(o, n), green[n]) for o, n in left.items() if n in green),
            tuple(words for words in hindrances if words),
        )

    def judge(self, facts: RenamedFacts) -> Verdict:
        """What cannot be is said by the act, which starts the stream again."""
        if facts.pending:
            return NotYet(f"green lacks {facts.pending} migrations")
        if facts.lacking or facts.hindrances:
            named = [shell.old for shell, _ in facts.lacking] + list(facts.hindrances)
            return Needed("; ".join(named))
        return Satisfied("none is missing")

    def act(self, world: World, facts: RenamedFacts) -> Result:
        """Make the shells."""
        with started_on_failure(world, self.id.partition("/")[0]):
            if facts.hindrances:
                raise _impossible(facts.hindrances)
            for shell, relation in facts.lacking:
                make_rename_wrapper(world.green, shell, relation.primary_key)
        return {"shells": [shell.old for shell, _ in facts.lacking]}

    def undo(self, world: World, facts: RenamedFacts) -> None:
        """Drop the shells; the tables stay."""
        for shell in read_rename_wrappers(world.green):
            drop_rename_wrapper(world.green, shell)


def _hindrance(old: str, new: str, green: Mapping[str, Relation], version: int) -> str:
    if new not in green:
        return f"{new} is not there"
    if old in green:
        return f"{old} is there beside {new}"
    why = unfit(green[new], version)
    return f"{new}: {why}" if why else ""


def _impossible(hindrances: tuple[str, ...]) -> StepError:
    return StepError(
        Code.MIGRATION_FAILED,
        "a renamed table cannot keep its old name for the stream",
        seen="\n".join(hindrances),
        wanted="a table with a primary key under the new name, and nothing under the "
        "old one",
        hint="fix `renamed` of the step migrate, or rename the table once blue is "
        "released: put `-- bluegreen: contract` before the statement",
    )


def _shell(old: str, new: str) -> RenameWrapper:
    return RenameWrapper(*old.split(".", 1), *new.split(".", 1))
