"""What a judge may answer. Owns the four verdicts."""

from __future__ import annotations

from dataclasses import dataclass

from bluegreen.model.codes import Code


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
    """Nothing to do but wait: someone or something else must move first.

    `progress` goes from 0 to 1 where it is known.
    """

    why: str
    progress: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The wanted state must not be brought about from here.

    `seen`, `wanted` and `hint` are the lines
    of the error that the run ends with.
    """

    code: Code
    why: str
    seen: str = ""
    wanted: str = ""
    hint: str = ""


Verdict = Satisfied | Needed | NotYet | Refused
