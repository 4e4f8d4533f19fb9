"""The step `check`: look at both servers and all pointers before anything is touched.

Owns when a finding stops a run. What is looked at is in `steps/preflight/`; reading
catalogs is for `postgres/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, PrivateAttr

from bluegreen.model.errors import BluegreenError
from bluegreen.model.exclude import tables_in
from bluegreen.model.finding import Finding
from bluegreen.model.verdict import Satisfied, Verdict
from bluegreen.postgres.catalog.identity import require_pair
from bluegreen.postgres.catalog.relations import is_named
from bluegreen.postgres.catalog.server_facts import read_server_facts
from bluegreen.steps.action import Waiting
from bluegreen.steps.contract import Action, Step
from bluegreen.steps.fields import Duration
from bluegreen.steps.preflight import check_servers
from bluegreen.steps.preflight.accept import check_accept
from bluegreen.steps.preflight.connections import check_connections
from bluegreen.steps.preflight.exclude import check_excluded_tables
from bluegreen.steps.preflight.fate import check_shared_fate
from bluegreen.steps.preflight.intent import Intent
from bluegreen.steps.preflight.refusal import Findings, progress_of, refuse
from bluegreen.steps.preflight.rules import look_at_rules
from bluegreen.steps.preflight.session_settings import READ_ONLY_ID
from bluegreen.steps.rehearsal import RehearseSchema, is_copied
from bluegreen.steps.rehearse import Rehearser
from bluegreen.steps.rehearsed import NO_PLANS, Plans
from bluegreen.steps.replicate import Replicate
from bluegreen.steps.world import World


class Check(Step):
    """Look at both sides and the pointers; stop on whatever would hurt later."""

    step: Literal["check"] = "check"

    max_transaction_age: Duration = timedelta(minutes=5)
    """A transaction on blue that is open longer than this blocks."""

    exclude: tuple[str, ...] = ()
    """Tables that need no look, `schema.table`, and objects that are not made on green;
    those that the step replicate leaves out are added."""

    identity_full: tuple[str, ...] = ()
    """Tables that need no key, `schema.table`; those of the step replicate are
    added."""

    identity_index: tuple[str, ...] = ()
    """Unique indexes that become their table's replica identity, `schema.index`; those
    of the step replicate are added."""

    workers: int = Field(default=4, ge=1, le=64)
    """How many tables are copied at once; the step replicate's number where there is
    one."""

    _plans: Plans = PrivateAttr(NO_PLANS)
    # One for all actions of the step: what one has tried the other need not.
    _rehearser: Rehearser = PrivateAttr(default_factory=Rehearser)

    @property
    def plans(self) -> Plans:
        """What the playbook means to do to green's schema, tried beforehand."""
        return self._plans

    def beside(self, replicate: Replicate | None, plans: Plans = NO_PLANS) -> Check:
        """This check, knowing what other steps of the playbook mean to do."""
        told = {}
        if replicate is not None:
            told = {
                "exclude": (*self.exclude, *replicate.exclude),
                "identity_full": (*self.identity_full, *replicate.identity_full),
                "identity_index": (*self.identity_index, *replicate.identity_index),
                "workers": replicate.workers,
            }
        made = self.model_copy(update=told)
        made._plans = plans  # noqa: SLF001 (one of our own kind)
        return made

    def actions(self) -> tuple[Action[Any], ...]:
        """The findings, and what a rehearsal has proved."""
        return (
            LookAtServers(self, self._rehearser),
            RehearseSchema(self.key, self.plans, self._rehearser, tells=False),
        )


class LookAtServers(Waiting[Findings]):
    """Nothing that blocks is found, but for what the playbook accepts.

    Crash: nothing is left; it only reads.
    """

    title = "nothing stands in the way on either side"

    def __init__(self, check: Check, rehearser: Rehearser) -> None:
        super().__init__(check.key)
        self._check = check
        self._rehearser = rehearser

    def observe(self, world: World) -> Findings:
        """Read both sides and every pointer, and tell each finding."""
        check = self._check
        findings = find(
            world,
            exclude=check.exclude,
            identity_full=check.identity_full,
            identity_index=check.identity_index,
            workers=check.workers,
            max_transaction_age=check.max_transaction_age,
            plans=check.plans,
            rehearser=self._rehearser,
        )
        found = Findings(tuple(findings), world.limits.accept)
        for finding in findings:
            world.tell(progress_of(finding, accepted=found.accepts(finding)))
        return found

    def judge(self, facts: Findings) -> Verdict:
        """Refuse with every blocking finding and what fixes it."""
        if facts.blocking:
            return refuse(facts.blocking)
        accepted = sorted({one.id for one in facts.all if one.is_blocking})
        why = f"accepted: {', '.join(accepted)}" if accepted else "none of them blocks"
        return Satisfied(f"findings: {len(facts.all)}, {why}")


def find(
    world: World,
    *,
    exclude: Sequence[str] = (),
    identity_full: Sequence[str] = (),
    identity_index: Sequence[str] = (),
    workers: int = 4,
    max_transaction_age: timedelta = timedelta(minutes=5),
    plans: Plans = NO_PLANS,
    rehearser: Rehearser | None = None,
    deep: bool = False,
) -> list[Finding]:
    """Look at both sides and every pointer. Changes nothing.

    Works at any time in the life of a pair: our own schema, triggers, slots,
    publications and subscriptions are no findings, and green may hold blue's rows once
    the journal says that we brought it blue's tables. `deep` asks every row of blue
    whether it fits what holds for it, which reads each table some times.

    Raises:
        ServerRefused: 3001, 3002; a side cannot be reached, or both are one.
        SqlError: a server refused a question.
        BluegreenError: a pointer could not be asked.
    """
    require_pair(world.blue, world.green)
    intent = Intent(
        world.name,
        exclude=tables_in(exclude),
        left_out=world.limits.left_out,
        identity_full=tuple(identity_full),
        identity_index=tuple(identity_index),
        workers=workers,
        max_transaction_age=max_transaction_age,
        copied=is_copied(world),
        wal_limit=world.limits.wal_limit,
        window=world.limits.window,
    )
    blue = read_server_facts(world.blue)
    green = read_server_facts(world.green, filled=not intent.copied)
    findings = check_servers(blue, green, intent)
    if not intent.copied and all(relation.extension for relation in green.relations):
        findings += check_excluded_tables(blue, world.limits.excluded)
        findings += (rehearser or Rehearser()).rehearse(world, plans).findings
    left_out = {r.qualified for r in blue.relations if is_named(r, tuple(exclude))}
    findings += look_at_rules(world.blue, left_out, deep=deep)
    pointed = []
    for pointer in world.pointers:
        others = [one for one in world.pointers if one is not pointer]
        pointed += pointer.check(others)
    findings = [one for one in findings if not _is_told(one, pointed)] + pointed
    findings += check_connections(blue, green, _pools(world))
    findings += check_shared_fate(world.shared_fate())
    findings += check_accept(world.limits.accept, findings)
    return findings


def _pools(world: World) -> dict[str, int]:
    """Connections that each pointer may open; its own look tells why it cannot say."""
    pools = {}
    for pointer in world.pointers:
        with suppress(BluegreenError):
            pools[pointer.id] = pointer.most_connections()
    return pools


def _is_told(one: Finding, pointed: Sequence[Finding]) -> bool:
    """Whether a pointer's client met the same: its fix holds this one's statement."""
    read_only = one.id == READ_ONLY_ID
    return read_only and any(one.fix in other.fix for other in pointed)
