"""What a person reads when a PgBouncer did not do what a move needs of it.

Owns the texts of this pointer's errors; when they are raised is for `pointer.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bluegreen.model.codes import Code
from bluegreen.model.duration import format_duration
from bluegreen.model.errors import (
    BluegreenError,
    BudgetError,
    PlaybookRefused,
    ServerRefused,
    StepError,
    TrafficUnknownError,
)
from bluegreen.model.finding import Blocks, Finding, Severity, checked
from bluegreen.model.side import Side
from bluegreen.pointers.client_probe import Client
from bluegreen.pointers.pgbouncer.address import Address
from bluegreen.pointers.pgbouncer.console import Console, quoted
from bluegreen.pointers.pgbouncer.shown import Unloaded
from bluegreen.postgres.quoting import quote_name

LOGIN = "pointer-login"
"""The finding about a client that would not be served."""


def same_address(where: str, address: object) -> PlaybookRefused:
    """Blue and green are one place."""
    return PlaybookRefused(
        Code.PLAYBOOK_NOT_VALID,
        f"pointer {where} reaches blue and green at the same address",
        seen=str(address),
        hint="write `blue:` and `green:` under the pointer, as the pooler reaches "
        "each of them",
    )


def no_entry(where: str, database: str) -> ServerRefused:
    """The running pooler does not know the entry."""
    return ServerRefused(
        Code.POINTER_ELSEWHERE,
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
        Code.PAUSE_OVER_BUDGET,
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
        Code.POOLER_FAILED,
        f"pooler {where} cannot pause any more",
        seen=f"PAUSE was answered with {status}, transactions may be open",
        wanted="the answer PAUSE",
        hint="a WAIT_CLOSE was sent to this process, which spoils PAUSE until it "
        "is restarted: restart PgBouncer, then run again",
    )


def pause_waiting(where: str, database: str, holders: str) -> StepError:
    """Another PAUSE, or that of a killed run, has not come through."""
    return StepError(
        Code.POOLER_FAILED,
        f"a PAUSE of {database} is already waiting on pooler {where}",
        seen=holders,
        wanted="an entry that no one else is pausing",
        hint="is someone else working on it? If not, on its console: "
        f"RESUME {quoted(database)}; then run again",
    )


def still_held(where: str, database: str, console: Console) -> StepError:
    """RESUME was said and the entry is paused."""
    return StepError(
        Code.POOLER_FAILED,
        f"pooler {where} still holds back the clients of {database}",
        wanted="SHOW DATABASES with paused = 0 after RESUME",
        hint=f"type `{resume_by_hand(database, console)}`",
    )


def perhaps_held(
    where: str, database: str, error: BluegreenError, console: Console
) -> TrafficUnknownError:
    """A PAUSE failed, and so did lifting it."""
    return TrafficUnknownError(
        Code.TRAFFIC_UNKNOWN,
        f"pooler {where} may hold back the clients of {database}",
        seen=error.seen or error.problem,
        wanted="RESUME, confirmed by SHOW DATABASES",
        hint=f"type `{resume_by_hand(database, console)}`; a pooler that is down "
        "holds no clients, and forgets PAUSE when it starts",
    )


def resume_by_hand(database: str, console: Console) -> str:
    """The line that lets an entry's clients go on, and shows that they do."""
    return console.by_hand(f"RESUME {quoted(database)}", "SHOW DATABASES")


def did_not_follow(
    where: str, database: str, seen: str, wanted: object, place: str
) -> StepError:
    """RELOAD was said and the entry leads elsewhere."""
    return StepError(
        Code.POOLER_FAILED,
        f"pooler {where} did not follow its new configuration",
        seen=f"after RELOAD entry {database} leads to {seen}",
        wanted=str(wanted),
        hint=f"the former line is back at {place}; PgBouncer's log names the line "
        "that it did not take",
    )


def not_loaded(
    where: str, strange: Sequence[Unloaded], console: Console
) -> ServerRefused:
    """File and process differ: a RELOAD would change what runs."""
    return ServerRefused(
        Code.POINTER_ELSEWHERE,
        f"the file of pooler {where} holds changes that PgBouncer has not loaded",
        seen="\n".join(map(str, strange)),
        wanted="a file that the running pooler has loaded",
        traffic="nothing has moved, and no client is waiting",
        hint="a move would load them in its pause: correct the file where it is named "
        f"above, or load it with `{console.by_hand('RELOAD')}`; then run again",
    )


class ProofRefused(ServerRefused):
    """The trial with a throw-away entry did not go as it must.

    Attributes:
        finding: its name among the findings of `check`.
    """

    finding = ""


def _not_proved(finding: str, problem: str, **words: str) -> ProofRefused:
    refused = ProofRefused(Code.POINTER_ELSEWHERE, problem, **words)
    refused.finding = finding
    return refused


def file_elsewhere(where: str, file: Path, conffile: Path) -> ProofRefused:
    """A throw-away entry was written to the file, and the pooler did not see it."""
    return _not_proved(
        "config-file-elsewhere",
        f"pooler {where} does not read {file}",
        seen=f"an entry written there did not come after RELOAD; PgBouncer names "
        f"{conffile} as its file",
        wanted="the very file that this PgBouncer process reads",
        traffic="nothing has moved, and no client is waiting",
        hint="run bluegreen on the machine of PgBouncer, or correct `config_file` or "
        "`console` of the pointer. Where they are right, PgBouncer's log names the "
        "line at which it stopped reading",
    )


def not_taken(where: str, file: Path, seen: str) -> ProofRefused:
    """PgBouncer stops reading in the file, or says that it cannot load it."""
    return _not_proved(
        "config-not-taken",
        f"pooler {where} does not take the whole of {file}",
        seen=seen,
        wanted="a RELOAD that reads the file to its end",
        traffic="nothing has moved, and no client is waiting",
        hint="PgBouncer's log names the line at which it stopped: correct it, RELOAD, "
        "then run again",
    )


def reload_changed(where: str, file: Path, seen: Sequence[str]) -> ProofRefused:
    """RELOAD of a trial entry changed more than that."""
    return _not_proved(
        "reload-changes-more",
        f"a RELOAD of pooler {where} changed more than the trial entry",
        seen="\n".join(seen),
        wanted="a RELOAD that changes nothing else",
        traffic="nothing has moved, and no client is waiting; these changes run now",
        hint=f"did someone edit {file} or what it includes at this moment? See that "
        "the values above are meant, then run again",
    )


def not_let_in(
    where: str, side: Side, client: Client, seen: str, log: str
) -> ProofRefused:
    """A client that came in through a trial entry was not served."""
    role = client.user or "the client's role"
    said = f"the pooler's log: {log}" if log else ""
    return _not_proved(
        LOGIN,
        f"clients of pooler {where} would not be served on {side}",
        seen="\n".join(filter(None, (seen, said))),
        wanted=f"a session of {role} on {side}, through an entry that was tried for it",
        traffic="nothing has moved, and no client is waiting",
        hint=f"on {side} see that {role} may log in from the pooler: its password (the "
        "secret of the other side, word for word), VALID UNTIL, CONNECT on the "
        "database, pg_hba.conf, connection limits, auth_query's role and function, "
        "and TLS by server_tls_*; then run again"
        + ("" if log else ". PgBouncer's log has the reason"),
    )


def read_only(
    where: str, side: Side, client: Client, dbname: str, source: str
) -> ProofRefused:
    """A client's session there would refuse every write."""
    what = "default_transaction_read_only"
    role, database = quote_name(client.user), quote_name(dbname)
    whom = {
        "database": f"DATABASE {database}",
        "user": f"ROLE {role}",
        "database user": f"ROLE {role} IN DATABASE {database}",
    }.get(source)
    # A session there would refuse a plain ALTER as well.
    reset = (
        f"BEGIN READ WRITE; ALTER {whom} RESET {what}; COMMIT"
        if whom
        else f"ALTER SYSTEM SET {what} = off; SELECT pg_reload_conf()"
    )
    return _not_proved(
        "pointer-read-only",
        f"clients of pooler {where} could not write on {side}",
        seen=f"{what} = on there, set by: {source}",
        wanted="sessions that may write",
        traffic="nothing has moved, and no client is waiting",
        hint=f"on {side}: {reset}; then run again",
    )


def file_edited(where: str, files: Sequence[Path]) -> StepError:
    """A file was edited and loaded behind the proof."""
    return StepError(
        Code.SWITCHOVER_BLOCKED,
        f"the configuration of pooler {where} was edited while the move was made ready",
        seen=f"{', '.join(map(str, files))} holds another text than the one that was "
        "proved",
        wanted="a file that is not edited during a switchover",
        traffic="nothing has moved, and no client is waiting",
        hint="run again once the edit is done; the file is proved again first",
    )


def restarted(where: str) -> StepError:
    """The process that was proved is not the one that would be paused."""
    return StepError(
        Code.SWITCHOVER_BLOCKED,
        f"the process of pooler {where} changed while the move was made ready",
        seen="every console session that was open to it has ended: PgBouncer was "
        "restarted",
        wanted="the process that was proved to read the file",
        traffic="nothing has moved, and no client is waiting",
        hint="run again; the new process is proved first",
    )


def by_hand(place: str, database: str, address: Address, console: Console) -> str:
    """How a person moves one entry: what to write where, and what to type."""
    resume = f"RESUME {quoted(database)}"
    return (
        f"in {place} let {database} lead to {address.as_pairs()}, then "
        f"`{console.by_hand('RELOAD', resume)}`"
    )


def comes_with_the_copy(told: Finding) -> Finding:
    """The same, where green may lack no more than a function that will come."""
    return replace(
        told,
        severity=Severity.INFO,
        why="auth_query and connect_query call functions, which come to green with the "
        "copy; it is tried again right before the pause, and stops the move then",
        blocks=Blocks.NOTHING,
    )


def as_finding(where: str, error: BluegreenError, name: str = "") -> Finding:
    """What a look could not see, as a finding."""
    return checked(
        id=name or f"pooler-{error.code}",
        where=where,
        seen="\n".join(filter(None, (error.problem, error.seen))),
        why="what cannot be seen before a move would stop it in its middle",
        fix=error.hint,
        blocks=True,
    )
