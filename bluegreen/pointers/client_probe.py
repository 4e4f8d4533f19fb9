"""Coming in as a client: who answers, and what a move feels like.

Owns the client's session through a pointer, the question who answers, and a probe that
writes and reads every few milliseconds while traffic moves. What an answer means for a
move is for the steps.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bluegreen.model.codes import Code
from bluegreen.model.errors import (
    BluegreenError,
    PlaybookRefused,
    ServerRefused,
    StepError,
)
from bluegreen.model.secret import Secret
from bluegreen.pointers.simple_query import (
    Answer,
    SessionBrokenError,
    SessionTimeoutError,
    SimpleSession,
)

ANSWER_S = 2.0
"""A client that waits longer than a whole default pause is told of."""

_WHO = "SELECT id FROM bluegreen.who_am_i()"
# One statement: a transaction block that a refusal left open would hold up PAUSE.
_WRITE = "SELECT pg_catalog.txid_current()"
_READ = "SELECT 1"
_PATIENCE_S = 30.0  # a held client waits; how long is what the probe measures
_KEPT_ERRORS = 100
_STOP_S = 0.8


class Client:
    """How an application comes in through a pointer.

    Args:
        dsn: libpq key words or a URL, without a password.
        password: kept out of every printed form.
        look_up: gives the address for a host name, each time a session is opened; by
            libpq where it is left out or gives nothing.
    """

    def __init__(
        self,
        dsn: str,
        password: Secret | None = None,
        look_up: Callable[[str], str] | None = None,
    ) -> None:
        try:
            self._params = conninfo_to_dict(dsn)
        except ProgrammingError as error:
            raise PlaybookRefused(
                Code.PLAYBOOK_NOT_VALID,
                "`client` is not a connection string",
                seen=str(error).strip(),
            ) from None
        self._password = password
        self._look_up = look_up
        self._session: SimpleSession | None = None

    def open(
        self,
        within_s: float = ANSWER_S,
        give_up: threading.Event | None = None,
        *,
        entry: str = "",
        address: str = "",
    ) -> SimpleSession:
        """A session of its own, with the errors of SimpleSession.open.

        With `entry` or `address` it comes in through that one in place of its own.
        """
        params = {**self._params, "application_name": "bluegreen probe"}
        if entry:
            params["dbname"] = entry
        if found := address or self._address():
            params["hostaddr"] = found
        if self._password:
            params["password"] = self._password.reveal()
        return SimpleSession.open(params, within_s, give_up)

    def looking_up(self, look_up: Callable[[str], str]) -> Client:
        """The same client, finding addresses in another way."""
        return Client(make_conninfo("", **self._params), self._password, look_up)

    @property
    def user(self) -> str:
        """The role that comes in; empty where the connection string names none."""
        return str(self._params.get("user") or "")

    @property
    def session(self) -> SimpleSession:
        """The warm session, opened again when it has broken."""
        if self._session is None or self._session.closed:
            self._session = self.open()
        return self._session

    def _address(self) -> str:
        """Where the host is now; empty where libpq finds out.

        Raises:
            SessionBrokenError: no one could tell.
        """
        host = str(self._params.get("host") or "")
        if self._look_up is None or not host:
            return ""
        try:
            return self._look_up(host)
        except BluegreenError as error:
            raise SessionBrokenError(error.problem) from None

    def warm_up(self) -> None:
        """Open the warm session and see that it answers.

        Raises:
            ServerRefused: 3001.
        """
        try:
            [answer] = self.session.ask(_READ, ANSWER_S)
        except (SessionBrokenError, SessionTimeoutError) as error:
            raise _no_way_in(str(error)) from None
        if answer.refusal:
            raise _no_way_in(answer.refusal)

    def close(self) -> None:
        """Close the warm session."""
        if self._session is not None:
            self._session.close()
            self._session = None


def ask_identity(where: str, client: Client) -> str:
    """The identity of the database that answers a client of pointer `where`.

    Raises:
        StepError: 4009, the client got an error, or nothing.
    """
    try:
        answers = _ask_twice(client)
    except (SessionBrokenError, SessionTimeoutError) as error:
        raise _not_served(where, str(error)) from None
    [answer] = answers
    if answer.refusal or len(answer.rows) != 1:
        raise _not_served(where, answer.refusal or "no row came")
    return answer.rows[0]["id"] or ""


def _ask_twice(client: Client) -> list[Answer]:
    """A pooler that was restarted has cut the warm session; a new one counts."""
    try:
        return client.session.ask(_WHO, ANSWER_S)
    except SessionBrokenError:
        return client.session.ask(_WHO, ANSWER_S)


def _not_served(where: str, seen: str) -> StepError:
    return StepError(
        Code.POOLER_FAILED,
        f"a client that comes in through pointer {where} is not served",
        seen=seen,
        wanted="the identity of the side it reaches",
        hint="try the same with psql; then run again",
    )


def _no_way_in(seen: str) -> ServerRefused:
    return ServerRefused(
        Code.SERVER_UNREACHABLE,
        "no client comes in through the pointer",
        seen=seen,
        wanted="an answer to SELECT 1",
        hint="is `client` of the pointer right, and its password given?",
    )


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What a client felt.

    Attributes:
        longest_gap_s: the longest time without an answer, in seconds.
        errors: what clients would have seen, the first hundred.
        writes: transactions that took an id.
        reads: reads that were answered.
    """

    longest_gap_s: float
    errors: list[str]
    writes: int
    reads: int


class ClientProbe:
    """Writes and reads through a pointer until it is stopped.

    A write here takes a transaction id and nothing else: it needs no table and no
    right, leaves no row, and a fence does not refuse it.

    Args:
        client_dsn: how a client comes in, or a Client.
        password: for a DSN.
        interval_s: seconds between two questions.
    """

    def __init__(
        self,
        client_dsn: str | Client,
        password: Secret | None = None,
        interval_s: float = 0.005,
    ) -> None:
        self._client = (
            client_dsn
            if isinstance(client_dsn, Client)
            else Client(client_dsn, password)
        )
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)
        self._errors: list[str] = []
        self._counts = {_WRITE: 0, _READ: 0}
        self._gap_s = 0.0
        self._last = 0.0
        self._report: ProbeReport | None = None

    @classmethod
    @contextmanager
    def running(cls, client: Client) -> Iterator[ClientProbe]:
        """A probe that runs for the length of a `with` block."""
        probe = cls(client)
        probe.start()
        try:
            yield probe
        finally:
            probe.stop()

    def start(self) -> None:
        """Begin. Returns at once."""
        self._last = time.monotonic()
        self._thread.start()

    def stop(self) -> ProbeReport:
        """End within a second, a held or dead pooler included; twice is fine."""
        if self._report is None:
            self._stop.set()
            self._thread.join(_STOP_S)
            # A client that is still held when we look has felt all that time.
            self._gap_s = max(self._gap_s, time.monotonic() - self._last)
            self._report = ProbeReport(
                self._gap_s,
                list(self._errors),
                self._counts[_WRITE],
                self._counts[_READ],
            )
        return self._report

    def _run(self) -> None:
        session: SimpleSession | None = None
        question = _WRITE
        while not self._stop.is_set():
            try:
                if session is None or session.closed:
                    session = self._client.open(_PATIENCE_S, self._stop)
                self._ask(session, question)
            except (SessionBrokenError, SessionTimeoutError) as error:
                self._note(str(error))
            question = _READ if question == _WRITE else _WRITE
            self._stop.wait(self._interval_s)
        if session is not None:
            session.close()

    def _ask(self, session: SimpleSession, question: str) -> None:
        answers = session.ask(question, _PATIENCE_S)
        refusals = [answer.refusal for answer in answers if answer.refusal]
        if refusals:
            self._note(refusals[0])
            return
        now = time.monotonic()
        if any(self._counts.values()):  # connecting is no gap
            self._gap_s = max(self._gap_s, now - self._last)
        self._last = now
        self._counts[question] += 1

    def _note(self, error: str) -> None:
        if not self._stop.is_set() and len(self._errors) < _KEPT_ERRORS:
            self._errors.append(error)
