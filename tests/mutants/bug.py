"""What a bug is: a change of our code, and the tests that are to find it.

Owns putting it in. A text that does not stand in its file exactly once is an error: the
code has changed, and the bug must be written again for what stands there now.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Edit:
    """One replacement in one file."""

    file: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Put it in.

        Raises:
            LookupError: the text is not there exactly once.
        """
        path = root / "bluegreen" / self.file
        text = path.read_text()
        if (times := text.count(self.old)) != 1:
            raise LookupError(f"{self.file} holds this {times} times:\n{self.old}")
        path.write_text(text.replace(self.old, self.new))


@dataclass(frozen=True)
class Bug:
    """A bug, and the tests that are to fail with it."""

    name: str
    tests: tuple[str, ...]
    edits: tuple[Edit, ...]
