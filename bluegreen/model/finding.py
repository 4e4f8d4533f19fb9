"""A finding: one thing that was found, in one form for all.

Owns the form, the scale of severities and what a finding blocks. Preflight checks and
monitors make them; what is done about them is for the steps, how they read for
`report/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """How grave a finding is; `unknown` never counts as `ok`."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    UNKNOWN = "unknown"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Higher is graver."""
        return list(Severity).index(self)


class Blocks(StrEnum):
    """What a finding blocks: nothing, a switchover, or the run."""

    NOTHING = "nothing"
    SWITCHOVER = "switchover"
    RUN = "run"

    @property
    def rank(self) -> int:
        """Higher blocks more."""
        return list(Blocks).index(self)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number for machines.

    Attributes:
        name: with its unit, in Prometheus' form, without our prefix.
        help: one line.
        labels: beside the playbook's name.
        counter: it only grows.
    """

    name: str
    value: float
    help: str
    labels: Mapping[str, str] = field(default_factory=dict)
    counter: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        id: stable name of the check or monitor, kebab-case, e.g. `large-objects`.
        where: `blue`, `green`, a direction, `blue → green`, or a pointer's name.
        severity: how grave it is.
        seen: what was there.
        why: why it matters, one sentence; empty where `seen` says it.
        fix: the command or edit that fixes it; empty when nothing needs fixing.
        blocks: what must not go on.
        figures: the same in numbers, and exact.
        object: the one thing that an entry of `accept` names for it; empty where that
            is `where`.
    """

    id: str
    where: str
    severity: Severity
    seen: str
    why: str = ""
    fix: str = ""
    blocks: Blocks = Blocks.NOTHING
    figures: tuple[Figure, ...] = ()
    object: str = ""

    @property
    def found_on(self) -> str:
        """What an entry of `accept` has as its object."""
        return self.object or str(self.where)

    @property
    def is_blocking(self) -> bool:
        """Whether it blocks anything."""
        return self.blocks is not Blocks.NOTHING


def checked(
    id: str,  # noqa: A002 (the finding's own word)
    where: str,
    seen: str,
    why: str,
    fix: str = "",
    *,
    blocks: bool = False,
    severity: Severity = Severity.INFO,
    object: str = "",  # noqa: A002 (the word of `accept`)
) -> Finding:
    """What a preflight check found: it blocks the run, or it is good to know.

    `severity` is that of one which does not block.
    """
    if blocks:
        severity = Severity.CRITICAL
    stops = Blocks.RUN if blocks else Blocks.NOTHING
    return Finding(id, where, severity, seen, why, fix, stops, object=object)
