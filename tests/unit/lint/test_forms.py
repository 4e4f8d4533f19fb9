"""Other ways to write what a rule is about."""

from __future__ import annotations

import pytest

from tests.unit.lint.kit import fired, lint

SCHEMA = """
CREATE TABLE note (id bigint PRIMARY KEY, size bigint, slug varchar(20), body text);
"""
PERFORM = """DO $$ BEGIN
    PERFORM set_config('session_replication_role', 'replica', false);
END $$;"""


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("DROP ROUTINE r;", "drop-object"),
        ("DROP OPERATOR + (int, int);", "drop-object"),
        ("DROP CAST (int AS text);", "drop-object"),
        ("DROP COLLATION c;", "drop-object"),
        ("DROP SERVER s;", "drop-object"),
        ("DROP PUBLICATION p;", "drop-object"),
        ("ALTER TYPE pair RENAME ATTRIBUTE a TO b;", "rename-object"),
        ("ALTER ROUTINE f RENAME TO b;", "rename-object"),
        ("ALTER DATABASE f RENAME TO b;", "rename-object"),
        ("ALTER ROLE f RENAME TO b;", "rename-object"),
        ("ALTER TABLE note ALTER size TYPE int USING size::int;", "type-narrows"),
        ("ALTER TABLE note ALTER slug TYPE text USING slug::varchar(5);", ""),
        ("ALTER TABLE note ALTER size TYPE int USING length(body);", ""),
        ("REASSIGN OWNED BY a TO b;", "rights-change"),
        ("ALTER ROLE app SET lock_timeout = 0;", "rights-change"),
        (
            "ALTER ROLE app SET session_replication_role = replica;",
            "constraints-switched-off",
        ),
        (
            "ALTER DATABASE shop SET session_replication_role TO 'replica';",
            "constraints-switched-off",
        ),
        ("ALTER SYSTEM SET session_replication_role = 'origin';", "rights-change"),
        (PERFORM, "constraints-switched-off"),
        ("UPDATE note SET body = '' WHERE NOT false;", "unbatched-change"),
        (
            "DO $$ DECLARE c refcursor; BEGIN OPEN c FOR EXECUTE 'x'; END $$;",
            "dynamic-sql",
        ),
    ],
)
def test_a_rule_knows_the_other_ways_to_write_it(sql: str, rule: str) -> None:
    found = set(fired(sql, SCHEMA, enable=("rights-change",)))
    found -= {"type-change-rewrites"}
    wanted = {rule} if rule else set()
    assert found - {"rights-change"} == wanted - {"rights-change"}
    assert wanted <= found


@pytest.mark.parametrize(
    ("sql", "strategy"),
    [
        ("ALTER TABLE note ADD COLUMN x int;", "additive-only"),
        ("CREATE TABLE x (id int);\nALTER TABLE x ADD y serial;", "additive-only"),
        ("ALTER TABLE note ALTER slug TYPE varchar(40);", "additive-only"),
        ("ALTER TABLE note DROP COLUMN body;", "expand-contract"),
        ("DROP FUNCTION f;", "expand-contract"),
        (
            "CREATE TRIGGER g BEFORE INSERT ON note FOR EACH ROW EXECUTE FUNCTION f();",
            "parallel change",
        ),
        ("ALTER TABLE note ADD CHECK (size > 0) NOT VALID;", "lazy"),
        ("UPDATE note SET body = '' WHERE id BETWEEN 1 AND 1000;", "lazy"),
        ("UPDATE note SET body = '';", "big bang"),
        ("ALTER TABLE note ADD COLUMN x int NOT NULL;", "big bang"),
        ("ALTER TABLE note ADD COLUMN x int NOT NULL DEFAULT NULL;", "big bang"),
        ("ALTER TABLE note ADD COLUMN x int NOT NULL DEFAULT 1;", "additive-only"),
        ("DROP SCHEMA app CASCADE;", "big bang"),
        ("ALTER SCHEMA app RENAME TO shop;", "big bang"),
        ("ALTER INDEX note_pkey RENAME TO note_key;", "additive-only"),
    ],
)
def test_a_file_is_called_by_its_riskiest_change(sql: str, strategy: str) -> None:
    assert lint(sql, SCHEMA).strategy == strategy
