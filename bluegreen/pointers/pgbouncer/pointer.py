"""A PgBouncer entry as a pointer: which side an entry of `[databases]` leads to.

Owns the order of words and the proof after each: PAUSE counts when no server
connection is in use, RELOAD when SHOW DATABASES names the side. The console, the ini's
grammar, the file's replacement and the findings are in the files named after them.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path

from bluegreen.model.errors import BluegreenError, BudgetError
from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.model.verdict import Finding
from bluegreen.pointers.client_probe import Client, ask_identity
from bluegreen.pointers.pgbouncer import errors
from bluegreen.pointers.pgbouncer.address import Address
from bluegreen.pointers.pgbouncer.check import Survey, entry_findings, pooler_findings
from bluegreen.pointers.pgbouncer.config import ConfiguredEntry
from bluegreen.pointers.pgbouncer.console import (
    Console,
    ConsoleRefusedError,
    ConsoleSilentError,
    quoted,
)
from bluegreen.pointers.pgbouncer.holders import (
    in_use,
    logging_in,
    name_holders,
    younger_moves,
)
from bluegreen.pointers.pgbouncer.loaded import PROBE, Unloaded, unloaded
from bluegreen.pointers.pointer import PointerFacts
from bluegreen.pointers.simple_query import Row

_LOOK_EVERY_S = 0.002  # a server that was just released is gone in the next loop

LONGEST_LOGIN_S = 0.25
"""How long PAUSE is held off while the pool logs in: a login that it interrupts stalls
the pool for `server_login_retry`. Flips 0.2 s apart with that at 1 s made a client wait
5.4 s; a pool of nine had logged in after some 0.2 s."""


class PgBouncer:
    """One entry of one PgBouncer process.

    Args:
        id: the pointer's name in the playbook.
        console: libpq key words for the admin console, without a password.
        console_password: its password.
        config_file: the ini that holds the entry; we may replace it.
        database: the entry in `[databases]` that is moved.
        addresses: host, port, dbname of each side as the pooler reaches it.
        client: libpq key words of a client that comes in through this entry.
        client_password: its password.

    Raises:
        PlaybookRefused: 2003, one of them cannot be used.
    """

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 (the protocol's own word)
        console: str,
        console_password: Secret | None = None,
        config_file: Path,
        database: str,
        addresses: Mapping[Side, Mapping[str, str]],
        client: str | None = None,
        client_password: Secret | None = None,
    ) -> None:
        self.id = id
        self.database = database
        self.given: Mapping[str, object] = {
            "id": id,
            "console": console,
            "console_password": console_password,
            "config_file": config_file,
            "database": database,
            "addresses": addresses,
            "client": client,
            "client_password": client_password,
        }
        self.client = Client(client, client_password) if client else None
        self._console = Console(id, console, console_password)
        self._entry = ConfiguredEntry(config_file, database, id, self._conffile)
        self._addresses = {
            side: Address.of_playbook(id, given, database)
            for side, given in addresses.items()
        }
        quoted(database)
        if self._addresses[Side.BLUE] == self._addresses[Side.GREEN]:
            raise errors.same_address(id, self._addresses[Side.BLUE])

    def observe(self) -> PointerFacts:
        """Ask the running pooler which side the entry names.

        Raises:
            ServerRefused: 3001 when it cannot be reached, 3007 without the entry.
        """
        row = self._row()
        address = Address.of_row(row)
        return PointerFacts(self._side_of(address), row["paused"] == "1", str(address))

    def check(self) -> list[Finding]:
        """Look at pooler, file and client; what cannot be seen is a finding too."""
        found = []
        for look in (self._check_pooler, self._check_entry, self._check_client):
            try:
                found += look()
            except BluegreenError as error:
                found.append(errors.as_finding(self.id, error))
        if not any(finding.blocks for finding in found):
            found += self._check_proof()
        return list(dict.fromkeys(found))

    def prove(self) -> None:
        """See that this process reads this file, by an entry that comes and goes.

        Raises:
            ServerRefused: 3007, it does not, or RELOAD would change more than that.
        """
        self._require_loaded()
        name = PROBE + secrets.token_hex(4)
        try:
            with self._entry.trial(name):
                self._console.reload()
                rows = self._console.show("DATABASES")
        except BluegreenError:
            # The file is as it was; what the pooler has of the entry leads nowhere.
            with contextlib.suppress(BluegreenError):
                self._console.reload()
            raise
        self._console.reload()
        if not any(row["name"] == name for row in rows):
            raise errors.file_elsewhere(self.id, self._entry.path, self._conffile())

    def warm_up(self) -> None:
        """Open and try both console sessions, and the client's way in."""
        self._console.warm_up()
        self._row()
        self._entry.locate()
        if self.client:
            self.client.warm_up()

    def stage(self, side: Side) -> None:
        """Write the draft of the ini that names `side`.

        Raises:
            ServerRefused: 3007 or 3008, the entry or the file does not allow it, or
                the file holds more that the pooler has not loaded.
        """
        self._require_loaded()
        self._entry.stage(self._addresses[side])

    def pause(self, budget: timedelta) -> None:
        """Hold the entry's clients back; on failure hold back nobody.

        Raises:
            BudgetError: 5001, transactions were open for all of `budget`.
            StepError: 4009, somebody else's PAUSE is waiting, or it was refused.
            TrafficUnknownError: 7001, it failed and RESUME was not confirmed.
        """
        deadline = time.monotonic() + budget.total_seconds()
        self._refuse_waiting_pause()
        self._await_logins(min(LONGEST_LOGIN_S, budget.total_seconds() / 4))
        held = False
        try:
            self._hold(budget, deadline)
            held = True
        finally:
            if not held:
                self._back_out()

    def move(self, side: Side) -> None:
        """Put the file in place, RELOAD, and see that the pooler names `side`.

        The console answers RELOAD after it has read the file, so one look is exact.

        Raises:
            StepError: 4009, the pooler did not follow; the former file is back.
            ServerRefused: 3001, the pooler was away; the file names `side`, so that
                it will when it starts.
        """
        wanted = self._addresses[side]
        former = self._entry.put(wanted)
        if former is None and self._running() == wanted:
            return
        said = ""
        try:
            self._console.reload()
        except ConsoleRefusedError as refusal:
            said = refusal.text
        running = self._running()
        if said or running != wanted:
            self._put_back(former)
            seen = said or str(running or "no such entry")
            raise errors.did_not_follow(self.id, self.database, seen, wanted)

    def resume(self) -> None:
        """Let the entry's clients go on, and see that they do.

        Raises:
            ServerRefused: 3001 or 3007.
            StepError: 4009.
        """
        try:
            self._console.resume(self.database)
        except ConsoleRefusedError as refusal:
            if refusal.says_no_database:
                raise errors.no_entry(self.id, self.database) from None
            if not refusal.says_not_paused:
                raise
        if self._row()["paused"] != "0":
            raise errors.still_held(self.id, self.database)

    def younger_moves(self, ours: Collection[str]) -> list[str]:
        """Moves that came to this pooler after `ours`, names as in `application_name`.

        Raises:
            ServerRefused: 3001.
        """
        return younger_moves(self._console.show("CLIENTS"), ours)

    def probe(self) -> str:
        """Come in as a client and ask who answers; empty without a `client`.

        Raises:
            StepError: 4009, the client got an error or no answer.
        """
        return ask_identity(self.id, self.client) if self.client else ""

    def close(self) -> None:
        """Close all sessions and take away a draft that was not used."""
        self._console.close()
        if self.client:
            self.client.close()
        self._entry.discard_draft()

    def _row(self) -> Row:
        for row in self._console.show("DATABASES"):
            if row["name"] == self.database:
                return row
        raise errors.no_entry(self.id, self.database)

    def _running(self) -> Address | None:
        rows = self._console.show("DATABASES")
        return next(
            (Address.of_row(r) for r in rows if r["name"] == self.database), None
        )

    def _side_of(self, address: Address) -> Side | None:
        named = [side for side, at in self._addresses.items() if at == address]
        return named[0] if named else None

    def _await_logins(self, at_most_s: float) -> None:
        """Look for a moment without a login; a better one may not come."""
        deadline = time.monotonic() + at_most_s
        while logging_in(self._console.show("SERVERS"), self.database):
            if time.monotonic() > deadline:
                return
            time.sleep(_LOOK_EVERY_S)

    def _hold(self, budget: timedelta, deadline: float) -> None:
        left_s = deadline - time.monotonic()
        try:
            status = self._console.pause(self.database, left_s)
        except ConsoleSilentError:
            raise self._over_budget(budget) from None
        if status != "PAUSE":
            raise errors.pause_spoiled(self.id, status)
        while self._row()["paused"] != "1" or self._servers_in_use():
            if time.monotonic() > deadline:
                raise self._over_budget(budget)
            time.sleep(_LOOK_EVERY_S)

    def _servers_in_use(self) -> list[Row]:
        return in_use(self._console.show("SERVERS"), self.database)

    def _refuse_waiting_pause(self) -> None:
        if self._row()["paused"] == "1" and (busy := self._servers_in_use()):
            holders = name_holders(busy, self._console.show("CLIENTS"))
            raise errors.pause_waiting(self.id, self.database, holders)

    def _back_out(self) -> None:
        """RESUME: closing the session in which a PAUSE waits does not lift it."""
        try:
            self.resume()
        except BluegreenError as error:
            raise errors.perhaps_held(self.id, self.database, error) from error

    def _over_budget(self, budget: timedelta) -> BudgetError:
        holders = name_holders(self._servers_in_use(), self._console.show("CLIENTS"))
        return errors.over_budget(self.id, self.database, budget, holders)

    def _conffile(self) -> Path:
        """The file PgBouncer starts reading at, as it says itself."""
        return Path(self._console.config()["conffile"])

    def _put_back(self, former: str | None) -> None:
        if former is None:
            return
        self._entry.put_back(former)
        # A refusal here means that it has read neither of the two files.
        with contextlib.suppress(ConsoleRefusedError):
            self._console.reload()

    def _check_pooler(self) -> list[Finding]:
        self._row()
        survey = Survey(
            where=self.id,
            database=self.database,
            may_pause=self._console.has_admin_right(),
            by_socket=self._console.by_socket,
            user=self._console.user,
            config=self._console.config(),
            databases=self._console.show("DATABASES"),
            pools=self._console.show("POOLS"),
            version=self._console.show("VERSION")[0]["version"] or "",
        )
        return pooler_findings(survey, self._addresses)

    def _check_entry(self) -> list[Finding]:
        return entry_findings(
            self.id,
            self._entry.locate(),
            self._entry.settings(),
            self._running(),
            self._entry.obstacles(),
            self._unloaded(but=self.database),
        )

    def _check_proof(self) -> list[Finding]:
        try:
            self.prove()
        except BluegreenError as error:
            name = "config-file-elsewhere" if error.code == errors.ELSEWHERE else ""
            return [errors.as_finding(self.id, error, name)]
        return []

    def _require_loaded(self) -> None:
        if strange := self._unloaded():
            raise errors.not_loaded(self.id, strange)

    def _unloaded(self, *, but: str = "") -> list[Unloaded]:
        """What RELOAD would change, without an entry whose address is judged apart."""
        return unloaded(
            self._entry.settings(),
            self._console.show("CONFIG"),
            self._console.show("DATABASES"),
            but,
        )

    def _check_client(self) -> list[Finding]:
        if self.client is None:
            return []
        self.client.warm_up()
        return []
