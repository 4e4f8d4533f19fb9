"""All that a verb of ours could leave behind, as one value to compare."""

from __future__ import annotations

from tests.kit.arena import Arena
from tests.kit.databases import Database

_QUERIES = (
    "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_t' ORDER BY 1",
    """SELECT oid::regclass::text, relkind, relacl::text FROM pg_class
    WHERE relnamespace >= 16384 OR relnamespace = 'public'::regnamespace ORDER BY 1""",
    "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger ORDER BY 1, 2",
    """SELECT slot_name FROM pg_replication_slots WHERE database = current_database()
    ORDER BY 1""",
    "SELECT pubname FROM pg_publication ORDER BY 1",
    """SELECT subname, subenabled FROM pg_subscription s
    JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database()
    ORDER BY 1""",
)
_JOURNAL = "SELECT seq, kind, action, body::text FROM bluegreen.journal ORDER BY seq"
_MARKERS = "SELECT id FROM bluegreen.marker WHERE number IS NULL ORDER BY id"


def fingerprint(here: Arena) -> dict[str, object]:
    """Catalogs, journals and markers of both sides, and the pooler's file.

    Heartbeats are no trace of a verb: a run in another process writes them.
    """
    sides = (here.pair.blue, here.pair.green)
    ini = here.pooler.config_file
    return {
        "blue": _of(sides[0]),
        "green": _of(sides[1]),
        # A look puts a throw-away entry into the file and takes it out again.
        "ini": ini.read_text(),
        "beside it": sorted(path.name for path in ini.parent.iterdir()),
    }


def _of(database: Database) -> list[list[tuple[object, ...]]]:
    ours = database.value("SELECT to_regclass('bluegreen.journal') IS NOT NULL")
    queries = (*_QUERIES, _JOURNAL, _MARKERS) if ours else _QUERIES
    return [database.rows(query) for query in queries]
