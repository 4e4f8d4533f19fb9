"""What the reference of the commands says beside typer: statuses, variables, links.

Owns these tables. A verb that is not in one of them gets a page all the same, with the
general table of exit statuses.
"""

from __future__ import annotations

from collections.abc import Mapping

EXIT_STATUSES: Mapping[int, str] = {
    0: "done, or nothing had to be done",
    1: "`lint` found something; `demo` lost a write or saw an error",
    2: "fix the playbook, or the words of the call",
    3: "fix the servers",
    4: "fix what is named, then run again",
    5: "out of time or budget; backed out; run again",
    6: "rollback would lose data; not done",
    7: "**stop and look**: it is not confirmed where traffic goes",
    8: "journal or lease refused",
    70: "a bug in bluegreen",
}

_CALL = "the playbook or the words of the call must be fixed"
_SERVERS = "a server cannot be reached, or must be fixed first"
_LEASE = "another operator acts, or the journals disagree; nothing was touched"

STATUSES_OF: Mapping[str, Mapping[int, str]] = {
    "init": {
        0: "the file is written",
        2: "an answer fits no playbook, or the file is there already (`--force`)",
    },
    "lint": {
        0: "nothing was found at the level of `--fail-level` or above",
        1: "something was found",
        2: "a file, an option or the configuration cannot be read",
        3: "the server of `--dsn` cannot be reached",
    },
    "compat": {
        0: "no verdict stops a run",
        2: f"{_CALL}, or a migration does not parse",
        3: "a verdict would stop a run, or a side cannot be reached",
    },
    "check": {
        0: "nothing blocks, or all that does is accepted by the playbook",
        2: _CALL,
        3: "something blocks, or a server cannot be reached",
    },
    "plan": {
        0: "a run could go on; also where it has nothing to do",
        2: _CALL,
        3: f"{_SERVERS}; or a run would be refused with 3",
    },
    "run": {
        0: "every step is done, up to the open rollback window",
        2: f"{_CALL}, or the plan of `--plan` is out of date",
        3: f"{_SERVERS}; also where rows would not flow both ways",
        4: "a step failed, or the run was interrupted; run again",
        5: "no time left in the pause; backed out, the old side serves",
        6: "the way back would not be there; traffic has not moved",
        7: "**stop and look**: it is not confirmed where traffic goes",
        8: _LEASE,
    },
    "approve": {
        0: "approved, now or before",
        2: f"{_CALL}; `--step` is needed or names no such step",
        3: _SERVERS,
        8: "a switchover is going on, or nothing was run yet",
    },
    "rollback": {
        0: "blue serves; with `--check`: it would work now",
        2: _CALL,
        3: _SERVERS,
        4: "something failed; backed out, green serves; fix it and run again",
        5: "no time left in the pause; backed out, green serves",
        6: "rows that green took would be lost, or blue was released; not done",
        7: "**stop and look**: it is not confirmed where traffic goes",
        8: _LEASE,
    },
    "hold": {
        0: "rollback is promised until the new end",
        2: f"{_CALL}; no later time, or there is no way back to promise",
        3: _SERVERS,
        4: "the clocks of the servers disagree",
        8: _LEASE,
    },
    "guard": {0: "ended by Ctrl-C or SIGTERM", 2: _CALL},
    "status": {
        0: "it is confirmed which side serves",
        2: _CALL,
        7: "**stop and look**: a doubt is listed",
    },
    "partitions": {
        0: "both sides have the same partitions, and all of them are replicated",
        2: _CALL,
        3: _SERVERS,
        4: "a switchover was cut short, or a partition could not be made",
        6: "blue was released; nothing follows green any more",
        8: _LEASE,
    },
    "drop-slot": {
        0: "the slot is dropped; with `--if-over` also where nothing had to be done",
        2: f"{_CALL}, or the hazard is not allowed",
        3: "the side that serves cannot be reached",
        7: "it is not confirmed which side serves; nothing was dropped",
        8: _LEASE,
    },
    "cancel": {
        0: "all that was made is taken away, or shown with `--dry-run`",
        2: _CALL,
        3: "a side cannot be reached",
        4: "something could not be taken away; call it again",
        5: "a table stayed locked; call it again",
        8: "green serves: there is nothing to cancel; or a run goes on",
    },
    "journal": {
        0: "shown; with `--check`: both copies are as they were written",
        2: _CALL,
        3: "a side cannot be reached",
        8: "the two copies disagree, or a record was changed",
    },
    "verify": {
        0: "the certificate holds",
        2: "the file cannot be read, or the playbook must be fixed",
        3: "a side cannot be reached",
        4: "the certificate does not hold; each difference is a line",
    },
    "decommission": {
        0: "blue is released; with `--if-due` also where it is not due yet",
        2: f"{_CALL}; `ENDS_ROLLBACK` is not allowed; the confirmation was wrong",
        3: _SERVERS,
        4: "the final backup or the `command` failed; run again",
        7: "the side could not be proved; nothing was touched",
        8: "the rollback window is open, or another operator acts",
    },
    "restore": {
        0: "restored and found alike; without `--yes`: the way is shown",
        2: _CALL,
        3: "neither side can be reached, or the database is not a new, empty one",
        4: "the backup does not hold, or does not restore; no side was touched",
        8: "the journals disagree",
    },
    "schedule": {
        0: "the files are printed, or written to the folder of `--to`",
        2: f"{_CALL}; or the folder cannot be written",
    },
    "notify": {
        0: "all were told",
        2: f"{_CALL}; or the playbook names no one",
        4: "one of them could not be told",
    },
    "demo": {
        0: "nothing was lost or doubled, and no client saw an error",
        1: "something was lost or doubled, or a client saw an error",
        3: "PostgreSQL or PgBouncer is missing on this machine",
    },
    "explain": {
        0: "the page is printed",
        2: "there is no such id; the nearest are named",
    },
}
"""What a verb's own statuses mean. Others are possible, by the code of an error."""

VARIABLES: Mapping[str, str] = {
    "BLUEGREEN_PG_BIN": "folder of `pg_dump`, `pg_restore` and the other client "
    "programs; otherwise the newest that is found on `PATH` and in the usual places",
    "BLUEGREEN_LOG": "form of the log where `--log` is not given: `text` or `json`",
    "PGPASSFILE": "libpq's password file, by default `~/.pgpass`; libpq's other "
    "`PG…` variables hold too, but none that lowers TLS",
    "XDG_STATE_HOME": "where the traceback of a bug is kept: `bluegreen/` in it, by "
    "default in `~/.local/state`",
    "${env:NAME}": "any variable that the playbook, or a DSN in the call, refers to so",
    "BLUEGREEN_PG_16": "folder of the server programs of PostgreSQL 16, for the demo; "
    "the same with 18",
}

_SIDES = ("${env:NAME}", "PGPASSFILE")
_TOOLS = (*_SIDES, "BLUEGREEN_PG_BIN")
_LOG = "BLUEGREEN_LOG"

VARIABLES_OF: Mapping[str, tuple[str, ...]] = {
    "lint": ("${env:NAME}", "PGPASSFILE"),
    "compat": _TOOLS,
    "check": _TOOLS,
    "plan": _TOOLS,
    "run": (*_TOOLS, _LOG),
    "approve": _SIDES,
    "hold": _SIDES,
    "rollback": (*_TOOLS, _LOG),
    "guard": (*_SIDES, _LOG),
    "status": _SIDES,
    "partitions": (*_TOOLS, _LOG),
    "drop-slot": _SIDES,
    "cancel": (*_SIDES, _LOG),
    "journal": _SIDES,
    "verify": _SIDES,
    "decommission": (*_TOOLS, _LOG),
    "restore": (*_TOOLS, _LOG),
    "schedule": _SIDES,
    "notify": ("${env:NAME}",),
    "demo": ("BLUEGREEN_PG_16", "XDG_STATE_HOME"),
}

FURTHER: Mapping[str, Mapping[str, str]] = {
    "init": {"the playbook": "../playbook-reference.md"},
    "lint": {
        "the rules": "../lint/index.md",
        "configuration": "../lint/configuration.md",
    },
    "compat": {
        "the step `compat`": "../steps/compat.md",
        "changing the schema": "../changing-the-schema.md",
    },
    "check": {"every finding": "../steps/check.md"},
    "plan": {"the hazards": "../playbook-reference.md#hazards"},
    "run": {
        "the steps": "../playbook-reference.md#steps",
        "the runbook": "../runbook.md",
    },
    "approve": {"the step `approve`": "../steps/approve.md"},
    "hold": {"the step `hold`": "../steps/hold.md"},
    "rollback": {"the bad night": "../runbook.md#the-bad-night-rollback"},
    "guard": {"the guard": "../concepts.md#guard"},
    "status": {
        "how to read it": "../status.md",
        "the monitors": "../monitors.md",
        "exit 7": "../runbook.md#exit-7-stop-and-look",
    },
    "partitions": {
        "partitions ahead of time": "../changing-the-schema.md#partitions-ahead-of-time"
    },
    "drop-slot": {"blue's disk fills": "../runbook.md#blues-disk-fills"},
    "journal": {"the journal": "../concepts.md#journal"},
    "verify": {"the certificate": "../certificate.md"},
    "decommission": {"the step `decommission`": "../steps/decommission.md"},
    "restore": {
        "the way back from a backup": "../restore.md",
        "the step `backup`": "../steps/backup.md",
    },
    "schedule": {"timers": "../../infra/README.md"},
    "notify": {"what is told": "../notify.md"},
    "explain": {"every id": "../findings.md"},
}
