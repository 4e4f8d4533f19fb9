"""What a scheduler needs to know of one playbook, as a value.

Owns its fields and their names in each scheduler's spelling. How a scheduler's files
look is in the file of its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path

EVERY_MIN = 15
"""Minutes between two questions. Each costs a few queries; green's clock decides."""


@dataclass(frozen=True)
class Job:
    """`bluegreen decommission --if-due` for one playbook.

    Attributes:
        name: the playbook's name.
        program: where bluegreen stands on the machine that runs it.
        playbook: the file, absolute, as that machine sees it.
        user: the account that runs it.
        end: the end of the rollback window; None where none is open.
        variables: names of the environment that the playbook refers to.
        folders: where it writes beside /var/lib/bluegreen, absolute.
    """

    name: str
    program: str
    playbook: Path
    user: str = "bluegreen"
    end: datetime | None = None
    variables: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()

    @property
    def unit(self) -> str:
        """Of a unit, a file of cron, a schedule; 63 characters at most."""
        return f"bluegreen-decommission-{self.label}"

    @property
    def label(self) -> str:
        """The playbook's name as a label of DNS may be: no `_`, none at its end."""
        return self.name.replace("_", "-").rstrip("-")

    @property
    def words(self) -> tuple[str, ...]:
        """The command, a word each."""
        return (self.program, "decommission", "--if-due", str(self.playbook))


@dataclass(frozen=True)
class Files:
    """What one kind of scheduler takes.

    Attributes:
        texts: by file name, in the order in which they are shown.
        install: what to type then, a line each.
    """

    texts: dict[str, str]
    install: tuple[str, ...]


def filled(template: str, values: dict[str, str]) -> str:
    """A template of this package with every `@name@` replaced."""
    text = (files(__package__) / "templates" / template).read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text
