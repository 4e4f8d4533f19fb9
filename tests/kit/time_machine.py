"""Setting a server's disk back to what it was: snapshots, and standbys that lag."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bluegreen.lab.server import Server
from tests.kit.wait import wait_until


def snapshot(server: Server, name: str = "then") -> Path:
    """Stop cleanly, copy the data folder, start again."""
    server.stop()
    kept = server.folder / f"data-{name}"
    _copy(server.data, kept)
    server.start_again()
    return kept


def set_back(server: Server, kept: Path, *, promoted: bool = False) -> None:
    """Lose everything since the snapshot; with `promoted` on a timeline of its own."""
    server.kill()
    subprocess.run(["rm", "-rf", server.data], check=True)
    _copy(kept, server.data)
    if promoted:
        (server.data / "standby.signal").touch()
    server.start_again()
    if promoted:
        _promote(server)


def fail_over(server: Server) -> None:
    """To a standby that has everything: the same disk, promoted."""
    server.stop()
    (server.data / "standby.signal").touch()
    server.start_again()
    _promote(server)


def _promote(server: Server) -> None:
    with server.connect() as session:
        session.execute("SELECT pg_catalog.pg_promote()")
        wait_until(
            lambda: (
                session.execute("SELECT pg_catalog.pg_is_in_recovery()").fetchone()
                == (False,)
            ),
            "the promotion",
        )


def _copy(from_: Path, to: Path) -> None:
    """With owners and rights: the server may run under another account."""
    subprocess.run(["cp", "-a", from_, to], check=True)
