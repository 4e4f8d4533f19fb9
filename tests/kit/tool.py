"""The tool as a process that a test can hold still at a crash point.

Owns the process, its output and the gate. What happens to it meanwhile is for the
faults.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from pathlib import Path
from queue import Empty

from tests.kit.zygote import Zygote

_LOOK_EVERY_S = 0.002


class Tool:
    """One call of `bluegreen`, started at once; end it with `ended` or `close`.

    Args:
        words: the verb and what follows.
        hold: where it stands still, `point:seed`; nowhere when empty.
        log: a file that gets the name of each point passed.
    """

    def __init__(
        self, zygote: Zygote, *words: str | Path, hold: str = "", log: str = ""
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bluegreen-gate-")
        self._gate = Path(self._folder.name) / "gate"
        os.mkfifo(self._gate)
        self._writing: int | None = None
        environ = {**os.environ, "BLUEGREEN_FAULT_GATE": str(self._gate)}
        if hold:
            point, _, seed = hold.partition(":")
            environ["BLUEGREEN_FAULT"] = f"{point}:hold:{seed or 1}"
        if log:
            environ["BLUEGREEN_FAULT_LOG"] = log
        self._said: list[str] = []
        self._status: int | None = None
        said, err = os.pipe()
        with Path(os.devnull).open("w") as out:
            self.pid = zygote.fork([*map(str, words)], environ, out.fileno(), err)
        os.close(err)
        self._over = zygote.over(self.pid)
        self._ear = threading.Thread(target=self._listen, args=(said,), daemon=True)
        self._ear.start()

    @property
    def said(self) -> str:
        """What it wrote to stderr so far."""
        return "".join(self._said)

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._wait(0)

    def await_hold(self, within_s: float = 60.0) -> bool:
        """Wait until it stands at its point; False when it ended without."""
        end = time.monotonic() + within_s
        while self._writing is None:
            try:
                self._writing = os.open(self._gate, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                if self.poll() is not None:
                    return False
                assert time.monotonic() < end, f"it neither came nor ended: {self.said}"
                time.sleep(_LOOK_EVERY_S)
        return True

    def go_on(self) -> None:
        """Open the gate."""
        if self._writing is not None:
            os.close(self._writing)
            self._writing = None

    def signal(self, number: signal.Signals) -> None:
        """Signal it; gone is fine."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def ended(self, within_s: float = 120.0) -> int:
        """Wait for its end; its exit status, negative for a signal."""
        self.go_on()
        status = self._wait(within_s)
        self.close()
        assert status is not None, f"no end within {within_s} s: {self.said}"
        return status

    def require(self) -> None:
        """Wait for its end and fail unless it was a good one."""
        status = self.ended()
        assert status == 0, f"{status}: {self.said}"

    def close(self) -> None:
        """Kill it if it still runs."""
        self.go_on()
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self._wait(10)
        # Its guard may have our stderr open for some seconds more.
        self._ear.join(0.2)
        self._folder.cleanup()

    def _wait(self, within_s: float) -> int | None:
        if self._status is None:
            try:
                self._status = self._over.get(block=within_s > 0, timeout=within_s)
            except Empty:
                return None
        return self._status

    def _listen(self, pipe: int) -> None:
        with os.fdopen(pipe, errors="replace") as lines:
            for line in lines:
                self._said.append(line)
