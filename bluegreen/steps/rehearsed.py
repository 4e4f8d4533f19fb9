"""What a rehearsal is asked, and what it found: values, and how the journal keeps them.

What is tried is in `rehearse.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bluegreen.model.body import Body
from bluegreen.model.finding import Blocks, Finding, Severity
from bluegreen.steps.compat import Compat
from bluegreen.steps.migrate import Migrate


@dataclass(frozen=True, slots=True)
class Plans:
    """What a playbook means to do to green's schema.

    Attributes:
        migrations: its steps migrate, in order.
        compares: a later step compares both schemas.
        judge: what the playbook says to `compat`, which a run asks behind them.
    """

    migrations: tuple[Migrate, ...] = ()
    compares: bool = False
    judge: Compat = field(default_factory=Compat)


NO_PLANS = Plans()


@dataclass(frozen=True, slots=True)
class Look:
    """What a rehearsal has found.

    Attributes:
        key: another one where blue's schema, the files, or what green's server is has
            changed. Empty where nothing could be tried.
        findings: in order.
        remembered: the journal had it.
    """

    key: str
    findings: tuple[Finding, ...]
    remembered: bool = False


@dataclass(frozen=True, slots=True)
class Kept(Body):
    """A finding as the journal keeps it."""

    id: str
    where: str
    severity: str
    seen: str
    why: str = ""
    fix: str = ""
    blocks: str = ""
    object: str = ""

    @classmethod
    def of(cls, one: Finding) -> Kept:
        """All of it, but for figures, which none of these has."""
        kinds = str(one.severity), str(one.blocks)
        return cls(
            one.id,
            str(one.where),
            kinds[0],
            one.seen,
            one.why,
            one.fix,
            kinds[1],
            one.object,
        )

    @property
    def finding(self) -> Finding:
        """The finding again."""
        return Finding(
            self.id,
            self.where,
            Severity(self.severity),
            self.seen,
            self.why,
            self.fix,
            Blocks(self.blocks),
            object=self.object,
        )


@dataclass(frozen=True, slots=True)
class Rehearsed(Body):
    """Of RESULT of a rehearsal: what it was made of, and what it found."""

    rehearsed: str = ""
    findings: tuple[Kept, ...] = ()

    @classmethod
    def of(cls, look: Look) -> Rehearsed:
        """To be remembered."""
        return cls(look.key, tuple(map(Kept.of, look.findings)))
