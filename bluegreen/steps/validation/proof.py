"""What all proofs share: when a result still stands, and how a failure reads.

Owns staleness. A proof is made again when traffic moved, when the playbook asks for
something else, when the schema of a side changed, when the stream carries other tables
or carries them from another position on, when its subscription was altered, when a
server was started again, and when it is too old. A new run alone asks for none: the
stream carries what is written since.
"""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar

from bluegreen.model.codes import Code
from bluegreen.model.errors import StepError
from bluegreen.model.history import fold
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Satisfied, Verdict
from bluegreen.postgres.compare.table_plans import subscription_oid
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.postgres.replication.witness import read_route, read_start, read_witness
from bluegreen.postgres.schema.compare import fingerprint
from bluegreen.postgres.schema.items import read_items
from bluegreen.steps.contract import Action, Result
from bluegreen.steps.validation.age import Proved, age_ends, read_clocks
from bluegreen.steps.world import World

MOST_SHOWN = 12
"""Lines of differences that fit a screen at 3 a.m."""

SERVES = "blue serves and nothing has moved"
CHANGED = "schema, stream, a server or the playbook changed since the proof"


@dataclass(frozen=True, slots=True)
class ProofFacts:
    """What is known of the last proof.

    Attributes:
        summary: what came out of the proof that still stands; empty where none does.
        why: why there is none.
    """

    summary: str
    why: str = ""


class Proof(Action[ProofFacts]):
    """A comparison whose good end stands in the journal.

    The comparing is in `act`, as it may take hours; a difference ends it with an
    error, and so the result is only there when all was well.

    Crash: nothing was changed and no result is there, so the proof is made again.
    """

    no_undo = "a proof changes nothing"
    max_age: ClassVar[timedelta | None] = None

    @abstractmethod
    def prove(self, world: World) -> dict[str, Any]:
        """Compare; `summary` in what is returned says in words what came out.

        Raises:
            StepError: 4005; something differs.
        """

    @abstractmethod
    def asked(self, world: World) -> Mapping[str, Any]:
        """The parameters on which the outcome rests, as JSON."""

    def observe(self, world: World) -> ProofFacts:
        """Find the result in the journal and see whether it still speaks of this."""
        state = fold(world.journal.records())
        result = state.results.get(self.id)
        if result is None or result.epoch != state.epoch:
            return ProofFacts("", "it was not proved in this epoch")
        proved = Proved.from_body(result.body)
        if proved.of != self._subject(world):
            return ProofFacts("", CHANGED)
        if self.max_age and (why := age_ends(proved, read_clocks(world), self.max_age)):
            return ProofFacts("", why)
        return ProofFacts(proved.summary)

    def judge(self, facts: ProofFacts) -> Verdict:
        """Satisfied by a result that still stands."""
        return Satisfied(facts.summary) if facts.summary else Needed(facts.why)

    def act(self, world: World, facts: ProofFacts) -> Result:
        """Prove it, and remember what it was proved of."""
        subject = self._subject(world)
        stream = ReplicationStream(world.name, Side.BLUE).name
        # Asked again right before a move, which may come hours later.
        route = read_route(world.blue, world.green, stream)
        found = self.prove(world)
        proved = Proved(summary=found["summary"], of=subject, route=route)
        if self.max_age:
            lasts = self.max_age.total_seconds()
            proved = replace(proved, made=read_clocks(world), lasts_s=lasts)
        return {**found, **proved.as_body()}

    def _subject(self, world: World) -> str:
        """Names what the proof is about: another text is another subject."""
        stream = ReplicationStream(world.name, Side.BLUE).name
        witness = read_witness(world.green, stream)
        parts = [
            json.dumps(self.asked(world), sort_keys=True),
            fingerprint(read_items(world.blue)),
            fingerprint(read_items(world.green)),
            str(subscription_oid(world.green, stream)),
            read_route(world.blue, world.green, stream),
            read_start(world.blue),
            witness.started,
            # A move that was backed out altered the subscription, and skipped nothing.
            *witness.stream.split()[::2],
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def differs(problem: str, lines: Sequence[str], *, wanted: str, hint: str) -> StepError:
    """The error of a proof that found differences."""
    shown = list(lines[:MOST_SHOWN])
    if len(lines) > MOST_SHOWN:
        shown.append(f"and {len(lines) - MOST_SHOWN} more")
    return StepError(
        Code.DIFFERENCE_FOUND,
        problem,
        seen="\n".join(shown),
        wanted=wanted,
        traffic=SERVES,
        hint=hint,
    )
