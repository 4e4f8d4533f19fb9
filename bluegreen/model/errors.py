"""Every error a person can meet, its form, and the one table of codes.

Owns the exception tree, the table and the five-line text. Turning an error into an
exit status and onto a terminal is for `cli/`.

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

CODES: dict[int, str] = {
    # 2: the playbook
    2001: "the playbook cannot be read",
    2002: "the playbook is not the YAML that is accepted",
    2003: "the playbook does not fit its schema",
    2004: "a reference in the playbook has no value",
    2005: "a password is written in the playbook",
    2006: "a hazard is not allowed by the playbook",
    2007: "the plan is out of date",
    2008: "the words of the call do not fit together",
    2009: "a step's parameters do not fit the servers",
    # 3: the servers, nothing touched
    3001: "a server cannot be reached",
    3002: "the databases are not a pair",
    3003: "the check found something that blocks",
    3004: "green is not empty",
    3005: "a server or tool is too old for what is asked",
    3006: "a needed program is missing",
    3007: "a pointer does not name what the playbook says",
    3008: "a right is missing",
    3009: "rows would not flow both ways",
    # 4: run again
    4001: "a step did not reach its wanted state",
    4002: "a backup could not be taken or proved",
    4003: "the initial copy or the stream stopped",
    4004: "a migration failed",
    4005: "validation found a difference",
    4006: "a server went away",
    4007: "interrupted",
    4008: "the certificate does not hold",
    4009: "a pooler did not do what it was told",
    4010: "a server refused a statement",
    4011: "a monitor says that traffic must not move",
    # 5: out of time, backed out
    5001: "the pause ran over its budget",
    5002: "a wait ran over its deadline",
    5003: "the fence could not be closed in time",
    # 6: the way back
    6001: "rollback would lose data",
    6002: "rollback is not open",
    # 7: stop and look
    7001: "it cannot be confirmed where traffic goes",
    7002: "decommission cannot prove the side",
    # 8: journal and lease
    8001: "another operator holds the lease",
    8002: "the journals disagree",
    8003: "decommission is not due",
    8004: "the journal cannot be written",
    8005: "the journal is not what was written",
    # 70
    70001: "a bug in bluegreen",
}


class BluegreenError(Exception):
    """An error in the form that the on-call reads.

    Attributes:
        code: one of `CODES`.
        problem: one sentence, lower case, no full stop.
        seen: what the servers or the file said.
        wanted: what had to hold.
        traffic: which side serves, and whether anything has moved.
        hint: what to do next.
    """

    def __init__(
        self,
        code: int,
        problem: str,
        *,
        seen: str = "",
        wanted: str = "",
        traffic: str = "",
        hint: str = "",
    ) -> None:
        if code not in CODES:
            raise KeyError(code)
        super().__init__(problem)
        self.code = code
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
    code: int,
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
