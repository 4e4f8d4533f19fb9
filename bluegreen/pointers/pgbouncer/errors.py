"""What a person reads when a PgBouncer did not do what a move needs of it.

Owns the texts of this pointer's errors; when they are raised is for `pgbouncer.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from bluegreen.model.duration import format_duration
from bluegreen.model.errors import (
    BluegreenError,
    BudgetError,
    PlaybookRefused,
    ServerRefused,
    StepError,
    TrafficUnknownError,
)
from bluegreen.model.verdict import Finding
from bluegreen.pointers.pgbouncer.console import quoted
from bluegreen.pointers.pgbouncer.loaded import Unloaded


def same_address(where: str, address: object) -> PlaybookRefused:
    """Blue and green are one place."""
    return PlaybookRefused(
        2003,
        f"pointer {where} reaches blue and green at the same address",
        seen=str(address),
        hint="write `blue:` and `green:` under the pointer, as the pooler reaches "
        "each of them",
    )


def no_entry(where: str, database: str) -> ServerRefused:
    """The running pooler does not know the entry."""
    return ServerRefused(
        3007,
        f"pooler {where} has no entry {database}",
        wanted=f"{database} in its SHOW DATABASES",
        hint="give the name from [databases] as `database` of the pointer; an entry "
        "that only `*` makes must be written out",
    )


def over_budget(
    where: str, database: str, budget: timedelta, holders: str
) -> BudgetError:
    """Transactions were open for the whole budget."""
    return BudgetError(
        5001,
        f"PAUSE of {database} on pooler {where} took longer than "
        f"{format_duration(budget)}",
        seen=holders,
        wanted="open transactions that end within the budget",
        hint="look the server pids up in pg_stat_activity; end those transactions or "
        "wait for them, or give a longer max_pause, then run again",
    )


def pause_spoiled(where: str, status: str) -> StepError:
    """PAUSE was answered with another word."""
    return StepError(
        4009,
        f"pooler {where} cannot pause any more",
        seen=f"PAUSE was answered with {status}, transactions may be open",
        wanted="the answer PAUSE",
        hint="somebody sent WAIT_CLOSE to this process, which spoils PAUSE until it "
        "is restarted: restart PgBouncer, then run again",
    )


def pause_waiting(where: str, database: str, holders: str) -> StepError:
    """Somebody else's PAUSE, or that of a killed run, has not come through."""
    return StepError(
        4009,
        f"a PAUSE of {database} is already waiting on pooler {where}",
        seen=holders,
        wanted="an entry that nobody else is pausing",
        hint="does somebody else work on it? If not, on its console: "
        f"RESUME {quoted(database)}; then run again",
    )


def still_held(where: str, database: str) -> StepError:
    """RESUME was said and the entry is paused."""
    return StepError(
        4009,
        f"pooler {where} still holds back the clients of {database}",
        wanted="SHOW DATABASES with paused = 0 after RESUME",
        hint=f"on its console: RESUME {quoted(database)};",
    )


def perhaps_held(
    where: str, database: str, error: BluegreenError
) -> TrafficUnknownError:
    """A PAUSE failed, and so did lifting it."""
    return TrafficUnknownError(
        7001,
        f"pooler {where} may hold back the clients of {database}",
        seen=error.seen or error.problem,
        wanted="RESUME, confirmed by SHOW DATABASES",
        hint=f"on its console: RESUME {quoted(database)}; a pooler that is down "
        "holds nobody, and forgets PAUSE when it starts",
    )


def did_not_follow(where: str, database: str, seen: str, wanted: object) -> StepError:
    """RELOAD was said and the entry leads elsewhere."""
    return StepError(
        4009,
        f"pooler {where} did not follow its new configuration",
        seen=f"after RELOAD entry {database} leads to {seen}",
        wanted=str(wanted),
        hint="the former file is back in place; PgBouncer's log names the line that "
        "it did not take",
    )


def not_loaded(where: str, strange: Sequence[Unloaded]) -> ServerRefused:
    """The file says more than the running pooler has."""
    return ServerRefused(
        3007,
        f"the file of pooler {where} holds changes that PgBouncer has not loaded",
        seen="\n".join(map(str, strange)),
        wanted="a file that the running pooler has loaded",
        traffic="nothing has moved, and nobody waits",
        hint="a move would load them in its pause: RELOAD PgBouncer first, or take "
        "them out of the file; then run again",
    )


ELSEWHERE = 3007
"""The code of a file that is not the one that the pooler reads."""


def file_elsewhere(where: str, file: Path, conffile: Path) -> ServerRefused:
    """A throw-away entry was written to the file, and the pooler did not see it."""
    return ServerRefused(
        ELSEWHERE,
        f"pooler {where} does not read {file}",
        seen=f"an entry written there did not come after RELOAD; PgBouncer names "
        f"{conffile} as its file",
        wanted="the very file that this PgBouncer process reads",
        traffic="nothing has moved, and nobody waits",
        hint="run bluegreen on the machine of PgBouncer, or correct `config_file` or "
        "`console` of the pointer",
    )


def as_finding(where: str, error: BluegreenError, name: str = "") -> Finding:
    """What a look could not see, as a finding."""
    return Finding(
        id=name or f"pooler-{error.code}",
        where=where,
        seen="\n".join(filter(None, (error.problem, error.seen))),
        why="what cannot be seen before a move would stop it in its middle",
        fix=error.hint,
        blocks=True,
    )
