"""A deadline that no server and no network can outlast.

Owns the clock over sessions of ours; cutting one is for `database.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Timer

from bluegreen.postgres.database import Database


@contextmanager
def hung_up_after(span: timedelta, *databases: Database) -> Iterator[None]:
    """Let nothing in the block wait for a server any longer than until `span` is over.

    psycopg has no deadline of its own, a statement_timeout is the server's, and the
    kernel at the other end may acknowledge what no server reads.
    """

    def hang_up_all() -> None:
        for database in databases:
            database.hang_up()

    timer = Timer(span.total_seconds(), hang_up_all)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
