"""What a judge may answer. Owns the four verdicts and the form of a finding."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Satisfied:
    """The wanted state holds; there is nothing to do."""

    why: str


@dataclass(frozen=True, slots=True)
class Needed:
    """The wanted state does not hold and `act` may bring it about now."""

    why: str


@dataclass(frozen=True, slots=True)
class NotYet:
    """Nothing to do but wait: somebody or something else must move first.

    `progress` goes from 0 to 1 where it is known.
    """

    why: str
    progress: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The wanted state must not be brought about from here.

    `code` is one of `model.errors.CODES`; `seen`, `wanted` and `hint` are the lines
    of the error that the run ends with.
    """

    code: int
    why: str
    seen: str = ""
    wanted: str = ""
    hint: str = ""


Verdict = Satisfied | Needed | NotYet | Refused


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a look at the servers brought up.

    Attributes:
        id: stable name, kebab-case, e.g. `table-without-identity`.
        where: `blue`, `green`, or the name of a pointer.
        seen: what was there.
        why: why it matters, one sentence.
        fix: the command or edit that fixes it; empty when nothing needs fixing.
        blocks: whether a run must not go on.
    """

    id: str
    where: str
    seen: str
    why: str
    fix: str = ""
    blocks: bool = False
