"""Holding back the clients of one entry, and letting them go on.

Owns the proof after each word: PAUSE counts when no server connection is in use, RESUME
when SHOW DATABASES says so. A PAUSE that fails holds back no client.
"""

from __future__ import annotations

import time
from datetime import timedelta

from bluegreen.model.errors import BluegreenError, BudgetError
from bluegreen.pointers.pgbouncer import errors
from bluegreen.pointers.pgbouncer.console import (
    Console,
    ConsoleRefusedError,
    ConsoleSilentError,
)
from bluegreen.pointers.pgbouncer.holders import in_use, logging_in, name_holders
from bluegreen.pointers.simple_query import Row

_LOOK_EVERY_S = 0.002  # a server that was just released is gone in the next loop

LONGEST_LOGIN_S = 0.25
"""How long PAUSE is held off while the pool logs in: a login that it interrupts stalls
the pool for `server_login_retry`. Switchovers 0.2 s apart with that at 1 s made a
client wait 5.4 s; a pool of nine had logged in after some 0.2 s."""


class Holding:
    """PAUSE and RESUME of one entry of one process."""

    def __init__(self, where: str, database: str, console: Console) -> None:
        self.id = where
        self.database = database
        self._console = console

    def pause(self, budget: timedelta) -> None:
        """Hold the entry's clients back; on failure hold back none.

        Raises:
            BudgetError: 5001, transactions were open for all of `budget`.
            StepError: 4009, another PAUSE is waiting, or it was refused.
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
        if self.row()["paused"] != "0":
            raise errors.still_held(self.id, self.database, self._console)

    def row(self) -> Row:
        """The entry's row of SHOW DATABASES.

        Raises:
            ServerRefused: 3001, or 3007 where the pooler has no such entry.
        """
        for row in self._console.show("DATABASES"):
            if row["name"] == self.database:
                return row
        raise errors.no_entry(self.id, self.database)

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
        while self.row()["paused"] != "1" or self._servers_in_use():
            if time.monotonic() > deadline:
                raise self._over_budget(budget)
            time.sleep(_LOOK_EVERY_S)

    def _servers_in_use(self) -> list[Row]:
        return in_use(self._console.show("SERVERS"), self.database)

    def _refuse_waiting_pause(self) -> None:
        if self.row()["paused"] == "1" and (busy := self._servers_in_use()):
            holders = name_holders(busy, self._console.show("CLIENTS"))
            raise errors.pause_waiting(self.id, self.database, holders)

    def _back_out(self) -> None:
        """RESUME: closing the session in which a PAUSE waits does not lift it."""
        try:
            self.resume()
        except BluegreenError as error:
            raise errors.perhaps_held(
                self.id, self.database, error, self._console
            ) from error

    def _over_budget(self, budget: timedelta) -> BudgetError:
        holders = name_holders(self._servers_in_use(), self._console.show("CLIENTS"))
        return errors.over_budget(self.id, self.database, budget, holders)
