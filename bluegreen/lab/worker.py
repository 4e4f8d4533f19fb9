"""A process of our own that answers questions, one line of JSON each.

Owns starting it, asking and ending it. What is asked is for its callers: threads whose
waits are measured live in such a process, apart from a busy interpreter.
"""

from __future__ import annotations

import json
import select
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any


class Worker:
    """The process, from its start on."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for us, not for it
        )

    def ask(self, within_s: float, **words: object) -> dict[str, Any]:
        """Its answer.

        Raises:
            RuntimeError: none came in time; the process is ended.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        with suppress(BrokenPipeError):
            stdin.write(json.dumps(words) + "\n")
            stdin.flush()
        ready, _, _ = select.select([stdout], [], [], within_s)
        line = stdout.readline() if ready else ""
        if not line:
            self.kill()
            raise RuntimeError("the worker process did not answer")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """Let it end by itself, at the end of its input."""
        if self._process.stdout is not None and not self._process.stdout.closed:
            self._process.communicate()

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self.end()
