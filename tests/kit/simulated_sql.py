"""What a simulated server answers to our SQL, statement by statement.

Owns the handle of a side and finding the meaning of a statement; one that is not known
is an error, never an empty answer. The meanings stand, by what they are about, in
`simulated_journal_sql.py`, `simulated_fence_sql.py` and `simulated_stream_sql.py`; the
state is in `simulated_server.py`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from bluegreen.model.errors import ServerRefused
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from tests.kit.simulated_actors import Actor
from tests.kit.simulated_fence_sql import FENCE_MEANINGS, FenceSql
from tests.kit.simulated_journal_sql import JOURNAL_MEANINGS, JournalSql
from tests.kit.simulated_server import Server
from tests.kit.simulated_session import Handler, Meanings, Session
from tests.kit.simulated_stream_sql import STREAM_MEANINGS, MarkerSql, StreamSql


def _no_standbys(*_: Any) -> list[tuple[Any, ...]]:
    """Commits wait for no standby here."""
    return [("", 0, 0)]


_OTHERS: Meanings = (
    ("SET LOCAL", Session.nothing),
    ("BEGIN", Session.nothing),
    ("ROLLBACK", Session.end_transaction),
    ("COMMIT", Session.end_transaction),
    ("SELECT set_config(%s, %s, false)", Session.nothing),
    ("SELECT pid, coalesce(usename", Session.none),
    ("obj_description(t.tgfoid", Session.none),
    ("wait_event = 'SyncRep'", Session.none),
    ("current_setting('synchronous_standby_names')", _no_standbys),
)

_MEANINGS = (*JOURNAL_MEANINGS, *FENCE_MEANINGS, *STREAM_MEANINGS, *_OTHERS)


@lru_cache(maxsize=1000)
def _meaning(text: str) -> Handler:
    flat = re.sub(r"\s+", " ", text)
    for needle, meaning in _MEANINGS:
        if needle in flat:
            return meaning
    raise AssertionError(f"a statement that the simulation does not know: {flat}")


class KnowingSession(JournalSql, FenceSql, MarkerSql, StreamSql):
    """A session that knows every statement that a movement sends."""

    meaning = staticmethod(_meaning)


class SimulatedDatabase(Database):
    """A side's handle as one actor holds it; only its sessions are made up.

    `server` may be another side's: then the operator has mixed up the addresses.
    """

    def __init__(self, actor: Actor, side: Side, server: Server) -> None:
        super().__init__(side, f"host={server.side} dbname=sim")
        self.actor = actor
        self.server = server

    def connect(self, **settings: Any) -> Any:
        self.actor.effect()
        if not self.server.answers or self.server.side in self.actor.cut:
            raise ServerRefused(3001, f"{self.side} cannot be reached")
        return KnowingSession(self.actor, self.server, settings)
