"""Our own command line as a test calls it: a playbook file, and a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kit.arena import ENTRY, Arena

ALLOW = (
    "LOADS_BLUE",
    "RETAINS_WAL_ON_BLUE",
    "CHANGES_GREEN_SCHEMA",
    "STOPS_WRITES",
    "MOVES_TRAFFIC",
    "ENDS_ROLLBACK",
    "RUNS_A_COMMAND",
    "DELETES_DATA",
)


@dataclass(frozen=True)
class Ended:
    """How a call ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout's last line."""
        return json.loads(self.out.splitlines()[-1])

    def require(self, status: int = 0) -> Ended:
        """Fail with all that was said unless it ended so."""
        assert self.status == status, f"{self.status}\n{self.out}\n{self.err}"
        return self


def call(
    *words: str | Path,
    environ: Mapping[str, str] | None = None,
    deadline_s: float = 240,
) -> Ended:
    """Run `bluegreen WORDS` to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "bluegreen", *map(str, words)],
        env={**os.environ, **(environ or {})},
        capture_output=True,
        text=True,
        timeout=deadline_s,
        stdin=subprocess.DEVNULL,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def write_playbook(
    here: Arena,
    folder: Path,
    steps: Sequence[Mapping[str, Any]],
    *,
    allow: Sequence[str] = ALLOW,
    **more: Any,
) -> Path:
    """A playbook of the arena; JSON is YAML."""
    told = {
        "version": 1,
        "name": here.name,
        "blue": {"dsn": here.pair.blue.conninfo()},
        "green": {"dsn": here.pair.green.conninfo()},
        "pointers": [
            {
                "pointer": "pgbouncer",
                "id": "main",
                "console": here.pooler.console_conninfo(),
                "config_file": str(here.pooler.config_file),
                "database": ENTRY,
                "client": here.client,
            }
        ],
        "steps": list(steps),
        "allow": list(allow),
        **more,
    }
    path = folder / "playbook.yml"
    path.write_text(json.dumps(told, indent=2))
    return path
