"""Every error a person can meet, its form, and its class.

Owns the exception tree and the five-line text; the codes are in `codes.py`. Turning an
error into an exit status and onto a terminal is for `cli/`.

    BluegreenError
     ├─ PlaybookRefused   2  fix the playbook; nothing was touched
     ├─ ServerRefused     3  fix the servers; nothing was touched
     ├─ StepError         4  something gave way; fix it and run again
     ├─ BudgetError       5  out of time or budget; backed out
     ├─ RollbackUnavailable    6  going back would lose data
     ├─ TrafficUnknownError 7  stop and look: where traffic goes is not confirmed
     └─ LeaseRefused      8  journal or lease says no

The thousands of a code are the exit status: `BG-4103` ends with status 4.
"""

from __future__ import annotations

from bluegreen.model.codes import Code


class BluegreenError(Exception):
    """An error in the form that the on-call reads.

    Attributes:
        code: what it is.
        problem: one sentence, lower case, no full stop.
        seen: what the servers or the file said.
        wanted: what had to hold.
        traffic: which side serves, and whether anything has moved.
        hint: what to do next.
    """

    def __init__(
        self,
        code: Code,
        problem: str,
        *,
        seen: str = "",
        wanted: str = "",
        traffic: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(problem)
        self.code = Code(code)
        self.problem = problem
        self.seen = seen
        self.wanted = wanted
        self.traffic = traffic
        self.hint = hint

    @property
    def exit_status(self) -> int:
        """What the process ends with."""
        return self.code // 1000

    def __str__(self) -> str:
        lines = [f"error BG-{self.code}: {self.problem}"]
        for name in ("seen", "wanted", "traffic", "hint"):
            text = getattr(self, name)
            if text:
                indented = text.replace("\n", "\n" + " " * 11)
                lines.append(f"  {name + ':':<9}{indented}")
        return "\n".join(lines)


class PlaybookRefused(BluegreenError):
    """The playbook, or the words of the call, must be fixed first."""


class ServerRefused(BluegreenError):
    """The servers must be fixed first; nothing was touched."""


class StepError(BluegreenError):
    """A step gave way; `run` again goes on from here once it is fixed."""


class BudgetError(BluegreenError):
    """Time ran out and everything was backed out."""


class RollbackUnavailable(BluegreenError):
    """Going back would lose data, so it is not done."""


class TrafficUnknownError(BluegreenError):
    """Where traffic goes cannot be confirmed; a person must look."""


class LeaseRefused(BluegreenError):
    """The journal or the lease says no."""


_BY_STATUS: dict[int, type[BluegreenError]] = {
    2: PlaybookRefused,
    3: ServerRefused,
    4: StepError,
    5: BudgetError,
    6: RollbackUnavailable,
    7: TrafficUnknownError,
    8: LeaseRefused,
}


def error_for(
    code: Code,
    problem: str,
    *,
    seen: str = "",
    wanted: str = "",
    traffic: str = "",
    hint: str = "",
) -> BluegreenError:
    """Make the error whose class fits the code."""
    kind = _BY_STATUS.get(code // 1000, BluegreenError)
    return kind(code, problem, seen=seen, wanted=wanted, traffic=traffic, hint=hint)
