"""Processes of our own: where their modules come from, and what they outlive."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import bluegreen
from bluegreen.engine import own_process
from bluegreen.engine.own_process import (
    fate_of,
    own_environment,
    own_module,
    own_scope,
)
from bluegreen.steps.preflight.fate import check_shared_fate

HOME = str(Path(bluegreen.__file__).parents[1])


def test_a_module_of_ours_is_found_and_the_working_folder_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('ran')")
    monkeypatch.chdir(tmp_path)
    told = {**os.environ, "PYTHONPATH": os.pathsep.join(("", HOME, str(tmp_path)))}
    done = subprocess.run(
        own_module("bluegreen", "--help"),
        env=own_environment(told),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("entries", "kept"),
    [
        ([], None),
        ([""], None),
        (["/a", "", "/b"], "/a:/b"),
        (["/a", "{here}", "."], "/a"),
    ],
)
def test_the_working_folder_leaves_the_path(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    entries: list[str],
    kept: str | None,
) -> None:
    monkeypatch.chdir(tmp_path)
    path = os.pathsep.join(entries).format(here=tmp_path)
    assert own_environment({"PYTHONPATH": path, "A": "b"}).get("PYTHONPATH") == kept


def test_from_its_own_folder_the_package_comes_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(HOME)
    assert own_environment({"PYTHONPATH": f"{HOME}:/a"})["PYTHONPATH"] == f"/a:{HOME}"
    assert own_environment({})["PYTHONPATH"] == HOME


def systemd_run(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "systemd-run"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(own_process, "SYSTEMD", folder)


def test_where_systemd_runs_a_process_gets_a_scope(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"'
    systemd_run(tmp_path, monkeypatch, drop)
    words = own_scope()
    assert words[2:] == ["--scope", "--quiet", "--collect", "--"]
    assert words[1] == ("--system" if os.geteuid() == 0 else "--user")
    done = subprocess.run([*words, "echo", "said"], capture_output=True, text=True)
    assert done.stdout == "said\n"


def test_a_systemd_that_refuses_leaves_the_process_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    systemd_run(tmp_path, monkeypatch, "exit 1")
    assert own_scope() == []
    monkeypatch.setattr(own_process, "SYSTEMD", tmp_path / "none")
    assert own_scope() == []


IN_UNIT = "0::/system.slice/bluegreen.service\n"
IN_SESSION = "0::/user.slice/user-0.slice/session-4.scope\n"


@pytest.mark.parametrize(
    ("scope", "container", "groups", "says"),
    [
        (True, False, IN_UNIT, "this machine"),
        (False, False, "0::/\n", "this machine"),
        (False, False, "", "this machine"),
        (False, False, IN_UNIT, "the systemd unit bluegreen.service"),
        (False, False, IN_SESSION, "the systemd unit session-4.scope"),
        (False, True, IN_UNIT, "this container"),
        # A scope of systemd inside a container ends with the container.
        (True, True, "0::/\n", "this container"),
    ],
)
def test_what_ends_tool_and_guard_together(
    scope: bool, container: bool, groups: str, says: str
) -> None:
    assert fate_of(scope=scope, container=container, groups=groups) == says
    [finding] = check_shared_fate(says)
    assert finding.seen == f"the end of {says} ends the tool and its guard together"
    assert not finding.is_blocking


def test_a_world_without_a_guard_has_no_such_finding() -> None:
    assert list(check_shared_fate("")) == []
