"""The user's own check as a program: it must end with status 0.

Owns starting it without a shell, pointing it at green, and what of its output is shown.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from bluegreen.model.codes import Code
from bluegreen.model.errors import StepError
from bluegreen.model.hazard import Hazard
from bluegreen.postgres.tools import environment_for
from bluegreen.steps.validation.proof import SERVES, Proof
from bluegreen.steps.world import World

LINES_SHOWN = 12
"""The end of a test run says what failed."""


class RunCommand(Proof):
    """The playbook's program ends with status 0, with PGHOST and friends on green.

    Crash: the program may go on; it is started again by the next run.
    """

    hazards = frozenset({Hazard.RUNS_A_COMMAND})
    title = "the playbook's program is content with green"

    def __init__(
        self, step_id: str, command: tuple[str, ...], deadline: timedelta
    ) -> None:
        super().__init__(step_id)
        self.command = command
        self.deadline = deadline

    def asked(self, world: World) -> Mapping[str, Any]:
        """The program and its arguments."""
        return {"command": list(self.command)}

    def prove(self, world: World) -> dict[str, Any]:
        """Run it in the playbook's folder."""
        environment = environment_for(world.green)
        started = world.clock.monotonic()
        try:
            status, output = _run(
                self.command, str(world.home), environment, self.deadline
            )
        except OSError as error:
            raise self._failed(f"it cannot be started: {error.strerror}", "") from None
        tail = _without_password(last_lines(output), environment)
        if status:
            raise self._failed(f"it ended with status {status}", tail)
        return {
            "summary": f"{self.command[0]} ended with status 0",
            "seconds": round(world.clock.monotonic() - started, 3),
            "output": tail,
        }

    def _failed(self, why: str, tail: str) -> StepError:
        return StepError(
            Code.DIFFERENCE_FOUND,
            f"the program {self.command[0]!r} of the playbook found a difference",
            seen=f"{why}\n{tail}".strip(),
            wanted="status 0",
            traffic=SERVES,
            hint="see what it says above; fix it, then run again",
        )


def last_lines(output: str) -> str:
    """The end of what a program printed."""
    return "\n".join(output.rstrip().splitlines()[-LINES_SHOWN:])


def _run(
    command: Sequence[str],
    home: str,
    environment: Mapping[str, str],
    deadline: timedelta,
) -> tuple[int | str, str]:
    """Run a program in a process group of its own, which ends with it."""
    with subprocess.Popen(
        list(command),
        cwd=home,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=deadline.total_seconds())
        except subprocess.TimeoutExpired:
            _end(process)
            return f"none in {deadline}", process.communicate()[0]
        except BaseException:
            _end(process)
            raise
    return process.returncode, output


def _end(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)


def _without_password(text: str, environment: Mapping[str, str]) -> str:
    password = environment.get("PGPASSWORD")
    return text.replace(password, "***") if password else text
