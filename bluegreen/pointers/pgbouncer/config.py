"""The entry of a database in PgBouncer's files: finding it, staging it, moving it.

Owns bringing the grammar (`pgbouncer_ini.py`) and the file (`pgbouncer_file.py`)
together. What the running pooler makes of it is for `pgbouncer.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bluegreen.model.errors import ServerRefused
from bluegreen.pointers.pgbouncer import ini
from bluegreen.pointers.pgbouncer.address import Address
from bluegreen.pointers.pgbouncer.file import ConfigFile, read_text
from bluegreen.pointers.pgbouncer.loaded import PROBE

_PROBES = re.compile(rf"(?m)^{PROBE}[0-9a-f]+ = [^\n]*\n")


class ConfiguredEntry:
    """One line of `[databases]`, in the one file that we may replace.

    Args:
        file: the file that holds the line.
        database: the line's key.
        owner: whose draft it is, the pointer's id.
        conffile: asks PgBouncer where it starts reading; asked once.
    """

    def __init__(
        self, file: Path, database: str, owner: str, conffile: Callable[[], Path]
    ) -> None:
        self._file = ConfigFile(file, owner)
        self._database = database
        self._conffile = conffile
        self._root: Path | None = None
        self._staged = False

    @property
    def path(self) -> Path:
        """The file that we may replace."""
        return self._file.path

    def locate(self) -> ini.Setting:
        """The one line.

        Raises:
            ServerRefused: 3007, there is none, more than one, elsewhere, or one that
                cannot be taken apart.
        """
        entries = ini.find_entries(self.settings(), self._database)
        if len(entries) != 1 or not _same(entries[0].file, self._file.path):
            places = ", ".join(str(entry.file) for entry in entries) or "nowhere"
            raise ServerRefused(
                3007,
                f"{self._file.path} is not the one place of entry {self._database}",
                seen=f"PgBouncer starts at {self._start()} and reads it from {places}",
                wanted="exactly one line in [databases], in `config_file`",
                hint="correct `config_file` or `database` of the pointer, or leave one "
                "such line",
            )
        try:
            ini.read_pairs(entries[0].value)
        except ini.IniError as error:
            raise _broken(error) from None
        return entries[0]

    def settings(self) -> list[ini.Setting]:
        """All that PgBouncer reads, in its order.

        Raises:
            ServerRefused: 3007, a file cannot be read, or PgBouncer would stop in it.
        """

        def read(path: Path) -> str:
            ours = _same(path, self._file.path)
            return self._file.read() if ours else read_text(path)

        try:
            return ini.read_settings(self._start(), read)
        except ini.IniError as error:
            raise _broken(error) from None

    def obstacles(self) -> list[str]:
        """What would stand in the way of replacing the file, in words."""
        return self._file.obstacles()

    def stage(self, wanted: Address) -> None:
        """Write the draft in which the line leads to `wanted`.

        Raises:
            ServerRefused: 3007 or 3008.
        """
        entry = self.locate()
        text = self._file.read()
        self._file.write_draft(self._changed(text, entry, wanted))
        self._staged = True

    def put(self, wanted: Address) -> str | None:
        """Let the line say `wanted`; its former value, None when it said so already.

        The file is read again: other pointers, and the guard of a run, edit it too. A
        draft that is not what it should be by now is written again.

        Raises:
            ServerRefused: 3007 or 3008.
        """
        with self._file.locked():
            entry = self.locate()
            text = self._file.read()
            changed = self._changed(text, entry, wanted)
            if changed == text:
                return None
            if not self._staged or self._file.draft() != changed:
                self._file.write_draft(changed)
            self._staged = False
            self._require_same(text)
            self._file.put_draft()
            return entry.value

    def put_back(self, former: str) -> None:
        """Give the line its former value; what others wrote meanwhile stays.

        Raises:
            ServerRefused: 3007 or 3008.
        """
        with self._file.locked():
            entry = self.locate()
            text = self._file.read()
            end = entry.start + len(entry.value)
            self._file.write_draft(text[: entry.start] + former + text[end:])
            self._file.put_draft()

    @contextmanager
    def trial(self, name: str) -> Iterator[None]:
        """Let the file hold a throw-away entry `name` for the length of a `with`.

        What a killed trial left is taken away too.

        Raises:
            ServerRefused: 3007 or 3008.
        """
        with self._file.locked():
            self._replace(_PROBES.sub("", self._file.read()))
            text = self._file.read()
            at = text.rfind("\n", 0, self.locate().start) + 1
            self._replace(f"{text[:at]}{name} = host=127.0.0.1 port=1\n{text[at:]}")
            try:
                yield
            finally:
                self._replace(_PROBES.sub("", self._file.read()))

    def _replace(self, text: str) -> None:
        if text != self._file.read():
            self._file.write_draft(text)
            self._file.put_draft()

    def discard_draft(self) -> None:
        """Take a draft of ours away that was not used."""
        if self._staged:
            self._file.discard_draft()
        self._staged = False

    def _start(self) -> Path:
        if self._root is None:
            said = self._conffile()
            # A relative path counts from a folder that only the process knows.
            tail = self._file.path.parts[-len(said.parts) :]
            self._root = self._file.path if tail == said.parts else said
        return self._root

    def _require_same(self, text: str) -> None:
        """Refuse to write over an edit that came between reading and renaming."""
        if self._file.read() != text:
            raise ServerRefused(
                3007,
                f"{self._file.path} was edited by another process at this moment",
                wanted="one who edits it at a time",
                hint="run again; it goes on from here",
            )

    def _changed(self, text: str, entry: ini.Setting, wanted: Address) -> str:
        try:
            present = Address.of_pairs(ini.read_pairs(entry.value), self._database)
            return ini.change_entry(text, entry, wanted.changes_from(present))
        except ini.IniError as error:
            raise _broken(error) from None


def _same(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file; a link to ours counts."""
    return one == other or (one.exists() and other.exists() and one.samefile(other))


def _broken(error: ini.IniError) -> ServerRefused:
    return ServerRefused(
        3007,
        "PgBouncer's configuration cannot be edited safely",
        seen=str(error),
        hint="fix that line, RELOAD, look at PgBouncer's log, then run again",
    )
