"""Starting a Python process of our own that runs our code and nothing else's.

Owns the command and the environment. `python -m` puts the working folder first among
the places that modules come from: a `json.py` of the application there would run in our
process, which is about to read passwords, or break it. So does an empty entry of
PYTHONPATH, which means the working folder too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import bluegreen

SYSTEMD = Path("/run/systemd/system")
"""It is there while systemd runs the machine; see sd_booted(3)."""

SCOPE_WITHIN_S = 5.0
"""systemd answers in 50 ms; one that does not is not waited for."""


def own_module(name: str, *words: str) -> list[str]:
    """The command that runs a module of ours, whatever the working folder holds."""
    return [sys.executable, "-P", "-m", name, *words]


def own_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for it: PYTHONPATH without the working folder.

    Our own package is found where it was found now, also where only the working folder
    holds it; then it comes last.
    """
    here = Path.cwd()
    entries = [e for e in environ.get("PYTHONPATH", "").split(os.pathsep) if e]
    kept = [e for e in entries if Path(e).absolute() != here]
    home = str(Path(bluegreen.__file__).absolute().parents[1])
    if home == str(here):
        kept.append(home)
    rest = {name: value for name, value in environ.items() if name != "PYTHONPATH"}
    return {**rest, "PYTHONPATH": os.pathsep.join(kept)} if kept else rest


def own_scope() -> list[str]:
    """What stands before a command so that it outlives the service it comes from.

    Where systemd runs the machine a unit that is stopped, or that meets its limit of
    memory, takes every process of its control group along. A scope is a group of its
    own. Empty where there is no systemd, or where it refuses.
    """
    program = shutil.which("systemd-run")
    if program is None or not SYSTEMD.is_dir():
        return []
    whose = "--system" if os.geteuid() == 0 else "--user"
    words = [program, whose, "--scope", "--quiet", "--collect", "--"]
    try:
        tried = subprocess.run(
            [*words, "true"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SCOPE_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return words if tried.returncode == 0 else []


CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
"""Docker and Podman leave them; KUBERNETES_SERVICE_HOST stands in the environment."""


def shared_fate() -> str:
    """What ends the tool and its guard together, at the least. Asks this machine."""
    marked = any(mark.exists() for mark in CONTAINER_MARKS)
    container = marked or "KUBERNETES_SERVICE_HOST" in os.environ
    try:
        groups = Path("/proc/self/cgroup").read_text()
    except OSError:
        groups = ""
    return fate_of(scope=bool(own_scope()), container=container, groups=groups)


def fate_of(*, scope: bool, container: bool, groups: str) -> str:
    """The same in words. Pure.

    Args:
        scope: the guard gets a systemd scope of its own.
        container: we run in one.
        groups: `/proc/self/cgroup`, a line `id:controllers:path` each.
    """
    if container:
        return "this container"
    units = [
        part
        for line in groups.splitlines()
        for part in line.split(":", 2)[-1].split("/")
        if part.endswith((".service", ".scope"))
    ]
    if scope or not units:
        return "this machine"
    return f"the systemd unit {units[-1]}"
