"""The two halves of migration files: before traffic moves, and once blue is released.

Owns which statement belongs to which half: by the file, by the comment in it, or by
numbers that were decided on elsewhere. How a file falls into statements is for
`script.py`, running it for `sql_files.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bluegreen.migrators.order import files_in_order
from bluegreen.migrators.script import Half, Part, Script, read_script
from bluegreen.model.errors import PlaybookRefused

CONTRACT = " (contract)"
"""How a second half is remembered, so that each half has its own history."""

Waiting = Mapping[str, Collection[int]]
"""Statements that wait, by file; numbers from 0, of those before the comment."""


@dataclass(frozen=True, slots=True)
class Halves:
    """The files of one step.

    Attributes:
        home: the playbook's folder.
        patterns: files or patterns, in order.
        contract: those of files that wait as a whole.
        waiting: statements of the others that wait.
    """

    home: Path
    patterns: Sequence[str]
    contract: Sequence[str] = ()
    waiting: Waiting = field(default_factory=dict)

    def first(self) -> list[str]:
        """Files that do not wait as a whole, in order."""
        later = self._later()
        return [n for n in files_in_order(self.home, self.patterns) if n not in later]

    def scripts(self, half: Half) -> list[Script]:
        """What there is to run of a half, in order."""
        files = self.first()
        if half == "expand":
            scripts = map(self.read, files)
            return [one for one in scripts if one.parts or not self._rest(one.name)]
        rests = [name for name in files if self._rest(name)]
        return [self.read(name + CONTRACT) for name in (*rests, *self._later())]

    def require_readable(self) -> None:
        """See that every file can be run, before anything is done for it.

        Raises:
            PlaybookRefused: 2009, the first that cannot, with what is wrong in each.
        """
        wrong: list[PlaybookRefused] = []
        for name in dict.fromkeys((*self.first(), *self._later())):
            try:
                read_script(self.home / name, name, None)
            except PlaybookRefused as refused:
                wrong.append(refused)
        if wrong:
            wrong[0].seen = "\n".join(one.seen or one.problem for one in wrong)
            raise wrong[0]

    def read(self, name: str) -> Script:
        """A half of a file by its name, or a whole file that waits."""
        if not name.endswith(CONTRACT):
            script = read_script(self.home / name, name)
            waiting = self.waiting.get(name, ())
            return _picked(script, _others(script, waiting)) if waiting else script
        file = name.removesuffix(CONTRACT)
        if file in self._later():
            return read_script(self.home / file, name, None)
        rest = read_script(self.home / file, name, "contract")
        waiting = self.waiting.get(file, ())
        if not waiting:
            return rest
        script = read_script(self.home / file, name)
        return _joined(_picked(script, _with_settings(script, waiting)), rest)

    def _later(self) -> list[str]:
        return files_in_order(self.home, self.contract)

    def _rest(self, name: str) -> bool:
        behind = read_script(self.home / name, name, "contract").parts
        return bool(behind or self.waiting.get(name))


def _others(script: Script, waiting: Collection[int]) -> list[int]:
    return [n for n in range(len(script.parts)) if n not in waiting]


def _with_settings(script: Script, waiting: Collection[int]) -> list[int]:
    """What waits, and each SET before it that it may rely on."""
    last = max(waiting)
    return [
        number
        for number, part in enumerate(script.parts)
        if number in waiting or (part.setting and number < last)
    ]


def _picked(script: Script, numbers: Sequence[int]) -> Script:
    parts = tuple(script.parts[number] for number in numbers)
    return replace(script, digest=_digest(parts), parts=parts)


def _joined(one: Script, two: Script) -> Script:
    parts = (*one.parts, *two.parts)
    together = one.together and two.together
    return Script(one.name, _digest(parts), parts, together)


def _digest(parts: Sequence[Part]) -> str:
    return hashlib.sha256("\0".join(part.text for part in parts).encode()).hexdigest()
