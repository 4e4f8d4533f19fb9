"""Looks at rows that users put into tables of extensions. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from bluegreen.model.finding import Finding, Severity, checked
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.extension_rows import (
    MOST,
    ExtensionRows,
    copy_commands,
)
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.postgres.quoting import quote_name
from bluegreen.steps.preflight.intent import Intent

_SCHEDULES = {("cron", "job"), ("pgagent", "pga_job"), ("pgagent", "pga_schedule")}
"""What runs by itself where it stands: rows on both sides run twice."""

_LOGS = {("cron", "job_run_details"), ("pgagent", "pga_joblog")}
"""What such a table tells of the past of one server."""


def check_extension_rows(
    blue: ServerFacts, green: ServerFacts, _: Intent
) -> Iterator[Finding]:
    """Rows that CREATE EXTENSION does not bring and the stream does not carry."""
    there = {rows.table: rows for rows in green.extension_rows}
    for rows in blue.extension_rows:
        if rows.table in _LOGS or rows.count == 0:
            continue
        if rows.table in _SCHEDULES:
            yield _schedules(rows)
        elif not _are_alike(rows, there.get(rows.table)):
            yield _rows(rows, there.get(rows.table))


def _are_alike(here: ExtensionRows, there: ExtensionRows | None) -> bool:
    if there is None or here.count is None or here.count != there.count:
        return False
    # A newer version of the extension may have other columns.
    return here.columns != there.columns or here.digest == there.digest


def _rows(here: ExtensionRows, there: ExtensionRows | None) -> Finding:
    out, delete, into = copy_commands(here)
    make = f"CREATE EXTENSION {quote_name(here.extension)} on green; "
    words = [f"-c {shlex.quote(one)}" for one in (delete, into)]
    there_are_some = there is not None and there.count != 0
    return checked(
        "extension-rows",
        Side.GREEN,
        f"{here.name} of extension {here.extension}: {_counted(here)} on blue, "
        f"{_counted(there) if there else 'no such table'} on green",
        "tables of an extension are made by CREATE EXTENSION and not streamed: what "
        "the application or a person set up there is missing after the cutover",
        f"{'' if there else make}psql BLUE -c {shlex.quote(out)} | psql GREEN "
        + " ".join(words if there_are_some else words[1:]),
        blocks=here.count is not None,
    )


def _counted(rows: ExtensionRows) -> str:
    if rows.count is None:
        return "rows that cannot be read"
    if rows.count > MOST:
        return f"more than {MOST} rows"
    return "1 row" if rows.count == 1 else f"{rows.count} rows"


def _schedules(rows: ExtensionRows) -> Finding:
    return checked(
        "extension-schedules",
        Side.BLUE,
        f"{rows.name} of extension {rows.extension}: {_counted(rows)}",
        "a schedule runs where it stands: on green it is missing after the cutover, "
        "and on both sides it runs twice",
        "make them on green right after the cutover, and take them off blue",
        severity=Severity.WARNING,
    )
