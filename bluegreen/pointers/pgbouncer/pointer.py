"""A PgBouncer entry as a pointer: which side an entry of `[databases]` leads to.

Owns bringing together what a pointer is asked for; each part is in a file of its own:
the file (`config.py`), the proof that it is the pooler's
(`proof.py`), PAUSE and RESUME (`pause.py`), the move
(`move.py`), the console and the findings.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Self

from bluegreen.model.errors import BluegreenError
from bluegreen.model.finding import Finding
from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.pointers.client_probe import Client, ask_identity
from bluegreen.pointers.pgbouncer import errors, ini
from bluegreen.pointers.pgbouncer.address import Address
from bluegreen.pointers.pgbouncer.check import (
    Survey,
    most_connections,
    pooler_findings,
)
from bluegreen.pointers.pgbouncer.check_file import entry_findings
from bluegreen.pointers.pgbouncer.config import ConfiguredFile
from bluegreen.pointers.pgbouncer.console import Console, quoted
from bluegreen.pointers.pgbouncer.holders import younger_moves
from bluegreen.pointers.pgbouncer.move import move_entries, running
from bluegreen.pointers.pgbouncer.pause import Holding
from bluegreen.pointers.pgbouncer.proof import FileProof
from bluegreen.pointers.pgbouncer.rehearsal import NotServedError, come_in, read_log
from bluegreen.pointers.pointer import PointerFacts, move_name


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
        mover: the name of the tool that this process is the guard of.

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
        mover: str = "",
    ) -> None:
        self.id = id
        self.database = database
        self._spec = {
            "id": id,
            "console": console,
            "console_password": _revealed(console_password),
            "config_file": str(config_file),
            "database": database,
            "addresses": {str(side): dict(at) for side, at in addresses.items()},
            "client": client,
            "client_password": _revealed(client_password),
            "mover": mover or move_name(),
        }
        self.client = Client(client, client_password) if client else None
        self._console = Console(id, console, console_password, mover)
        self.file = ConfiguredFile(config_file, id, self._conffile)
        self._proof = FileProof(id, self._console, self.file)
        self._holding = Holding(id, database, self._console)
        self._addresses = {
            side: Address.of_playbook(id, given, database)
            for side, given in addresses.items()
        }
        quoted(database)
        if self._addresses[Side.BLUE] == self._addresses[Side.GREEN]:
            raise errors.same_address(id, self._addresses[Side.BLUE])

    def spec(self) -> dict[str, Any]:
        """What `from_spec` needs, passwords in clear."""
        return dict(self._spec)

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """The same pointer in another process."""
        passwords = {
            name: Secret(spec[name]) if spec[name] is not None else None
            for name in ("console_password", "client_password")
        }
        addresses = {Side(side): at for side, at in spec["addresses"].items()}
        file = Path(spec["config_file"])
        return cls(**{**spec, **passwords, "addresses": addresses, "config_file": file})

    @property
    def place(self) -> object:
        """The file and the console: entries that share both move as one."""
        return self.file.identity, self._console.target

    @property
    def process(self) -> object:
        """Which PgBouncer it is in, as its console is reached."""
        return self._console.target

    def address(self, side: Side) -> Address:
        """Where the entry leads for a side."""
        return self._addresses[side]

    def observe(self) -> PointerFacts:
        """Ask the running pooler which side the entry names.

        Raises:
            ServerRefused: 3001 when it cannot be reached, 3007 without the entry.
        """
        row = self._holding.row()
        address = Address.of_row(row)
        return PointerFacts(self._side_of(address), row["paused"] == "1", str(address))

    def observe_kept(self) -> PointerFacts:
        """Read in the file which side the entry will name after a restart or RELOAD.

        Raises:
            ServerRefused: 3001, 3007 or 3008.
        """
        if not self.file.path.exists():
            return self.observe()
        line = self.file.locate(self.database)
        address = Address.of_pairs(ini.read_pairs(line.value), line.key)
        seen = f"{line.place} says {address}"
        return PointerFacts(self._side_of(address), paused=False, seen=seen)

    def check(self, others: Sequence[Any] = ()) -> list[Finding]:
        """Look at pooler, file and client; what cannot be seen is a finding too."""
        found = []
        pooler = partial(self._check_pooler, others)
        for look in (pooler, self._check_entry, self._check_client):
            try:
                found += look()
            except BluegreenError as error:
                found.append(errors.as_finding(self.id, error))
        if not any(finding.is_blocking for finding in found):
            found += self._check_proof()
        return list(dict.fromkeys(found))

    def most_connections(self) -> int:
        """What the entry's pools may open, for the users that it has now.

        Raises:
            ServerRefused: 3001 when it cannot be reached, 3007 without the entry.
        """
        row, pools = self._holding.row(), self._console.show("POOLS")
        users = {pool["user"] for pool in pools if pool["database"] == self.database}
        return most_connections(row, len(users))

    def prove(self, side: Side, others: Sequence[PgBouncer] = ()) -> None:
        """See that this process reads this file, and takes clients to `side`.

        By entries that come and go: copies of our own which lead to `side`.

        Raises:
            ServerRefused: 3007, it does not, a client is not served there, or RELOAD
                would change more than that.
        """
        with self._proof.tried(self._wanted(others, side)) as names:
            for one in (self, *others):
                one.rehearse(side, names[one.database])

    def rehearse(self, side: Side, entry: str) -> None:
        """Come in as a client through an entry that leads to `side`.

        Raises:
            ServerRefused: 3007, it is not served, or may not write.
        """
        if self.client is None:
            return
        try:
            rehearsed = come_in(self.client, entry)
        except NotServedError as error:
            log = read_log(Path(self._console.config()["logfile"]), entry)
            raise errors.not_let_in(
                self.id, side, self.client, str(error), log
            ) from None
        if rehearsed.is_read_only:
            dbname = self._addresses[side].dbname
            raise errors.read_only(self.id, side, self.client, dbname, rehearsed.source)

    def warm_up(self) -> None:
        """Open and try both console sessions."""
        self._console.warm_up()
        self._holding.row()
        self.file.locate(self.database)

    def stage(self, side: Side, others: Sequence[PgBouncer] = ()) -> None:
        """Write the draft of the ini in which this one and `others` name `side`.

        Raises:
            ServerRefused: 3007 or 3008, the entry or the file does not allow it, or
                the file holds more that the pooler has not loaded.
        """
        self._proof.require_loaded()
        for one in others:
            # A killed run may have staged for it alone.
            one.file.discard_draft(whosever=True)
        self.file.stage(self._wanted(others, side))
        self._proof.note()

    def require_unchanged(self) -> None:
        """See that file and process are those that were staged for.

        Raises:
            ServerRefused: 3001 or 3007.
            StepError: 4011.
        """
        self._proof.require_unchanged()

    def pause(self, budget: timedelta) -> None:
        """Hold the entry's clients back; on failure hold back none.

        Raises:
            BudgetError: 5001, transactions were open for all of `budget`.
            StepError: 4009, another PAUSE is waiting, or it was refused.
            TrafficUnknownError: 7001, it failed and RESUME was not confirmed.
        """
        self._holding.pause(budget)

    def move(self, side: Side) -> None:
        """Put the file in place, RELOAD, and see that the pooler names `side`.

        Raises:
            StepError: 4009, the pooler did not follow; the former line is back.
            ServerRefused: 3001, the pooler was away; the file names `side`, so that
                it will when it starts.
        """
        for error in self.move_with((), side).values():
            raise error

    def move_with(
        self, others: Sequence[PgBouncer], side: Side
    ) -> dict[str, BluegreenError]:
        """`move` for this one and `others` of the same place, by one RELOAD.

        Returns:
            The error of each that did not follow, by its id.

        Raises:
            ServerRefused: 3001, 3007 or 3008: none of them was seen to follow.
        """
        wanted = self._wanted(others, side)
        late = move_entries(
            self.file,
            self._console,
            wanted,
            lambda name, seen: errors.did_not_follow(
                self.id, name, seen, wanted[name], self._place_of(name)
            ),
        )
        ours = (self, *others)
        return {p.id: late[p.database] for p in ours if p.database in late}

    def resume(self) -> None:
        """Let the entry's clients go on, and see that they do.

        Raises:
            ServerRefused: 3001 or 3007.
            StepError: 4009.
        """
        self._holding.resume()

    def by_hand(self, side: Side) -> str:
        """What to write and to type so that the entry leads to `side`."""
        place, address = self._place_of(self.database), self._addresses[side]
        return errors.by_hand(place, self.database, address, self._console)

    def resume_by_hand(self) -> str:
        """What to type so that the entry's clients go on."""
        return errors.resume_by_hand(self.database, self._console)

    def younger_moves(self, ours: Collection[str]) -> list[str]:
        """Moves that came to this pooler after `ours`, names as in `application_name`.

        Raises:
            ServerRefused: 3001.
        """
        return younger_moves(self._console.show("CLIENTS"), ours)

    def leave_out_client(self) -> None:
        """Go on without the client; `probe` and `rehearse` then ask nothing."""
        if self.client is not None:
            self.client.close()
        self.client = None

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
        self.file.discard_draft()

    def _wanted(self, others: Sequence[PgBouncer], side: Side) -> dict[str, Address]:
        return {one.database: one.address(side) for one in (self, *others)}

    def _place_of(self, database: str) -> str:
        """File and line of an entry; the file where it cannot be found."""
        try:
            return self.file.locate(database).place
        except BluegreenError:
            return str(self.file.path)

    def _side_of(self, address: Address) -> Side | None:
        named = [side for side, at in self._addresses.items() if at == address]
        return named[0] if named else None

    def _conffile(self) -> Path:
        """The file PgBouncer starts reading at, as it says itself."""
        return Path(self._console.config()["conffile"])

    def _check_pooler(self, others: Sequence[Any]) -> list[Finding]:
        self._holding.row()
        beside = [one for one in others if isinstance(one, PgBouncer)]
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
            peers=self._proof.look().peers or {},
            beside=frozenset(one.process for one in beside) - {self.process},
        )
        return pooler_findings(survey, self._addresses)

    def _check_entry(self) -> list[Finding]:
        return entry_findings(
            self.id,
            self.file.locate(self.database),
            self.file.read().settings,
            running(self._console).get(self.database),
            self.file.obstacles(),
            self._proof.unloaded(but=self.database),
            self._proof.only_running(),
        )

    def _check_proof(self) -> list[Finding]:
        try:
            names = self.observe().names
            self.prove(names.other if names else Side.GREEN)
        except BluegreenError as error:
            name = error.finding if isinstance(error, errors.ProofRefused) else ""
            told = errors.as_finding(self.id, error, name)
            if name == errors.LOGIN and self._needs_functions():
                return [errors.comes_with_the_copy(told)]
            return [told]
        return []

    def _needs_functions(self) -> bool:
        """Whether a login rests on functions of the database, which a copy brings."""
        line = ini.read_pairs(self.file.locate(self.database).value)
        words = {"auth_user", "auth_query", "connect_query"}
        own = words & {pair.key for pair in line}
        return bool(own or self._console.config()["auth_user"])

    def _check_client(self) -> list[Finding]:
        if self.client is None:
            return []
        self.client.warm_up()
        return []


def _revealed(secret: Secret | None) -> str | None:
    return secret.reveal() if secret else None
