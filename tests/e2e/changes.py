"""The schema changes that a cutover with a way back is tried with, by row.

Each has the least that makes it compatible; rows without a mitigation are not here.
"""

from __future__ import annotations

from tests.kit.schema_change import LEFT, NEW_WRITES, OLD_WRITES, ROWS, TABLE, Change

_ADD = "ALTER TABLE §.t ADD COLUMN n text"
_NEW_COLUMN = (
    "INSERT INTO §.t (id, a, n) VALUES (20, 'twenty', 'n')",
    "UPDATE §.t SET a = 'ONE', n = 'new' WHERE id = 1",
    "DELETE FROM §.t WHERE id = 10",
)
_ALWAYS = """
CREATE FUNCTION §.keep() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('session_replication_role') = 'replica' THEN
        NEW.b := NEW.a;
    ELSE
        NEW.a := NEW.b;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep BEFORE INSERT OR UPDATE ON §.t
FOR EACH ROW EXECUTE FUNCTION §.keep();
ALTER TABLE §.t ENABLE ALWAYS TRIGGER keep;
"""
_UNDER_B = (
    "INSERT INTO §.t (id, b) VALUES (20, 'twenty')",
    "UPDATE §.t SET b = 'ONE' WHERE id = 1",
    "DELETE FROM §.t WHERE id = 10",
)

COLUMNS = (
    Change(
        "1-column-list",
        _ADD,
        after=_NEW_COLUMN,
        majors=(16,),
        loses=["reverse/LOSSY/column-left-out/§.t"],
    ),
    Change(
        "1-expand",
        _ADD,
        after=_NEW_COLUMN,
        query="SELECT id, a, n FROM §.t ORDER BY id",
        left=[(1, "ONE", "new"), (2, "zwei", None), (20, "twenty", "n")],
        words={"expand_blue": ["§.t.n"]},
    ),
    Change(
        "2-column-list",
        "ALTER TABLE §.t ADD COLUMN n text NOT NULL DEFAULT 'd'",
        after=_NEW_COLUMN,
        green="SELECT a, n FROM §.t WHERE id = 30",
        arrived=[("thirty", "d")],
        majors=(16,),
        loses=["reverse/LOSSY/column-left-out/§.t"],
    ),
    Change(
        "2-expand",
        "ALTER TABLE §.t ADD COLUMN n text NOT NULL DEFAULT 'd'",
        after=_NEW_COLUMN,
        query="SELECT id, a, n FROM §.t WHERE id <> 2 ORDER BY id",
        left=[(1, "ONE", "new"), (20, "twenty", "n")],
        again=(
            "INSERT INTO §.t VALUES (30, 'thirty')",
            "UPDATE §.t SET a = 'touched' WHERE id = 2",
        ),
        green="SELECT id, a, n FROM §.t WHERE id IN (2, 30) ORDER BY id",
        arrived=[(2, "touched", "d"), (30, "thirty", "d")],
        words={"expand_blue": ["§.t.n"]},
    ),
    Change(
        "2-serial",
        "ALTER TABLE §.t ADD COLUMN n bigint GENERATED ALWAYS AS IDENTITY",
        majors=(16,),
        loses=["reverse/LOSSY/column-left-out/§.t"],
    ),
    Change(
        "3-default-until-contract",
        "ALTER TABLE §.t ADD COLUMN n int NOT NULL DEFAULT 0",
        contract="ALTER TABLE §.t ALTER COLUMN n DROP DEFAULT",
        contracted="SELECT NOT atthasdef FROM pg_attribute"
        " WHERE attrelid = '§.t'::regclass AND attname = 'n'",
        majors=(16,),
        loses=["reverse/LOSSY/column-left-out/§.t"],
    ),
    Change(
        "4-generated",
        "ALTER TABLE §.t ADD COLUMN n text GENERATED ALWAYS AS (upper(a)) STORED",
        green="SELECT n FROM §.t WHERE id = 30",
        arrived=[("THIRTY",)],
    ),
    Change(
        "6-column-list",
        "ALTER TABLE §.t DROP COLUMN gone",
        blue=(
            "CREATE TABLE §.t (id int PRIMARY KEY, a text, gone text DEFAULT 'g')",
            ROWS,
        ),
        query="SELECT id, a, gone FROM §.t ORDER BY id",
        left=[(1, "ONE", "g"), (2, "zwei", "g"), (20, "twenty", "g")],
        majors=(16,),
    ),
    Change(
        "6-named-by-hand",
        "DO $do$ BEGIN EXECUTE 'ALTER TABLE §.t DROP COLUMN go' || 'ne'; END $do$",
        blue=(
            "CREATE TABLE §.t (id int PRIMARY KEY, a text, gone text DEFAULT 'g')",
            ROWS,
        ),
        words={"leave_out": ["§.t.gone"]},
        majors=(16,),
    ),
    Change(
        "6-contract",
        blue=("CREATE TABLE §.t (id int PRIMARY KEY, a text, gone text)", ROWS),
        contract="ALTER TABLE §.t DROP COLUMN gone",
        contracted="SELECT count(*) = 2 FROM information_schema.columns"
        " WHERE table_schema = '§'",
    ),
    Change(
        "7-not-null-dropped",
        "ALTER TABLE §.t DROP COLUMN gone",
        blue=(
            "CREATE TABLE §.t (id int PRIMARY KEY, a text, gone text NOT NULL)",
            "INSERT INTO §.t VALUES (1, 'one', 'g'), (2, 'two', 'g'), (3, 'x', 'g')",
        ),
        before=(
            "INSERT INTO §.t VALUES (10, 'ten', 'g')",
            *OLD_WRITES[1:],
        ),
        query="SELECT id, a, gone FROM §.t ORDER BY id",
        left=[(1, "ONE", "g"), (2, "zwei", "g"), (20, "twenty", None)],
        again=("INSERT INTO §.t VALUES (30, 'thirty', 'g')",),
        words={"expand_blue": ["§.t.gone"]},
        majors=(16,),
    ),
    Change(
        "8-mapped-rename",
        words={
            "mapping": {"§.t.b": {"type": "text", "forward": "a", "reverse": "b"}},
        },
        after=_UNDER_B,
        green="SELECT b FROM §.t WHERE id = 30",
        contract="ALTER TABLE §.t DROP COLUMN a",
        contracted="SELECT string_agg(attname, ',' ORDER BY attnum) = 'id,b'"
        " FROM pg_attribute WHERE attrelid = '§.t'::regclass AND attnum > 0"
        " AND NOT attisdropped",
        majors=(16,),
        bare="ALTER TABLE §.t RENAME COLUMN a TO b",
    ),
    Change(
        "9-own-always-trigger",
        "ALTER TABLE §.t ADD COLUMN b text;" + _ALWAYS + "UPDATE §.t SET b = a;",
        after=_UNDER_B,
        green="SELECT b FROM §.t WHERE id = 30",
        majors=(16,),
        judge={"carried": ["§.t.b"]},
    ),
    Change(
        "9c-generated-alias",
        "ALTER TABLE §.t ADD COLUMN b text GENERATED ALWAYS AS (a) STORED",
        green="SELECT b FROM §.t WHERE id = 30",
    ),
    Change(
        "11-drop-expression",
        "ALTER TABLE §.t ALTER COLUMN g DROP EXPRESSION",
        blue=(
            (
                "CREATE TABLE §.t (id int PRIMARY KEY, a text,"
                " g text GENERATED ALWAYS AS (a || '!') STORED)"
            ),
            "INSERT INTO §.t (id, a) VALUES (1, 'one'), (2, 'two'), (3, 'three')",
        ),
        before=("INSERT INTO §.t (id, a) VALUES (10, 'ten')", *OLD_WRITES[1:]),
        again=("INSERT INTO §.t (id, a) VALUES (30, 'thirty')",),
        green="SELECT a, g FROM §.t WHERE id IN (2, 30) ORDER BY id",
        arrived=[("zwei", "zwei!"), ("thirty", "thirty!")],
        query="SELECT id, a, g FROM §.t ORDER BY id",
        left=[(1, "ONE", "ONE!"), (2, "zwei", "zwei!"), (20, "twenty", "twenty!")],
        words={"mapping": {"§.t.g": {"forward": "a || '!'"}}},
        majors=(16,),
    ),
    Change(
        "12-becomes-generated",
        "ALTER TABLE §.t ADD COLUMN big text GENERATED ALWAYS AS (upper(a)) STORED",
        blue=("CREATE TABLE §.t (id int PRIMARY KEY, a text, up text)", ROWS),
        words={"mapping": {"§.t.up": {"forward": "upper(a)"}}},
        query="SELECT id, a, up FROM §.t ORDER BY id",
        left=[(1, "ONE", "ONE"), (2, "zwei", None), (20, "twenty", "TWENTY")],
        majors=(16,),
        bare="ALTER TABLE §.t DROP COLUMN up;"
        "ALTER TABLE §.t ADD COLUMN up text GENERATED ALWAYS AS (upper(a)) STORED",
    ),
)

TYPES = (
    Change(
        "15-values-fit",
        "ALTER TABLE §.t ALTER COLUMN id TYPE bigint",
    ),
    Change(
        "17-widened",
        "ALTER TABLE §.t ALTER COLUMN a TYPE varchar(40)",
        blue=("CREATE TABLE §.t (id int PRIMARY KEY, a varchar(8))", ROWS),
        after=(*NEW_WRITES, "UPDATE §.t SET a = 'longer than eight' WHERE id = 2"),
        left=[(1, "ONE"), (2, "longer than eight"), (20, "twenty")],
        words={"expand_blue": ["§.t.a"]},
    ),
    Change(
        "20-to-enum",
        "CREATE TYPE §.mood AS ENUM ('one', 'two', 'three', 'ten', 'zwei', 'thirty',"
        " 'ONE', 'twenty');"
        "ALTER TABLE §.t ALTER COLUMN a TYPE §.mood USING a::§.mood",
        green="SELECT a::text FROM §.t WHERE id = 30",
    ),
    Change(
        "24-cents",
        blue=(
            "CREATE TABLE §.t (id int PRIMARY KEY, price text)",
            "INSERT INTO §.t VALUES (1, '1.50'), (2, '2.25'), (3, '3')",
        ),
        before=(
            "INSERT INTO §.t VALUES (10, '10.10')",
            "UPDATE §.t SET price = '22.22' WHERE id = 2",
            "DELETE FROM §.t WHERE id = 3",
        ),
        after=(
            "INSERT INTO §.t (id, cents) VALUES (20, 2099)",
            "UPDATE §.t SET cents = cents + 1 WHERE id = 1",
            "DELETE FROM §.t WHERE id = 10",
        ),
        query="SELECT id, price FROM §.t ORDER BY id",
        left=[(1, "1.51"), (2, "22.22"), (20, "20.99")],
        again=("INSERT INTO §.t VALUES (30, '30.30')",),
        green="SELECT cents FROM §.t WHERE id = 30",
        arrived=[(3030,)],
        words={
            "mapping": {
                "§.t.cents": {
                    "type": "bigint",
                    "forward": "(price::numeric * 100)::bigint",
                    "reverse": "round(cents / 100.0, 2)::text",
                }
            }
        },
        contract="ALTER TABLE §.t DROP COLUMN price",
        contracted="SELECT count(*) = 2 FROM information_schema.columns"
        " WHERE table_schema = '§'",
        majors=(16,),
        bare="ALTER TABLE §.t ALTER COLUMN price TYPE bigint"
        " USING (price::numeric * 100)::bigint",
    ),
    Change(
        "26b-pinned-zone",
        "ALTER TABLE §.t ALTER COLUMN at TYPE timestamptz USING at AT TIME ZONE 'UTC'",
        blue=(
            "CREATE TABLE §.t (id int PRIMARY KEY, at timestamp)",
            "INSERT INTO §.t VALUES (1, '2024-01-01 00:00')",
        ),
        before=("INSERT INTO §.t VALUES (2, '2024-02-02 00:00')",),
        after=("INSERT INTO §.t VALUES (3, '2024-03-03 00:00+00')",),
        query="SELECT id, at::text FROM §.t ORDER BY id",
        left=[
            (1, "2024-01-01 00:00:00"),
            (2, "2024-02-02 00:00:00"),
            (3, "2024-03-03 00:00:00"),
        ],
        again=("INSERT INTO §.t VALUES (30, '2024-04-04 00:00')",),
        green="SELECT (at AT TIME ZONE 'UTC')::text FROM §.t WHERE id = 30",
        arrived=[("2024-04-04 00:00:00",)],
    ),
    Change(
        "26m-split",
        blue=(
            "CREATE TABLE §.t (id int PRIMARY KEY, name text NOT NULL)",
            "INSERT INTO §.t VALUES (1, 'Ada Lovelace'), (2, 'Cher'), (3, 'x')",
        ),
        before=(
            "INSERT INTO §.t VALUES (10, 'Alan Turing')",
            "UPDATE §.t SET name = 'Grace Hopper' WHERE id = 2",
            "DELETE FROM §.t WHERE id = 3",
        ),
        after=(
            "INSERT INTO §.t (id, first, last) VALUES (20, 'Edsger', 'Dijkstra')",
            "UPDATE §.t SET last = 'King' WHERE id = 1",
            "DELETE FROM §.t WHERE id = 10",
        ),
        query="SELECT id, name FROM §.t ORDER BY id",
        left=[(1, "Ada King"), (2, "Grace Hopper"), (20, "Edsger Dijkstra")],
        again=("INSERT INTO §.t VALUES (30, 'Barbara Liskov')",),
        green="SELECT first, last FROM §.t WHERE id = 30",
        arrived=[("Barbara", "Liskov")],
        words={
            "mapping": {
                "§.t.first": {
                    "type": "text",
                    "forward": "split_part(name, ' ', 1)",
                    "reverse": {"name": "concat_ws(' ', first, nullif(last, ''))"},
                },
                "§.t.last": {"type": "text", "forward": "split_part(name, ' ', 2)"},
            }
        },
        contract="ALTER TABLE §.t DROP COLUMN name",
        contracted="SELECT count(*) = 3 FROM information_schema.columns"
        " WHERE table_schema = '§'",
        majors=(16,),
        bare="ALTER TABLE §.t ADD COLUMN first text, ADD COLUMN last text;"
        "UPDATE §.t SET first = split_part(name, ' ', 1),"
        " last = split_part(name, ' ', 2)",
    ),
)

CONSTRAINTS = (
    Change(
        "27-contract",
        contract="ALTER TABLE §.t ALTER COLUMN a SET NOT NULL",
        contracted="SELECT attnotnull FROM pg_attribute"
        " WHERE attrelid = '§.t'::regclass AND attname = 'a'",
    ),
    Change(
        "28-dropped-on-both",
        "ALTER TABLE §.t ALTER COLUMN a DROP NOT NULL",
        blue=("CREATE TABLE §.t (id int PRIMARY KEY, a text NOT NULL)", ROWS),
        after=(*NEW_WRITES, "INSERT INTO §.t (id) VALUES (21)"),
        left=[*LEFT, (21, None)],
        words={"expand_blue": ["§.t.a"]},
    ),
    Change(
        "29-contract",
        contract="ALTER TABLE §.t ADD CONSTRAINT filled CHECK (a <> '')",
        contracted="SELECT count(*) = 1 FROM pg_constraint"
        " WHERE conrelid = '§.t'::regclass AND contype = 'c'",
    ),
    Change(
        "30-contract",
        contract="CREATE UNIQUE INDEX CONCURRENTLY once ON §.t (a)",
        contracted="SELECT indisvalid FROM pg_index"
        " WHERE indexrelid = '§.once'::regclass",
    ),
    Change(
        "30-deferrable",
        "ALTER TABLE §.t ADD UNIQUE (a) DEFERRABLE INITIALLY DEFERRED",
        before=(
            *OLD_WRITES,
            (
                "UPDATE §.t SET a = CASE id WHEN 1 THEN 'zwei' ELSE 'one' END"
                " WHERE id IN (1, 2)"
            ),
            (
                "UPDATE §.t SET a = CASE id WHEN 1 THEN 'one' ELSE 'zwei' END"
                " WHERE id IN (1, 2)"
            ),
        ),
    ),
    Change(
        "31-contract",
        blue=(TABLE, ROWS, "CREATE TABLE §.child (id int PRIMARY KEY, t int)"),
        before=(*OLD_WRITES, "INSERT INTO §.child VALUES (1, 1), (2, 2)"),
        after=(*NEW_WRITES, "INSERT INTO §.child VALUES (3, 20)"),
        query="SELECT id, t FROM §.child ORDER BY id",
        left=[(1, 1), (2, 2), (3, 20)],
        contract="ALTER TABLE §.child ADD CONSTRAINT fk FOREIGN KEY (t)"
        " REFERENCES §.t NOT VALID;\nALTER TABLE §.child VALIDATE CONSTRAINT fk",
        contracted="SELECT convalidated FROM pg_constraint WHERE conname = 'fk'"
        " AND conrelid = '§.child'::regclass",
    ),
    Change(
        "32-contract",
        "CREATE TABLE §.fresh (id int PRIMARY KEY, t int)",
        before=(
            "TRUNCATE §.t",
            "INSERT INTO §.t VALUES (1, 'one'), (2, 'zwei'), (10, 'ten')",
        ),
        after=(*NEW_WRITES, "INSERT INTO §.fresh VALUES (1, 1)"),
        contract="ALTER TABLE §.fresh ADD FOREIGN KEY (t) REFERENCES §.t",
        contracted="SELECT count(*) = 1 FROM pg_constraint"
        " WHERE conrelid = '§.fresh'::regclass AND contype = 'f'",
        loses=["reverse/LOSSY/table-left-out/§.fresh"],
    ),
    Change(
        "33-dropped-on-both",
        "ALTER TABLE §.t DROP CONSTRAINT short; DROP INDEX §.once",
        blue=(
            (
                "CREATE TABLE §.t (id int PRIMARY KEY, a text,"
                " CONSTRAINT short CHECK (length(a) < 7))"
            ),
            "CREATE UNIQUE INDEX once ON §.t (a)",
            ROWS,
        ),
        after=(*NEW_WRITES, "INSERT INTO §.t VALUES (21, 'zwei'), (22, 'too long')"),
        left=[*LEFT, (21, "zwei"), (22, "too long")],
        words={"expand_blue": ["§.t.short", "§.t.once"]},
    ),
    Change(
        "34-dropped-on-both",
        "ALTER TABLE §.child DROP CONSTRAINT fk",
        blue=(
            TABLE,
            ROWS,
            (
                "CREATE TABLE §.child (id int PRIMARY KEY, t int,"
                " CONSTRAINT fk FOREIGN KEY (t) REFERENCES §.t)"
            ),
        ),
        before=(*OLD_WRITES, "INSERT INTO §.child VALUES (1, 1), (2, 2)"),
        after=(
            *NEW_WRITES,
            "INSERT INTO §.child VALUES (3, 99)",
            "DELETE FROM §.t WHERE id = 20",
            "INSERT INTO §.t VALUES (20, 'twenty')",
        ),
        query="SELECT id, t FROM §.child ORDER BY id",
        left=[(1, 1), (2, 2), (3, 99)],
        words={"expand_blue": ["§.child.fk"]},
    ),
)

KEYS = (
    Change(
        "35-key-dropped",
        "ALTER TABLE §.t DROP CONSTRAINT t_pkey",
    ),
    Change(
        "35-key-deferrable",
        "ALTER TABLE §.t DROP CONSTRAINT t_pkey;"
        "ALTER TABLE §.t ADD PRIMARY KEY (id) DEFERRABLE",
    ),
    Change(
        "35-index-swapped",
        "CREATE UNIQUE INDEX second ON §.t (id); DROP INDEX §.first",
        blue=(
            "CREATE TABLE §.t (id int NOT NULL, a text)",
            "CREATE UNIQUE INDEX first ON §.t (id)",
            "ALTER TABLE §.t REPLICA IDENTITY USING INDEX first",
            ROWS,
        ),
    ),
    Change(
        "36-key-moved",
        "ALTER TABLE §.t ADD COLUMN uid uuid NOT NULL DEFAULT gen_random_uuid();"
        "ALTER TABLE §.t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (uid)",
        majors=(16,),
        loses=["reverse/LOSSY/column-left-out/§.t"],
    ),
    Change(
        "36-int-to-uuid-by-map",
        "CREATE TABLE §.ids (id int PRIMARY KEY, uid uuid NOT NULL UNIQUE"
        " DEFAULT gen_random_uuid());"
        "CREATE FUNCTION §.uid_of(wanted int) RETURNS uuid LANGUAGE plpgsql"
        " SET search_path = pg_catalog, pg_temp AS $$ BEGIN"
        " INSERT INTO §.ids (id) VALUES (wanted) ON CONFLICT DO NOTHING;"
        " RETURN (SELECT uid FROM §.ids WHERE id = wanted); END $$;"
        "CREATE FUNCTION §.id_of(wanted uuid, given int) RETURNS int LANGUAGE plpgsql"
        " SET search_path = pg_catalog, pg_temp AS $$ BEGIN"
        " INSERT INTO §.ids SELECT given, wanted WHERE given IS NOT NULL"
        " ON CONFLICT DO NOTHING;"
        " SELECT id INTO STRICT given FROM §.ids WHERE uid = wanted;"
        " RETURN given; END $$",
        blue=(
            (
                "CREATE TABLE §.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
                " a text)"
            ),
            "CREATE TABLE §.child (id int PRIMARY KEY, t int REFERENCES §.t)",
            "INSERT INTO §.t (a) VALUES ('one'), ('two'), ('three')",
            "INSERT INTO §.child VALUES (1, 1), (2, NULL)",
        ),
        before=(
            "INSERT INTO §.t (a) VALUES ('four')",
            "INSERT INTO §.child VALUES (3, 4)",
            "UPDATE §.child SET t = 3 WHERE id = 2",
        ),
        after=(
            (
                "INSERT INTO §.t (uid, a)"
                " VALUES ('00000000-0000-0000-0000-000000000005', 'five')"
            ),
            (
                "INSERT INTO §.child (id, t_uid)"
                " VALUES (4, '00000000-0000-0000-0000-000000000005')"
            ),
            (
                "UPDATE §.child SET t_uid = (SELECT uid FROM §.t WHERE a = 'two')"
                " WHERE id = 1"
            ),
            "UPDATE §.t SET a = 'EINS' WHERE a = 'one'",
        ),
        query="SELECT c.id, t.id, a FROM §.child c JOIN §.t t ON t.id = c.t ORDER BY 1",
        left=[(1, 2, "two"), (2, 3, "three"), (3, 4, "four"), (4, 5, "five")],
        again=(
            "INSERT INTO §.t (a) VALUES ('six')",
            "INSERT INTO §.child VALUES (6, 6), (7, 5)",
        ),
        green="SELECT c.id, a, t.uid = i.uid FROM §.child c JOIN §.t ON t.uid = c.t_uid"
        " JOIN §.ids i ON i.id = t.id WHERE c.id > 4 ORDER BY 1",
        arrived=[(6, "six", True), (7, "five", True)],
        words={
            "mapping": {
                "§.t.uid": {
                    "type": "uuid",
                    "forward": "§.uid_of(id)",
                    "reverse": "§.id_of(uid, id)",
                },
                "§.child.t_uid": {
                    "type": "uuid",
                    "forward": "CASE WHEN t IS NOT NULL THEN §.uid_of(t) END",
                    "reverse": "CASE WHEN t_uid IS NOT NULL"
                    " THEN §.id_of(t_uid, NULL) END",
                },
            }
        },
        loses=["reverse/LOSSY/table-left-out/§.ids"],
        contract="ALTER TABLE §.child DROP COLUMN t;\n"
        "ALTER TABLE §.t ALTER COLUMN uid SET NOT NULL, DROP COLUMN id,"
        " ADD PRIMARY KEY (uid)",
        contracted="SELECT indisprimary AND indnatts = 1 FROM pg_index"
        " WHERE indexrelid = '§.t_pkey'::regclass AND NOT EXISTS (SELECT FROM"
        " pg_attribute WHERE attrelid = indrelid AND attname = 'id')",
        majors=(16,),
    ),
    Change(
        "36-key-widened",
        "ALTER TABLE §.t ALTER COLUMN a SET NOT NULL;"
        "ALTER TABLE §.t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id, a)",
    ),
    Change(
        "37-key-narrowed",
        "ALTER TABLE §.t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id)",
        blue=(
            "CREATE TABLE §.t (id int, a text, b int DEFAULT 7, PRIMARY KEY (id, b))",
            "INSERT INTO §.t (id, a) VALUES (1, 'one'), (2, 'two'), (3, 'three')",
        ),
        before=("INSERT INTO §.t (id, a) VALUES (10, 'ten')", *OLD_WRITES[1:]),
        again=("INSERT INTO §.t (id, a) VALUES (30, 'thirty')",),
    ),
    Change(
        "38-key-added",
        "ALTER TABLE §.t ADD PRIMARY KEY (id)",
        blue=("CREATE TABLE §.t (id int, a text)", ROWS),
        replicate={"identity_full": ["§.t"]},
    ),
    Change(
        "39-surrogate-key",
        "ALTER TABLE §.t ADD COLUMN own bigint GENERATED ALWAYS AS IDENTITY;"
        "ALTER TABLE §.t ADD PRIMARY KEY (own)",
        blue=(
            "CREATE TABLE §.t (id int NOT NULL, a text)",
            "CREATE UNIQUE INDEX natural_key ON §.t (id)",
            ROWS,
        ),
        replicate={"identity_index": ["§.natural_key"]},
        majors=(16,),
        loses=["reverse/LOSSY/column-left-out/§.t"],
    ),
    Change(
        "40-keyless-with-more-columns",
        "ALTER TABLE §.t ADD COLUMN n text DEFAULT 'd'",
        blue=(
            "CREATE TABLE §.t (id int NOT NULL, a text)",
            "CREATE UNIQUE INDEX natural_key ON §.t (id)",
            ROWS,
        ),
        replicate={"identity_index": ["§.natural_key"]},
        majors=(16,),
        loses=["reverse/LOSSY/column-left-out/§.t"],
    ),
    Change(
        "41-new-table-without-key",
        "CREATE TABLE §.loose (x int)",
        after=(
            *NEW_WRITES,
            "INSERT INTO §.loose VALUES (1)",
            "UPDATE §.loose SET x = 2",
            "DELETE FROM §.loose",
        ),
        loses=["reverse/LOSSY/table-left-out/§.loose"],
    ),
)

TABLES = (
    Change(
        "42-dropped-table",
        "DROP TABLE §.gone",
        blue=(
            TABLE,
            ROWS,
            "CREATE TABLE §.gone (id int PRIMARY KEY)",
        ),
        before=(*OLD_WRITES, "INSERT INTO §.gone VALUES (1)"),
        query="SELECT (SELECT count(*) FROM §.t), id FROM §.gone",
        left=[(3, 1)],
        again=("INSERT INTO §.t VALUES (30, 'thirty')", "DELETE FROM §.gone"),
    ),
    Change(
        "43-new-table-stays",
        "CREATE TABLE §.fresh (id int PRIMARY KEY)",
        after=(*NEW_WRITES, "INSERT INTO §.fresh VALUES (1)"),
        loses=["reverse/LOSSY/table-left-out/§.fresh"],
    ),
    Change(
        "43-shell",
        "CREATE TABLE §.fresh (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " what text NOT NULL, t int REFERENCES §.t)",
        after=(
            *NEW_WRITES,
            "INSERT INTO §.fresh (what, t) VALUES ('w', 1), ('x', 20)",
            "UPDATE §.fresh SET what = 'v' WHERE t = 1",
        ),
        query="SELECT id, what, t FROM §.fresh ORDER BY id",
        left=[(1, "v", 1), (2, "x", 20)],
        words={"expand_blue": ["§.fresh"]},
    ),
    Change(
        "44a-renamed",
        "ALTER TABLE §.t RENAME TO items",
        after=(
            "INSERT INTO §.items (id, a) VALUES (20, 'twenty')",
            "UPDATE §.items SET a = 'ONE' WHERE id = 1",
            "DELETE FROM §.items WHERE id = 10",
        ),
        green="SELECT a FROM §.items WHERE id = 30",
        words={"renamed": {"§.t": "§.items"}},
        contracted="SELECT to_regclass('§.t') IS NULL AND relkind = 'r'"
        " AND NOT relispartition FROM pg_class WHERE oid = '§.items'::regclass",
    ),
    Change(
        "45-swapped",
        "CREATE TABLE §.u (a text, id int PRIMARY KEY);"
        "INSERT INTO §.u SELECT a, id FROM §.t; DROP TABLE §.t;"
        "ALTER TABLE §.u RENAME TO t",
    ),
    Change(
        "46-partitioned",
        "ALTER TABLE §.t RENAME TO u;"
        "CREATE TABLE §.t (id int PRIMARY KEY, a text) PARTITION BY RANGE (id);"
        "CREATE TABLE §.low PARTITION OF §.t FOR VALUES FROM (0) TO (15);"
        "CREATE TABLE §.high PARTITION OF §.t FOR VALUES FROM (15) TO (1000);"
        "INSERT INTO §.t TABLE §.u; DROP TABLE §.u",
    ),
    Change(
        "47-partitioned-by-another",
        "ALTER TABLE §.t RENAME TO u;"
        "CREATE TABLE §.t (id int, a text NOT NULL, PRIMARY KEY (id, a))"
        " PARTITION BY HASH (a);"
        "CREATE TABLE §.p0 PARTITION OF §.t FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE §.p1 PARTITION OF §.t FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "INSERT INTO §.t TABLE §.u; DROP TABLE §.u",
        replicate={"identity_full": ["§.t"]},
    ),
    Change(
        "48-made-plain",
        "CREATE TABLE §.u (id int PRIMARY KEY, a text);"
        "INSERT INTO §.u TABLE §.t; DROP TABLE §.t; ALTER TABLE §.u RENAME TO t",
        blue=(
            "CREATE TABLE §.t (id int PRIMARY KEY, a text) PARTITION BY RANGE (id)",
            "CREATE TABLE §.low PARTITION OF §.t FOR VALUES FROM (0) TO (15)",
            "CREATE TABLE §.high PARTITION OF §.t FOR VALUES FROM (15) TO (1000)",
            ROWS,
        ),
        replicate={"through_root": ["§.t"]},
    ),
    Change(
        "50-child-by-inheritance",
        "CREATE TABLE §.child (more text) INHERITS (§.t)",
        after=(*NEW_WRITES, "INSERT INTO §.child VALUES (99, 'of the child', 'm')"),
        loses=["reverse/LOSSY/table-left-out/§.child"],
    ),
    Change(
        "51-views-and-indexes",
        "CREATE VIEW §.v AS SELECT id FROM §.t; CREATE INDEX ON §.t (a);"
        "CREATE MATERIALIZED VIEW §.m AS SELECT count(*) FROM §.t",
    ),
    Change(
        "53-split-table",
        "CREATE TABLE §.part (id int PRIMARY KEY, a text);"
        "CREATE FUNCTION §.part() RETURNS trigger LANGUAGE plpgsql"
        " SET search_path = pg_catalog, pg_temp AS $$ BEGIN"
        " IF TG_OP = 'DELETE' THEN DELETE FROM §.part WHERE id = OLD.id; ELSE"
        " INSERT INTO §.part VALUES (NEW.id, NEW.a)"
        " ON CONFLICT (id) DO UPDATE SET a = excluded.a; END IF; RETURN NULL; END $$;"
        "CREATE TRIGGER part AFTER INSERT OR UPDATE OR DELETE ON §.t FOR EACH ROW"
        " EXECUTE FUNCTION §.part(); ALTER TABLE §.t ENABLE ALWAYS TRIGGER part;"
        "INSERT INTO §.part SELECT id, a FROM §.t",
        green="SELECT a FROM §.part WHERE id IN (2, 3, 30) ORDER BY id",
        arrived=[("zwei",), ("thirty",)],
        loses=["reverse/LOSSY/table-left-out/§.part"],
    ),
    Change(
        "58-enum-label",
        "ALTER TYPE §.mood ADD VALUE 'glad' BEFORE 'sad'",
        blue=(
            "CREATE TYPE §.mood AS ENUM ('sad')",
            "CREATE TABLE §.t (id int PRIMARY KEY, a §.mood)",
            "INSERT INTO §.t VALUES (1, 'sad')",
        ),
        before=("INSERT INTO §.t VALUES (2, 'sad')",),
        after=("UPDATE §.t SET a = 'glad' WHERE id = 1",),
        query="SELECT id, a::text FROM §.t ORDER BY id",
        left=[(1, "glad"), (2, "sad")],
        again=("INSERT INTO §.t VALUES (30, 'sad')",),
        green="SELECT a::text FROM §.t WHERE id = 30",
        arrived=[("sad",)],
        words={"expand_blue": ["§.mood"]},
    ),
    Change(
        "62-backfill-of-derived",
        words={"mapping": {"§.t.n": {"type": "int", "forward": "length(a)"}}},
        green="SELECT id, n FROM §.t WHERE id IN (1, 2, 30) ORDER BY id",
        arrived=[(1, 3), (2, 4), (30, 6)],
        majors=(16,),
        bare="ALTER TABLE §.t ADD COLUMN n int;UPDATE §.t SET n = length(a)",
    ),
    Change(
        "66-sequences",
        "ALTER TABLE §.t ADD COLUMN more text",
        blue=(
            (
                "CREATE TABLE §.t (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,"
                " a text)"
            ),
            "INSERT INTO §.t (a) VALUES ('one')",
        ),
        before=("INSERT INTO §.t (a) VALUES ('two')",),
        after=("INSERT INTO §.t (a) VALUES ('three')",),
        left=[(1, "one"), (2, "two"), (3, "three")],
        again=("INSERT INTO §.t (a) VALUES ('thirty')",),
        green="SELECT id, a FROM §.t WHERE a = 'thirty'",
        arrived=[(4, "thirty")],
        majors=(16,),
        loses=["reverse/LOSSY/column-left-out/§.t"],
    ),
    Change(
        "67-counted-bookkeeping",
        "INSERT INTO §.django_migrations (name) VALUES ('two'), ('three')",
        blue=(
            TABLE,
            ROWS,
            (
                "CREATE TABLE §.django_migrations (id int GENERATED BY DEFAULT AS"
                " IDENTITY PRIMARY KEY, name text)"
            ),
            "INSERT INTO §.django_migrations (name) VALUES ('one')",
        ),
        after=(
            *NEW_WRITES,
            "INSERT INTO §.django_migrations (name) VALUES ('four')",
        ),
        query="SELECT id, name FROM §.django_migrations",
        left=[(1, "one")],
        green="SELECT id, name FROM §.django_migrations ORDER BY id",
        arrived=[(1, "one"), (2, "two"), (3, "three"), (4, "four")],
    ),
    Change(
        "67-bookkeeping",
        "INSERT INTO §.schema_migrations VALUES (2, 'f')",
        blue=(
            TABLE,
            ROWS,
            "CREATE TABLE §.schema_migrations (version bigint PRIMARY KEY, dirty bool)",
            "INSERT INTO §.schema_migrations VALUES (1, 'f')",
        ),
        before=(*OLD_WRITES, "UPDATE §.schema_migrations SET dirty = 't'"),
        after=(
            *NEW_WRITES,
            "TRUNCATE §.schema_migrations",
            "INSERT INTO §.schema_migrations VALUES (3, 'f')",
        ),
        query="SELECT version, dirty FROM §.schema_migrations",
        left=[(1, True)],
        green="SELECT version, dirty FROM §.schema_migrations",
        arrived=[(3, False)],
    ),
)

CHANGES = (*COLUMNS, *TYPES, *CONSTRAINTS, *KEYS, *TABLES)
