"""PgBouncer's admin console: two sessions, a handful of words, answers as rows.

Owns quoting, deadlines, and reading the console's refusals: all of them carry SQLSTATE
08P01, so here, and nowhere else, words are read. What to send when is for
`pointer.py`. `WAIT_CLOSE` is not offered: after one of them later PAUSEs of that
process return at once though transactions are open (measured with 1.18).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from contextlib import suppress

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused, ServerRefused, StepError
from bluegreen.model.secret import Secret
from bluegreen.pointers.pointer import move_name
from bluegreen.pointers.simple_query import (
    Row,
    SessionBrokenError,
    SessionTimeoutError,
    SimpleSession,
)
from bluegreen.postgres.tls import advice, pinned

OPEN_S = 2.0
"""A console that has not let us in after this is treated as away."""

ANSWER_S = 2.0
"""Every word but PAUSE is answered at once; a console silent for longer is stuck."""

LONGEST_NAME = 63
"""Bytes of a quoted argument: the console's buffer holds 64 (admin.c, 1.18)."""


class ConsoleRefusedError(StepError):
    """The console refused a word.

    Attributes:
        text: PgBouncer's own words.
    """

    def __init__(self, where: str, command: str, text: str) -> None:
        super().__init__(
            Code.POOLER_FAILED,
            f"pooler {where} refused {command}",
            seen=text,
            hint="look at PgBouncer's log, fix what it names, then run again",
        )
        self.text = text

    @property
    def lacks_admin_right(self) -> bool:
        """Whether the console's user is not one of `admin_users`."""
        return "admin access needed" in self.text

    @property
    def says_not_paused(self) -> bool:
        """Whether RESUME found nothing to resume."""
        return "is not paused" in self.text

    @property
    def says_no_database(self) -> bool:
        """Whether the pooler has no entry of that name."""
        return "no such database" in self.text


class ConsoleSilentError(StepError):
    """The console did not answer in time; the session is closed."""

    def __init__(self, where: str, command: str, within_s: float) -> None:
        super().__init__(
            Code.POOLER_FAILED,
            f"pooler {where} did not answer {command} within {within_s:.1f} s",
            wanted="an answer from its admin console",
            hint="is its process stopped or overloaded? Look at it, then run again",
        )


def quoted(name: str) -> str:
    """Quote a database's name as an argument of the console.

    Raises:
        PlaybookRefused: 2003, PgBouncer's console cannot take such a name.
    """
    text = '"' + name.replace('"', '""') + '"'
    bad = not name or "\0" in name or "\n" in name or "\r" in name
    if bad or len(text.encode(errors="surrogateescape")) > LONGEST_NAME:
        raise PlaybookRefused(
            Code.PLAYBOOK_NOT_VALID,
            f"PgBouncer's console cannot take the database name {name!r}",
            wanted=f"1 to {LONGEST_NAME - 2} bytes on one line",
            hint="name an entry of [databases] under `database`",
        )
    return text


class Console:
    """The admin console of one PgBouncer process.

    PAUSE has a session of its own: while it waits nothing else can be said there, and
    it is lifted by RESUME from another. It is open for as long as a move is, and its
    name says so in SHOW CLIENTS.

    Args:
        where: the pointer's id, for messages.
        conninfo: libpq key words or a URL; `dbname` is `pgbouncer` if left out.
        password: kept out of every printed form.
        mover: the name of the tool that this process is the guard of.
    """

    def __init__(
        self, where: str, conninfo: str, password: Secret | None, mover: str = ""
    ) -> None:
        self._where = where
        self._name = move_name(mover)
        try:
            given = conninfo_to_dict(conninfo)
        except ProgrammingError as error:
            raise PlaybookRefused(
                Code.PLAYBOOK_NOT_VALID,
                f"`console` of pointer {where} is not a connection string",
                seen=str(error).strip(),
                wanted="key words such as host=127.0.0.1 port=6432 user=pgbouncer",
            ) from None
        self._params = {"dbname": "pgbouncer", **given}
        self._password = password
        self._talk: SimpleSession | None = None
        self._pause: SimpleSession | None = None

    @property
    def user(self) -> str:
        """The user that the connection string names; empty when it names none."""
        return str(self._params.get("user") or "")

    @property
    def by_socket(self) -> bool:
        """Whether it is reached by a Unix socket, which belongs to one process."""
        host = str(self._params.get("host") or "/")
        return host.startswith(("/", "@"))

    @property
    def target(self) -> tuple[str, ...]:
        """Where it is reached: the same for two consoles of one process, or nearly."""
        get = self._params.get
        return (
            str(get("host") or ""),
            str(get("port") or ""),
            str(get("hostaddr") or ""),
        )

    def by_hand(self, *commands: str) -> str:
        """The shell's line that says the same as we do, without a password."""
        keys = ("host", "hostaddr", "port", "user", "dbname")
        words = {key: self._params[key] for key in keys if self._params.get(key)}
        told = "".join(f" -c {shlex.quote(command)}" for command in commands)
        return f"psql {shlex.quote(make_conninfo('', **words))}{told}"

    def sessions(self) -> tuple[SimpleSession, ...]:
        """Those that are open. A session lives no longer than the process."""
        both = (self._talk, self._pause)
        return tuple(one for one in both if one is not None and not one.closed)

    def any_answers(self, sessions: Iterable[SimpleSession]) -> bool:
        """Whether one of these answers still; if so the process is the same.

        Raises:
            ConsoleSilentError: one did not answer in time.
        """
        for session in sessions:
            with suppress(SessionBrokenError):
                try:
                    session.ask("SHOW VERSION", ANSWER_S)
                except SessionTimeoutError:
                    raise ConsoleSilentError(
                        self._where, "SHOW VERSION", ANSWER_S
                    ) from None
                return True
        return False

    def warm_up(self) -> None:
        """Open both sessions and try them."""
        self.show("VERSION")
        self._pause = self._usable(self._pause, self._name)
        self._pause.ask("SHOW VERSION", ANSWER_S)

    def show(self, what: str) -> list[Row]:
        """`SHOW what`, the rows by column name.

        Raises:
            ServerRefused: 3001, the console cannot be reached.
            ConsoleRefusedError: it refused.
            ConsoleSilentError: it did not answer.
        """
        return self._say(f"SHOW {what}")[1]

    def config(self) -> dict[str, str]:
        """`SHOW CONFIG` as names and values; unset is empty."""
        return {str(row["key"]): row["value"] or "" for row in self.show("CONFIG")}

    def reload(self) -> None:
        """`RELOAD`: returns after the file was read. Success says nothing of its parts.

        Up to 1.23 a file that cannot be read also answers success.
        """
        self._say("RELOAD")

    def resume(self, database: str) -> None:
        """`RESUME`; raises ConsoleRefusedError when it is not paused."""
        self._say(f"RESUME {quoted(database)}")

    def has_admin_right(self) -> bool:
        """Whether this user may PAUSE and RELOAD. Changes nothing.

        The console looks at the right first and then refuses to resume its own
        database, so that both answers are refusals (admin.c, 1.18 to 1.25).
        """
        try:
            self.resume("pgbouncer")
        except ConsoleRefusedError as refusal:
            return not refusal.lacks_admin_right
        return True

    def pause(self, database: str, within_s: float) -> str:
        """`PAUSE` on its own session, sent once; gives back the command status.

        Raises:
            ConsoleSilentError: transactions were open for `within_s` seconds. The
                session is closed, which does not lift the PAUSE: send RESUME.
        """
        self._pause = self._usable(self._pause, self._name)
        return self._exchange(self._pause, f"PAUSE {quoted(database)}", within_s)[0]

    def close(self) -> None:
        """Close both sessions."""
        for session in (self._talk, self._pause):
            if session is not None:
                session.close()
        self._talk = self._pause = None

    def _say(self, command: str) -> tuple[str, list[Row]]:
        """Say what may be said twice; once more when the session was stale."""
        fresh = self._talk is None or self._talk.closed
        self._talk = self._usable(self._talk)
        try:
            return self._exchange(self._talk, command, ANSWER_S)
        except ServerRefused:
            if fresh:
                raise
        self._talk = self._usable(self._talk)
        return self._exchange(self._talk, command, ANSWER_S)

    def _exchange(
        self, session: SimpleSession, command: str, within_s: float
    ) -> tuple[str, list[Row]]:
        try:
            [answer] = session.ask(command, within_s)
        except SessionTimeoutError:
            raise ConsoleSilentError(self._where, command, within_s) from None
        except SessionBrokenError as error:
            raise self._away(error) from None
        if answer.refusal:
            raise ConsoleRefusedError(self._where, command, answer.refusal)
        return answer.status, answer.rows

    def _usable(self, session: SimpleSession | None, name: str = "") -> SimpleSession:
        if session is not None and not session.closed:
            return session
        params = dict(self._params)
        if name:
            params["application_name"] = name
        if self._password:
            params["password"] = self._password.reveal()
        try:
            return SimpleSession.open(params, OPEN_S)
        except (SessionBrokenError, SessionTimeoutError) as error:
            raise self._away(error) from None

    def _away(self, error: Exception) -> ServerRefused:
        get = self._params.get
        port = get("port") or 6432
        return ServerRefused(
            Code.SERVER_UNREACHABLE,
            f"the console of pooler {self._where} cannot be reached",
            seen=str(error),
            wanted=f"a session on {get('host') or 'the local socket'}:{port}",
            hint="try the same with psql; is PgBouncer up, and is the user one of its "
            "admin_users?" + advice(pinned(self._params, pooled=True)),
        )
