"""What earlier calls of the matrix showed, so that the next one goes on from there.

Owns the file: one line of JSON for each outcome. What is dealt is for `matrix`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tests.fault.trial import Case, Outcome


class Past:
    """Outcomes of many calls; the newest word on a case with its seed counts.

    Args:
        file: where they are kept; None keeps them for this call alone.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._told: dict[str, Outcome] = {}
        if file is not None and file.exists():
            for line in file.read_text().splitlines():
                self._keep(_read(line))

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self._told.values())

    def add(self, outcome: Outcome) -> None:
        """Keep one."""
        self._keep(outcome)
        if self._file is not None:
            with self._file.open("a") as lines:
                lines.write(json.dumps({**asdict(outcome), "case": str(outcome.case)}))
                lines.write("\n")

    def has_tried(self, case: Case, seed: int) -> bool:
        """Whether it was reached and nothing was wrong; with any seed if it is one
        fault, with this seed if it is two."""
        return any(
            one.case == case and (one.seed == seed or not case.second)
            for one in self
            if one.reached and not one.wrong
        )

    def _keep(self, outcome: Outcome) -> None:
        self._told[f"{outcome.case} {outcome.seed}"] = outcome


def _read(line: str) -> Outcome:
    told = json.loads(line)
    return Outcome(**{**told, "case": Case.parse(told["case"])})
