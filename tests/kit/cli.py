"""Our own command line as a test calls it: a playbook file, and a process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

from bluegreen.compat.verdict import id_and_where
from tests.kit.arena import ENTRY, PATIENT, Arena
from tests.kit.armed import command
from tests.kit.zygote import shared_zygote

ALLOW = (
    "LOADS_BLUE",
    "RETAINS_WAL_ON_BLUE",
    "CHANGES_GREEN_SCHEMA",
    "CHANGES_BLUE_SCHEMA",
    "STOPS_WRITES",
    "MOVES_TRAFFIC",
    "ENDS_ROLLBACK",
    "RUNS_A_COMMAND",
    "DELETES_DATA",
)

_PATIENT = {word: f"{span.seconds}s" for word, span in PATIENT.items()}


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

    @property
    def error(self) -> str:
        """The error, without the log before it; all of stderr where there is none."""
        found = re.search(r"(?ms)^error BG-.*", self.err)
        return (found[0] if found else self.err).rstrip("\n")

    def require(self, status: int = 0) -> Ended:
        """Fail with all that was said unless it ended so."""
        last = "\n".join(self.err.splitlines()[-12:])
        assert self.status == status, f"{self.status}\n{self.out}\n{last}"
        return self


def call(
    *words: str | Path,
    environ: Mapping[str, str] | None = None,
    deadline_s: float = 240,
    cwd: Path | None = None,
) -> Ended:
    """Run `bluegreen WORDS` to its end.

    Where a folder or a variable of Python's may change what is imported, the process is
    a new one; else it is forked from one that has imported everything.
    """
    told, words_ = environ or {}, [*map(str, words)]
    if cwd or any(name.startswith("PYTHON") for name in told):
        return _start(words_, told, deadline_s, cwd)
    return _fork(words_, told, deadline_s)


def _start(
    words: Sequence[str],
    environ: Mapping[str, str],
    deadline_s: float,
    cwd: Path | None,
) -> Ended:
    with subprocess.Popen(
        [*command(environ), *words],
        env={**os.environ, **environ},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=deadline_s)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise _no_end(deadline_s, err) from None
    return Ended(process.returncode, out, err)


def _fork(words: Sequence[str], environ: Mapping[str, str], deadline_s: float) -> Ended:
    """Like `communicate`, it waits for all that hold the pipes, a guard too."""
    zygote, pipes = shared_zygote(), (os.pipe(), os.pipe())
    out, err = (end for _, end in pipes)
    pid = zygote.fork(words, {**os.environ, **environ}, out, err)
    for _, end in pipes:
        os.close(end)
    until = time.monotonic() + deadline_s
    with ThreadPoolExecutor(2) as readers:
        said = [readers.submit(_read_all, end) for end, _ in pipes]
        try:
            texts = [one.result(until - time.monotonic()) for one in said]
            status = zygote.over(pid).get(timeout=until - time.monotonic())
        except (TimeoutError, Empty):
            os.kill(pid, signal.SIGKILL)
            raise _no_end(deadline_s, said[1].result(10)) from None
    return Ended(status, *texts)


def _read_all(pipe: int) -> str:
    with os.fdopen(pipe) as lines:
        return lines.read()


def _no_end(deadline_s: float, err: str) -> AssertionError:
    last = "\n".join(err.splitlines()[-12:])
    return AssertionError(f"no end within {deadline_s} s:\n{last}")


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
        "steps": [_patient(step) for step in steps],
        "allow": list(allow),
        **more,
    }
    path = folder / "playbook.yml"
    path.write_text(json.dumps(told, indent=2))
    return path


def accepting(names: Mapping[str, str]) -> list[dict[str, str]]:
    """Entries of `accept`: an id, or a verdict's whole name, each with its reason."""
    return [_entry(name, reason) for name, reason in names.items()]


def _entry(name: str, reason: str) -> dict[str, str]:
    if "/" not in name:
        return {"id": name, "reason": reason}
    finding, found_on = id_and_where(name)
    return {"id": finding, "object": found_on, "reason": reason}


def _patient(step: Mapping[str, Any]) -> Mapping[str, Any]:
    """A cutover with a `max_pause` says itself what it waits for."""
    if step["step"] != "cutover" or "max_pause" in step:
        return step
    return {**_PATIENT, **step}
