"""How each scheduler judges its own files, offline."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def systemd_analyze(*words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail(
                "systemd-analyze is not installed (Debian: apt install systemd)"
            )
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=60)


RANGES = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31)}
RANGES |= {"month": (1, 12), "weekday": (0, 7)}
_PIECE = re.compile(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?")


def cron_entry(text: str) -> tuple[list[str], str, str]:
    """The one entry of a file in /etc/cron.d: five times, user, command.

    Raises:
        ValueError: cron would not take it.
    """
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    entries = [line for line in lines if not re.match(r"[A-Z_]+=", line)]
    if len(entries) != 1:
        raise ValueError(f"{len(entries)} entries")
    fields = entries[0].split(None, 6)
    if len(fields) != 7:
        raise ValueError("five times, user and command are wanted")
    *times, user, command = fields
    for (name, limits), field in zip(RANGES.items(), times, strict=True):
        for piece in field.split(","):
            _require_time(name, limits, piece)
    if not re.fullmatch(r"[a-z_][a-z0-9_-]*", user):
        raise ValueError(f"no user: {user}")
    return times, user, command


def _require_time(name: str, limits: tuple[int, int], piece: str) -> None:
    found = _PIECE.fullmatch(piece)
    if found is None:
        raise ValueError(f"{name}: {piece}")
    first, last, step = (int(part) if part else None for part in found.groups())
    low, high = limits
    if any(value is not None and not low <= value <= high for value in (first, last)):
        raise ValueError(f"{name}: {piece} is out of range")
    if step == 0:
        raise ValueError(f"{name}: a step of 0")


def validate_manifest(path: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("kubernetes-validate")
    return subprocess.run(
        [program, "--strict", str(path)], capture_output=True, text=True, timeout=60
    )
