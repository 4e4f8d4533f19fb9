"""Running a program of the playbook, without a shell and with an end.

Owns its process group, its time-out and how much of its output is kept. What the output
means is for `pointer.py`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LINES_SHOWN = 3
"""The end of what a program says tells why it failed."""

_KEPT = 2000  # characters of it, whatever the lines are


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    Attributes:
        why_not: empty where its status was 0; else what happened.
        out: what it printed.
    """

    why_not: str
    out: str = ""


def run_program(command: Sequence[str], home: Path, within_s: float) -> Ended:
    """Run it to its end; at the deadline it and its children are killed."""
    try:
        process = subprocess.Popen(
            list(command),
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return Ended(f"it cannot be started: {error}")
    with process:
        try:
            out, said = process.communicate(timeout=within_s)
        except subprocess.TimeoutExpired:
            _kill(process)
            return Ended(f"it did not end within {within_s:g} s")
        except BaseException:
            _kill(process)
            raise
    if process.returncode:
        tail = "\n".join((said or out).strip()[-_KEPT:].splitlines()[-LINES_SHOWN:])
        why = f"it ended with status {process.returncode}"
        return Ended(f"{why}: {tail}" if tail else why)
    return Ended("", out)


def _kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # A child that left the group may hold the pipes; they are not waited for.
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
