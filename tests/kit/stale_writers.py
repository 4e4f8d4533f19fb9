"""Sessions that write on a side around the pooler and never give up.

Owns the ways of writing and what each session was told. Each session has rows of its
own in `stale`, so what a side holds tells which session committed there.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import psycopg

THINK_S = 0.003
ROLE = "stale_app"
ROLE_MADE = """
    DO $$BEGIN CREATE ROLE stale_app LOGIN;
    EXCEPTION WHEN duplicate_object THEN NULL; END$$
"""
TABLES = (
    "CREATE TABLE stale (who text, n int, PRIMARY KEY (who, n))",
    "CREATE TABLE emptied (who text, n int, PRIMARY KEY (who, n))",
    "GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON stale, emptied TO stale_app",
)

Session = psycopg.Connection[tuple[object, ...]]
Way = Callable[[Session, str, int], None]


def autocommit(session: Session, who: str, n: int) -> None:
    session.execute("INSERT INTO stale VALUES (%s, %s)", (who, n))


def read_write(session: Session, who: str, n: int) -> None:
    session.execute("SET default_transaction_read_only = on")
    session.execute("BEGIN READ WRITE")
    session.execute("INSERT INTO stale VALUES (%s, %s)", (who, n))
    session.execute("COMMIT")


def superuser(session: Session, who: str, n: int) -> None:
    session.execute("BEGIN; SET LOCAL row_security = off")
    session.execute("INSERT INTO stale VALUES (%s, %s)", (who, n))
    session.execute("COMMIT")


def copy(session: Session, who: str, n: int) -> None:
    with session.cursor().copy("COPY stale FROM STDIN") as rows:
        rows.write_row((who, n))


def merge(session: Session, who: str, n: int) -> None:
    session.execute(
        "MERGE INTO stale USING (SELECT %s::text AS w, %s::int AS m) s"
        " ON who = w AND n = m WHEN NOT MATCHED THEN INSERT VALUES (w, m)",
        (who, n),
    )


def truncate(session: Session, who: str, n: int) -> None:
    """Not each time: an apply worker alone makes, drops and flushes files for it, and
    would fall behind where the disk is slow."""
    session.execute("BEGIN")
    if n % 5 == 1:
        session.execute("TRUNCATE emptied")
    session.execute("INSERT INTO stale VALUES (%s, %s)", (who, n))
    session.execute("INSERT INTO emptied VALUES (%s, %s)", (who, n))
    session.execute("COMMIT")


def two_phase(session: Session, who: str, n: int) -> None:
    name = f"{who} {n}"
    session.execute("BEGIN")
    session.execute("INSERT INTO stale VALUES (%s, %s)", (who, n))
    session.execute(f"PREPARE TRANSACTION '{name}'".encode())
    session.execute(f"COMMIT PREPARED '{name}'".encode())


def prepared_statement(session: Session, who: str, n: int) -> None:
    with suppress(psycopg.errors.DuplicatePreparedStatement):
        session.execute("PREPARE w (text, int) AS INSERT INTO stale VALUES ($1, $2)")
    session.execute(f"EXECUTE w ('{who}', {n})".encode())


WAYS: tuple[Way, ...] = (
    autocommit,
    read_write,
    superuser,
    copy,
    merge,
    truncate,
    two_phase,
    prepared_statement,
)


class StaleWriter(threading.Thread):
    """One session that writes, is refused, and tries again until `over` is set.

    Attributes:
        who: its name in the data.
        acknowledged: numbers whose commit was acknowledged.
        refused: how often it was refused, by SQLSTATE.
        connected: it has its session.
    """

    def __init__(
        self, conninfo: str, way: Way, when: str, over: threading.Event, **words: str
    ) -> None:
        super().__init__(daemon=True, name=f"{way.__name__} {when}")
        self.who = self.name
        self.acknowledged: list[int] = []
        self.refused: Counter[str] = Counter()
        self.connected = threading.Event()
        user = "postgres" if way is superuser else ROLE
        self._conninfo = psycopg.conninfo.make_conninfo(conninfo, user=user, **words)
        self._way, self._over = way, over

    def run(self) -> None:
        with psycopg.connect(
            self._conninfo, autocommit=True, prepare_threshold=None
        ) as session:
            self.connected.set()
            n = 0
            while not self._over.is_set():
                n += 1
                self._try(session, n)
                self._over.wait(THINK_S)

    def _try(self, session: Session, n: int) -> None:
        try:
            self._way(session, self.who, n)
        except psycopg.Error as error:
            self.refused[error.sqlstate or type(error).__name__] += 1
            session.execute("ROLLBACK")
        else:
            self.acknowledged.append(n)
