"""That a running PgBouncer reads the file that we write, and holds what stands in it.

Owns the three questions before a pause: is all of the file loaded, does this process
read this file (a throw-away entry comes and goes), and is it still so right before
clients are held back. Comparing is for `loaded.py`.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from bluegreen.model.errors import BluegreenError
from bluegreen.pointers.pgbouncer import errors
from bluegreen.pointers.pgbouncer.address import Address
from bluegreen.pointers.pgbouncer.config import ConfiguredFile
from bluegreen.pointers.pgbouncer.console import Console, ConsoleRefusedError
from bluegreen.pointers.pgbouncer.loaded import changed, only_running, unloaded
from bluegreen.pointers.pgbouncer.shown import PROBE, Shown, Unloaded
from bluegreen.pointers.simple_query import Row, SimpleSession


class FileProof:
    """What is known of one file and one process.

    Args:
        where: the pointer's id, for messages.
        console: of the process.
        file: that it ought to read.
    """

    def __init__(self, where: str, console: Console, file: ConfiguredFile) -> None:
        self._where = where
        self._console = console
        self._file = file
        self._digests: Mapping[Path, bytes] = {}
        self._sessions: tuple[SimpleSession, ...] = ()

    def unloaded(self, *, but: str = "") -> list[Unloaded]:
        """What RELOAD would change, without where the entry `but` leads."""
        with self._file.undisturbed():
            return unloaded(self._file.read(), self.look(), but)

    def only_running(self) -> list[Unloaded]:
        """What RELOAD keeps and a restart forgets."""
        return only_running(self._file.read(), self.look())

    def require_loaded(self) -> Shown:
        """Refuse while RELOAD would change anything; what was looked at.

        Raises:
            ServerRefused: 3007.
        """
        with self._file.undisturbed():
            shown = self.look()
            strange = unloaded(self._file.read(), shown)
        if strange:
            raise errors.not_loaded(self._where, strange, self._console)
        return shown

    @contextlib.contextmanager
    def tried(self, wanted: Mapping[str, Address]) -> Iterator[Mapping[str, str]]:
        """See that this process reads this file, by entries that come and go.

        Args:
            wanted: where copies of our entries lead, by the entry.

        Yields:
            The name of each copy, by the entry; a client can come in through it.

        Raises:
            ServerRefused: 3007, it does not, RELOAD would change more than that, or
                has.
        """
        try:
            with self._file.undisturbed(), self._tried(wanted) as names:
                yield names
        except ConsoleRefusedError as refusal:
            if refusal.lacks_admin_right:
                raise
            # Up to 1.23 a RELOAD that fails answers success.
            path = self._file.path
            raise errors.not_taken(self._where, path, refusal.text) from None

    @contextlib.contextmanager
    def _tried(self, wanted: Mapping[str, Address]) -> Iterator[Mapping[str, str]]:
        before = self.require_loaded()
        names = {database: PROBE + secrets.token_hex(4) for database in wanted}
        try:
            with self._file.trial(names, wanted):
                self._console.reload()
                if not set(names.values()) <= self._rows("DATABASES", "name").keys():
                    conffile = Path(before.setting("conffile"))
                    raise errors.file_elsewhere(self._where, self._file.path, conffile)
                yield names
        except BluegreenError:
            # The file is as it was; what the pooler has of the entry no client knows.
            with contextlib.suppress(BluegreenError):
                self._console.reload()
            raise
        self._console.reload()
        after = self.look()
        if stays := sorted(after.databases.keys() & set(names.values())):
            seen = f"{', '.join(stays)} is out of the file and still runs after RELOAD"
            raise errors.not_taken(self._where, self._file.path, seen)
        if more := changed(before, after):
            raise errors.reload_changed(self._where, self._file.path, more)

    def note(self) -> None:
        """Remember what was judged: the text of every file, and the process.

        Raises:
            ServerRefused: 3001 or 3007.
        """
        self._digests = self._file.digests()
        self._sessions = self._console.sessions()

    def require_unchanged(self) -> None:
        """Refuse where a file or the process is not the one that was noted.

        Milliseconds: each file is read, and the console asked one question.

        Raises:
            ServerRefused: 3007, the file holds what is not loaded.
            StepError: 4011, it was edited and loaded, or the process is another one.
        """
        edited = self._file.edited_since(self._digests)
        if edited:
            self.require_loaded()
            raise errors.file_edited(self._where, edited)
        if self._sessions and not self._console.any_answers(self._sessions):
            raise errors.restarted(self._where)

    def look(self) -> Shown:
        """Ask the console for all that it shows of its configuration.

        Raises:
            ServerRefused: 3001.
        """
        return Shown(
            config=self._rows("CONFIG", "key"),
            databases=self._rows("DATABASES", "name"),
            users=self._rows("USERS", "name"),
            peers=self._peers(),
        )

    def _rows(self, what: str, key: str) -> dict[str, Row]:
        return {str(row[key]): row for row in self._console.show(what)}

    def _peers(self) -> dict[str, Row] | None:
        try:
            return self._rows("PEERS", "peer_id")
        except ConsoleRefusedError:  # PgBouncer before 1.19
            return None
