"""Named crash points, so that a test can stop the tool between any two effects.

Owns arming them, by environment, for `tests.kit.armed` and other processes of tests;
the product holds nothing of this. Where they stand is up to whoever calls
`world.point(name)`; unarmed, that is an empty function.

`BLUEGREEN_FAULT=point:kind:seed`, e.g. `cutover/move/before_act:kill:1`; several
points have commas between them, and the first that is passed strikes; `*` is any
point. The seed is the how-manieth passing of that point strikes; with `sleep` it is
seconds. `hold` stands still until whoever opened the FIFO `BLUEGREEN_FAULT_GATE` for
writing closes it, so that faults from outside strike exactly there.
`BLUEGREEN_FAULT_LOG=path` appends the name of every point passed.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bluegreen.model.errors import PlaybookRefused, StepError

Point = Callable[[str], None]
KINDS = ("kill", "stop", "error", "sleep", "hold")
ANY = "*"


@dataclass(frozen=True, slots=True)
class Fault:
    """What strikes where.

    Attributes:
        point: the name of the point, several with commas between them, or `*`.
        kind: `kill` (SIGKILL), `stop` (SIGSTOP), `error` (StepError), `sleep`, `hold`.
        seed: which passing strikes, from 1; seconds for `sleep`.
        gate: the FIFO that `hold` reads.
    """

    point: str
    kind: str
    seed: int
    gate: str = ""

    @classmethod
    def parse(cls, text: str, gate: str = "") -> Fault:
        """Read `point:kind:seed`.

        Raises:
            PlaybookRefused: 2008.
        """
        point, _, rest = text.partition(":")
        kind, _, seed = rest.partition(":")
        known = kind in KINDS and (kind != "hold" or bool(gate))
        if not point or not known or not (seed or "1").isdigit():
            raise PlaybookRefused(
                2008,
                "BLUEGREEN_FAULT is not a fault",
                seen=repr(text),
                wanted=f"point:kind:seed, kind one of {', '.join(KINDS)}",
                hint="unset it, unless this is a test",
            )
        return cls(point, kind, int(seed or 1), gate)


def points(environ: Mapping[str, str]) -> Point:
    """The function that `World.point` is: armed by the environment, else empty."""
    text, log = environ.get("BLUEGREEN_FAULT"), environ.get("BLUEGREEN_FAULT_LOG")
    if not text and not log:
        return unarmed
    gate = environ.get("BLUEGREEN_FAULT_GATE", "")
    fault = Fault.parse(text, gate) if text else None
    passed: dict[str, int] = {ANY: 0}

    def point(name: str) -> None:
        if log:
            _append(Path(log), name)
        passed[name] = passed.get(name, 0) + 1
        passed[ANY] += 1
        if fault is None:
            return
        if fault.point == ANY:
            _strike(fault, passed[ANY])
        elif name in fault.point.split(","):
            _strike(fault, passed[name])

    return point


def unarmed(_: str) -> None:
    """No fault is asked for."""


def _append(log: Path, name: str) -> None:
    # Opened each time: after a kill the file must hold every name passed.
    with log.open("a") as file:
        file.write(name + "\n")


def _strike(fault: Fault, passing: int) -> None:
    if fault.kind == "sleep":
        time.sleep(fault.seed)
    elif passing != fault.seed:
        return
    elif fault.kind == "error":
        raise StepError(4001, f"fault asked for at {fault.point}")
    elif fault.kind == "hold":
        with Path(fault.gate).open("rb") as gate:
            gate.read()
    else:
        os.kill(os.getpid(), signal.SIGKILL if fault.kind == "kill" else signal.SIGSTOP)
