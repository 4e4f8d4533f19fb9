"""Entries of one of PgBouncer's files: finding, staging and moving them, all at once.

Owns bringing the grammar (`ini.py`) and the file (`file.py`)
together. Entries that stand in one file share one draft and one rename. What the
running pooler makes of it is for `proof.py` and `move.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from bluegreen.model.codes import Code
from bluegreen.model.errors import ServerRefused
from bluegreen.pointers.pgbouncer import ini
from bluegreen.pointers.pgbouncer.address import KEYS, Address
from bluegreen.pointers.pgbouncer.file import ConfigFile, read_text
from bluegreen.pointers.pgbouncer.shown import PROBE

# Not anchored: an entry may stand on the line of its heading.
_TRIALS = re.compile(rf"{PROBE}[0-9a-f]+ = [^\n]*\n")


class ConfiguredFile:
    """The lines of `[databases]` in the one file that we may replace.

    Args:
        file: the file that holds them.
        owner: whose draft it is, a pointer's id.
        conffile: asks PgBouncer where it starts reading; asked once.
    """

    def __init__(self, file: Path, owner: str, conffile: Callable[[], Path]) -> None:
        self._file = ConfigFile(file, owner)
        self._conffile = conffile
        self._root: Path | None = None
        self._staged = False

    @property
    def path(self) -> Path:
        """The file that we may replace."""
        return self._file.path

    @property
    def identity(self) -> object:
        """The same for two paths that lead to one file."""
        with suppress(OSError):
            folder = self.path.parent.stat()
            return folder.st_dev, folder.st_ino, self.path.name
        return self.path

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Keep other tools of ours from editing and loading it, where we may do that.

        Between a rename and its RELOAD file and process differ.
        """
        with ExitStack() as stack:
            with suppress(ServerRefused):
                stack.enter_context(self._file.locked())
            yield

    def locate(self, database: str) -> ini.Setting:
        """The one line of an entry.

        Raises:
            ServerRefused: 3007, there is none, more than one, elsewhere, or one that
                cannot be taken apart.
        """
        return self._locate(self.read().settings, database)

    def read(self) -> ini.Ini:
        """All that PgBouncer reads, in its order.

        Raises:
            ServerRefused: 3007, a file cannot be read, or PgBouncer would stop in it.
        """
        return self._read()[0]

    def digests(self) -> dict[Path, bytes]:
        """Every file that PgBouncer reads, with a digest of its text.

        Raises:
            ServerRefused: 3007.
        """
        return {
            path: sha256(text.encode(errors="surrogateescape")).digest()
            for path, text in self._read()[1].items()
        }

    def edited_since(self, digests: Mapping[Path, bytes]) -> list[Path]:
        """The files that are not what `digests` said.

        A trial of another process of ours is waited for: it leaves the file as it was.

        Raises:
            ServerRefused: 3008.
        """
        if not _edited(digests):
            return []
        with self._file.locked():
            return _edited(digests)

    def obstacles(self) -> list[str]:
        """What would stand in the way of replacing the file, in words."""
        return self._file.obstacles()

    def stage(self, wanted: Mapping[str, Address]) -> None:
        """Write the draft in which the entries lead to what is `wanted`.

        Raises:
            ServerRefused: 3007 or 3008.
        """
        with self._file.locked():
            changed, _ = self._changed(self._file.read(), wanted)
            self._file.write_draft(changed)
            self._staged = True

    def put(self, wanted: Mapping[str, Address]) -> dict[str, str]:
        """Let the entries lead to what is `wanted`, in one rename.

        The file is read again: other pointers, and the guard of a run, edit it too. A
        draft that is not what it should be by now is written again.

        Returns:
            The former values of the lines that were changed.

        Raises:
            ServerRefused: 3007 or 3008.
        """
        with self._file.locked():
            text = self._file.read()
            changed, former = self._changed(text, wanted)
            if changed == text:
                return {}
            if not self._staged or self._file.draft() != changed:
                self._file.write_draft(changed)
            self._staged = False
            self._require_same(text)
            self._file.put_draft()
            return former

    def put_back(
        self, former: Mapping[str, str], written: Mapping[str, Address]
    ) -> None:
        """Give lines their former values; what others wrote meanwhile stays.

        A line that does not lead to what is `written` is an edit that is newer.

        Raises:
            ServerRefused: 3007 or 3008.
        """
        with self._file.locked():
            settings = self.read().settings
            lines = [self._locate(settings, database) for database in former]
            edits = [
                (line, former[line.key])
                for line in lines
                if _address(line) == written[line.key]
            ]
            self._replace(ini.edit_values(self._file.read(), edits))

    @contextmanager
    def trial(
        self, names: Mapping[str, str], wanted: Mapping[str, Address]
    ) -> Iterator[None]:
        """Let the file hold throw-away entries for the length of a `with`.

        What a killed trial left is taken away too.

        Args:
            names: of the throw-away entry, by the entry that it is a copy of.
            wanted: where it leads, by the same.

        Raises:
            ServerRefused: 3007 or 3008.
        """
        with self._file.locked():
            self._replace(_TRIALS.sub("", self._file.read()))
            settings = self.read().settings
            lines = [self._locate(settings, database) for database in names]
            text = self._file.read()
            # From the end on, so that the places of those before stay right.
            for line in sorted(lines, key=lambda one: -one.key_start):
                copy = _copied(line, names[line.key], wanted[line.key])
                text = f"{text[: line.key_start]}{copy}\n{text[line.key_start :]}"
            self._replace(text)
            try:
                yield
            finally:
                self._replace(_TRIALS.sub("", self._file.read()))

    def discard_draft(self, *, whosever: bool = False) -> None:
        """Take a draft away that was not used; `whosever`: a killed run's too."""
        if self._staged or whosever:
            with self._file.locked():
                self._file.discard_draft()
        self._staged = False

    def _read(self) -> tuple[ini.Ini, dict[Path, str]]:
        texts: dict[Path, str] = {}

        def read(path: Path) -> str:
            ours = _same(path, self._file.path)
            texts[path] = self._file.read() if ours else read_text(path)
            return texts[path]

        try:
            return ini.read_ini(self._start(), read), texts
        except ini.IniError as error:
            raise _broken(error) from None

    def _locate(self, settings: list[ini.Setting], database: str) -> ini.Setting:
        entries = ini.find_entries(settings, database)
        if len(entries) != 1 or not _same(entries[0].file, self._file.path):
            places = ", ".join(entry.place for entry in entries) or "nowhere"
            raise ServerRefused(
                Code.POINTER_ELSEWHERE,
                f"{self._file.path} is not the one place of entry {database}",
                seen=f"PgBouncer starts at {self._start()} and reads it from {places}",
                wanted="exactly one line in [databases], in `config_file`",
                hint="correct `config_file` or `database` of the pointer, or leave one "
                "such line",
            )
        try:
            ini.read_pairs(entries[0].value)
        except ini.IniError as error:
            raise _broken(error, entries[0].place) from None
        return entries[0]

    def _replace(self, text: str) -> None:
        if text != self._file.read():
            self._file.write_draft(text)
            self._file.put_draft()

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
                Code.POINTER_ELSEWHERE,
                f"{self._file.path} was edited by another process at this moment",
                wanted="one who edits it at a time",
                hint="run again; it goes on from here",
            )

    def _changed(
        self, text: str, wanted: Mapping[str, Address]
    ) -> tuple[str, dict[str, str]]:
        """The text as wanted, and the former values of the lines that differ in it."""
        settings = self.read().settings
        edits, former = [], {}
        for database, address in wanted.items():
            line = self._locate(settings, database)
            try:
                changes = address.changes_from(_address(line))
                value = ini.change_pairs(line.value, changes)
            except ini.IniError as error:
                raise _broken(error, line.place) from None
            if value != line.value:
                edits.append((line, value))
                former[database] = line.value
        return ini.edit_values(text, edits), former


def _address(line: ini.Setting) -> Address:
    return Address.of_pairs(ini.read_pairs(line.value), line.key)


def _copied(line: ini.Setting, name: str, address: Address) -> str:
    """The line under another name and leading elsewhere; all other words are kept."""
    changes = {key: str(getattr(address, key)) or None for key in KEYS}
    # PgBouncer would fill that pool by itself.
    return (
        f"{name} = {ini.change_pairs(line.value, {**changes, 'min_pool_size': None})}"
    )


def _edited(digests: Mapping[Path, bytes]) -> list[Path]:
    return [path for path, digest in digests.items() if _digest_now(path) != digest]


def _digest_now(path: Path) -> bytes | None:
    try:
        return sha256(path.read_bytes()).digest()
    except OSError:
        return None


def _same(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file; a link to ours counts."""
    return one == other or (one.exists() and other.exists() and one.samefile(other))


def _broken(error: ini.IniError, place: str = "") -> ServerRefused:
    return ServerRefused(
        Code.POINTER_ELSEWHERE,
        "PgBouncer's configuration cannot be edited safely",
        seen=": ".join(filter(None, (place, str(error)))),
        hint="correct that line, RELOAD, look at PgBouncer's log, then run again",
    )
