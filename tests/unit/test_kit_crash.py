"""Crash points: armed by the environment only, and they strike where they are told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import bluegreen
from bluegreen.model.errors import PlaybookRefused, StepError
from tests.kit.crash import Fault, points, unarmed

PASS_TWO = """
import json
import os
from tests.kit.crash import points
point = points(os.environ)
point("a"); print("a", flush=True)
point("b"); print("b", flush=True)
point("b"); print("b again", flush=True)
"""


def start(fault: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PASS_TWO],
        env={**os.environ, "BLUEGREEN_FAULT": fault},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_without_the_environment_it_is_the_empty_function() -> None:
    assert points({}) is unarmed
    assert points({"BLUEGREEN_FAULT": ""}) is unarmed
    unarmed("a")


@pytest.mark.parametrize(
    ("fault", "said"),
    [("b:kill:1", "a\n"), ("b:kill", "a\n"), ("b:kill:2", "a\nb\n")],
)
def test_a_kill_strikes_at_the_passing_it_is_told(fault: str, said: str) -> None:
    with start(fault) as process:
        out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (-signal.SIGKILL, said)


def test_a_point_of_another_name_is_passed() -> None:
    with start("c:kill:1") as process:
        out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "a\nb\nb again\n")


def test_a_stop_can_be_continued() -> None:
    with start("b:stop:1") as process:
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        process.send_signal(signal.SIGCONT)
        out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "a\nb\nb again\n")


def test_an_error_is_raised_once() -> None:
    point = points({"BLUEGREEN_FAULT": "a:error:1"})
    with pytest.raises(StepError, match="fault asked for at a"):
        point("a")
    point("a")


def test_sleep_sleeps_at_every_passing(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("tests.kit.crash.time.sleep", slept.append)
    point = points({"BLUEGREEN_FAULT": "a:sleep:7"})
    point("a")
    point("a")
    assert slept == [7, 7]


def test_the_log_lists_the_names_passed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    point = points({"BLUEGREEN_FAULT_LOG": str(log)})
    for name in ("a", "b", "a"):
        point(name)
    assert log.read_text() == "a\nb\na\n"


def test_hold_stands_still_until_the_gate_is_closed(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    told = {"BLUEGREEN_FAULT": "b:hold:1", "BLUEGREEN_FAULT_GATE": str(gate)}
    point, passed = points(told), []

    def pass_all() -> None:
        for name in ("a", "b", "c"):
            point(name)
            passed.append(name)

    tool = threading.Thread(target=pass_all)
    tool.start()
    with gate.open("wb"):
        assert passed == ["a"]
    tool.join(10)
    assert passed == ["a", "b", "c"]


def test_a_star_counts_every_point() -> None:
    point = points({"BLUEGREEN_FAULT": "*:error:3"})
    point("a")
    point("b")
    with pytest.raises(StepError):
        point("a")


@pytest.mark.parametrize(
    "text", ["a", "a:boom:1", "a:kill:x", ":kill:1", "a:kill:-1", "a:hold:1"]
)
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(PlaybookRefused) as caught:
        Fault.parse(text)
    assert str(caught.value) == (
        "error BG-2008: BLUEGREEN_FAULT is not a fault\n"
        f"  seen:    {text!r}\n"
        "  wanted:  point:kind:seed, kind one of kill, stop, error, sleep, hold\n"
        "  hint:    unset it, unless this is a test"
    )


LOG_OF_A_CALL = """
import json, sys
from bluegreen.cli import context
context.point("a")
if "armed" in sys.argv:
    from tests.kit.armed import arm
    arm(json.loads(sys.argv[-1]))
context.point("a")
"""


@pytest.mark.parametrize("armed", [False, True])
def test_the_product_alone_looks_at_no_variable(tmp_path: Path, armed: bool) -> None:
    log = tmp_path / "log"
    fault = {"BLUEGREEN_FAULT": "a:kill:1", "BLUEGREEN_FAULT_LOG": str(log)}
    words = ["armed", json.dumps(fault)] if armed else []
    done = subprocess.run(
        [sys.executable, "-c", LOG_OF_A_CALL, *words], env={**os.environ, **fault}
    )
    assert (done.returncode, log.exists()) == (-signal.SIGKILL if armed else 0, armed)


def test_nothing_that_is_shipped_knows_of_faults() -> None:
    shipped = Path(bluegreen.__file__).parent.rglob("*.py")
    assert not [path for path in shipped if "BLUEGREEN_FAULT" in path.read_text()]
