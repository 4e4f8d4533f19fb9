"""What a look brought up, and the refusal that names all of what blocks. Pure.

Owns the words of the refusal and of a finding in progress. What is looked at is for the
other modules here, which of it is accepted for the playbook.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bluegreen.model.accept import Accepted, entries, is_accepted
from bluegreen.model.codes import Code
from bluegreen.model.finding import Blocks, Finding
from bluegreen.model.progress import Progress
from bluegreen.model.verdict import Refused

_MOST_TOLD = 20
"""Blocking findings in the text of the error; all of them were told before it."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a look brought up, in the order of the looks.

    Attributes:
        accept: what the playbook accepts.
    """

    all: tuple[Finding, ...]
    accept: tuple[Accepted, ...] = ()

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """Those that a run would stop at."""
        return tuple(f for f in self.all if f.is_blocking and not self.accepts(f))

    def accepts(self, finding: Finding) -> bool:
        """Whether the playbook accepts it."""
        return is_accepted(self.accept, finding.id, finding.found_on)


def refuse(findings: Sequence[Finding]) -> Refused:
    """One refusal that names all of them, the first twenty in full."""
    told = findings[:_MOST_TOLD]
    rest = len(findings) - len(told)
    more = [f"… and {rest} more, told above"] if rest else []
    total = len(findings)
    count = "1 finding blocks" if total == 1 else f"{total} findings block"
    wanted = entries((finding.id, finding.found_on) for finding in findings)
    return Refused(
        Code.CHECK_BLOCKS,
        f"the check found something that blocks: {count}",
        seen="\n".join([*(f"{f.where}: {f.id}: {f.seen}" for f in told), *more]),
        wanted="none of these, or an entry in `accept` for each",
        hint="\n".join(
            [*_fixes(told), "then run again; to go on all the same:", *wanted]
        ),
    )


def _fixes(findings: Sequence[Finding]) -> list[str]:
    return [f"on {f.where}: {f.fix}" for f in findings if f.fix]


def progress_of(finding: Finding, *, accepted: bool) -> Progress:
    """The finding for the terminal and the log."""
    weight = "accepted" if accepted else "blocks" if finding.is_blocking else "note"
    text = f"{weight}: {finding.where}: {finding.id}: {finding.seen}; {finding.why}"
    return Progress(
        "finding_seen",
        f"{text}. Fix: {finding.fix}" if finding.fix else text,
        values={
            "id": finding.id,
            "where": str(finding.where),
            "seen": finding.seen,
            "why": finding.why,
            "fix": finding.fix,
            "blocks": str(Blocks.NOTHING if accepted else finding.blocks),
        },
    )
