"""What the judge lets wait: there, back, there again, done once blue is released."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.kit.arena import Arena
from tests.kit.cli import call, write_playbook
from tests.kit.databases import Database
from tests.kit.wait import wait_until

OLD = (
    "CREATE SCHEMA app",
    "CREATE TABLE app.people (id int PRIMARY KEY, contact text, gone text)",
    "CREATE TABLE app.orders (id int PRIMARY KEY, person int, code text)",
    "INSERT INTO app.people VALUES (1, 'a@b', 'g'), (2, NULL, 'g')",
    "INSERT INTO app.orders VALUES (1, 1, 'x'), (2, 99, 'x'), (3, NULL, 'y')",
)
ONE = """\
ALTER TABLE app.people ADD COLUMN age int NOT NULL DEFAULT 0;
ALTER TABLE app.people ALTER COLUMN age DROP DEFAULT;
SET search_path = app;
ALTER TABLE people RENAME COLUMN contact TO email;
CREATE INDEX people_email ON people (email);
CREATE INDEX people_age ON people (age);
"""
TWO = """\
ALTER TABLE app.orders ADD CONSTRAINT person_fk FOREIGN KEY (person)
    REFERENCES app.people NOT VALID;
ALTER TABLE app.orders VALIDATE CONSTRAINT person_fk;
CREATE UNIQUE INDEX CONCURRENTLY once ON app.orders (code);
ALTER TABLE app.orders ALTER COLUMN person SET NOT NULL;
ALTER TABLE app.people DROP COLUMN gone;
"""
WAIT = [
    "1.sql:2 waits: age of people may get no value on apply",
    "1.sql:4 waits: contact of people is called email on green",
    "1.sql:5 waits: it builds on 1.sql:4, which waits",
    "2.sql:1 waits: apply does not look at the foreign key of orders",
    "2.sql:3 waits: it builds on 2.sql:1, which waits",
    "2.sql:4 waits: orders may hold no two rows alike on green only",
    "2.sql:5 waits: blue may send NULL for person of orders",
    "2.sql:6 waits: green has no gone of people",
]


def shape(database: Database) -> tuple[str, ...]:
    """What of the migration stands."""
    columns = database.rows(
        "SELECT attname FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped"
        " AND attrelid = 'app.people'::regclass ORDER BY attnum"
    )
    others = database.rows(
        "SELECT conname FROM pg_constraint WHERE conname = 'person_fk' AND convalidated"
        " UNION ALL SELECT relname FROM pg_class"
        " WHERE relname IN ('once', 'people_email', 'people_age')"
        " UNION ALL SELECT attname FROM pg_attribute WHERE attnotnull"
        " AND attrelid = 'app.orders'::regclass AND attname = 'person'"
        " UNION ALL SELECT 'default' FROM pg_attrdef"
        " WHERE adrelid = 'app.people'::regclass ORDER BY 1"
    )
    return tuple(name for (name,) in (*columns, *others))


@pytest.mark.timeout(600)
def test_it_runs_once_blue_is_released_and_never_before(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(14, 18)
    here.pair.blue.run(*OLD)
    (tmp_path / "1.sql").write_text(ONE)
    (tmp_path / "2.sql").write_text(TWO)
    playbook = write_playbook(
        here,
        tmp_path,
        [
            {"step": "backup", "to": "backups", "workers": 1},
            {"step": "replicate"},
            {
                "step": "migrate",
                "files": ["*.sql"],
                "contract_by_judge": True,
                "expand_blue": ["app.people.age"],
            },
            {"step": "cutover", "probe": False},
            {"step": "hold", "window": "1s"},
            {"step": "decommission", "final_backup": "backups"},
        ],
    )
    planned = " ".join(call("plan", playbook).require().out.split())
    assert [line for line in WAIT if line not in planned] == []
    call("run", playbook).require()
    expanded = ("id", "contact", "gone", "age", "default", "people_age")
    assert shape(here.pair.green) == expanded
    with psycopg.connect(here.client, autocommit=True, prepare_threshold=None) as app:
        app.execute("INSERT INTO app.people VALUES (3, 'c@d', 'g', 7)")
        app.execute("DELETE FROM app.orders WHERE person IS NULL OR person > 3")
    call("rollback", playbook).require()
    assert here.pair.blue.rows(
        "SELECT id, contact, gone, age FROM app.people ORDER BY 1"
    ) == [
        (1, "a@b", "g", 0),
        (2, None, "g", 0),
        (3, "c@d", "g", 7),
    ]
    here.pair.blue.run("INSERT INTO app.people VALUES (4, 'e@f', 'g', 8)")
    call("run", playbook).require()
    assert shape(here.pair.green) == expanded
    release = ("decommission", "--if-due", playbook)
    wait_until(lambda: call(*release).require().out, "the window")
    contracted = ("id", "email", "age", "once", "people_age", "people_email", "person")
    assert shape(here.pair.green) == (*contracted, "person_fk")
    assert here.pair.green.value("SELECT count(*) FROM app.people") == 4
