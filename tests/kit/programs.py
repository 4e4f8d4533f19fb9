"""Programs of a command pointer: shell scripts over two small files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bluegreen.pointers.command.pointer import CommandPointer

GET = """printf '{"names": "%s", "paused": %s}\\n' $(cat names) $(cat paused)"""


class Programs:
    """A folder whose file `names` holds the side, and `paused` a truth of JSON."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.put("names", "blue")
        self.put("paused", "false")

    def put(self, name: str, text: str) -> None:
        """Write one of the two."""
        (self.folder / name).write_text(text)

    def pointer(self, **programs: Any) -> CommandPointer:
        """A pointer that holds clients back, each program as it is given."""
        given: dict[str, Any] = {
            "id": "name",
            "get": sh(GET),
            "set": sh('printf "$1" > names', "{side}"),
            "pause": sh("printf true > paused"),
            "resume": sh("printf false > paused"),
            "check": [],
            "timeout_s": 10.0,
            "home": str(self.folder),
            "client": None,
            "client_password": None,
        }
        return CommandPointer(**{**given, **programs})


def sh(text: str, *words: str) -> list[str]:
    """A script and its arguments; the words of a pointer are no shell's."""
    return ["sh", "-c", text, "sh", *words]
