"""The fence's state and routines inside a database, as SQL. Nothing else.

Owns where the state is kept and what a trigger asks. Making, closing and reading the
fence is in `fence.py`; `postgres/journal/own_schema.py` installs what stands here.

The state is one flag of ours and not the triggers' own: the triggers stay enabled on
the side that serves too, and each write asks. So closing and opening take one step for
any number of tables, and `ALTER TABLE … ENABLE TRIGGER ALL` by an application, which
bulk loads and test suites send, shuts nothing.

- `closed` is a sequence: it is read outside MVCC, so that a REPEATABLE READ transaction
  from before the closing sees it too.
- `fence.opened` is a row: it changes in the transaction of the commit point. The side
  is shut while `closed` is above it. Both only grow.
- `gate` is an empty table: each write holds ROW EXCLUSIVE on it until its transaction
  ends, and closing takes EXCLUSIVE for a moment. So closing waits for every transaction
  that wrote, prepared ones included, and a later one waits for the closing. ROW
  EXCLUSIVE takes the fast path of the lock manager, which an advisory lock does not
  ("Fast Path Locking" in PostgreSQL's lmgr/README), and no stranger can take it.
  pg_dump's ACCESS SHARE holds nothing up.

Names are qualified, operators too, and there is no SET search_path: setting it for each
write took a tenth of the throughput of one-row updates.
"""

from __future__ import annotations

STATE = """
DO $$
BEGIN
    IF pg_catalog.to_regclass('bluegreen.fence') IS NOT NULL THEN
        RETURN;
    END IF;
    CREATE TABLE bluegreen.fence (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        opened bigint NOT NULL DEFAULT 0,
        closed_by xid8
    );
    COMMENT ON TABLE bluegreen.fence IS
        'The side refuses writes while the sequence bluegreen.closed is above opened.';
    INSERT INTO bluegreen.fence DEFAULT VALUES;
    CREATE SEQUENCE bluegreen.closed MINVALUE 0 START 0;
    CREATE TABLE bluegreen.gate ();
    COMMENT ON TABLE bluegreen.gate IS 'Always empty; writers and the fence lock it.';
    PERFORM pg_catalog.setval('bluegreen.closed', 0);
    -- Up to version 3 a side was shut by enabling the triggers themselves.
    IF EXISTS (SELECT FROM pg_catalog.pg_trigger
               WHERE tgname OPERATOR(pg_catalog.=) 'bluegreen_fence'
                 AND tgenabled OPERATOR(pg_catalog.<>) 'D') THEN
        PERFORM pg_catalog.setval('bluegreen.closed', 1);
        UPDATE bluegreen.fence SET closed_by = pg_catalog.pg_current_xact_id();
    END IF;
END $$;
"""

ROUTINES = """
CREATE OR REPLACE FUNCTION bluegreen.refuse_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    held text;
    me bluegreen.identity;
BEGIN
    LOCK TABLE bluegreen.gate IN ROW EXCLUSIVE MODE;
    IF (SELECT c.last_value OPERATOR(pg_catalog.<=) f.opened
        FROM bluegreen.closed c, bluegreen.fence f) THEN
        RETURN NULL;
    END IF;
    held := pg_catalog.current_setting('bluegreen.pass', true);
    SELECT * INTO me FROM bluegreen.identity;
    IF held OPERATOR(pg_catalog.<>) '' AND me.pass OPERATOR(pg_catalog.=)
        pg_catalog.sha256(pg_catalog.convert_to(held, 'UTF8')) THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '%.% refuses writes: this database is % and does not serve now',
        TG_TABLE_SCHEMA, TG_TABLE_NAME, me.side
    USING ERRCODE = '25006',
        HINT = 'Connect again through the pooler or the service name; '
               '"bluegreen status" tells which side serves.';
END $$;

CREATE OR REPLACE PROCEDURE bluegreen.set_fence(closed boolean)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF closed THEN
        LOCK TABLE bluegreen.gate IN EXCLUSIVE MODE;
        PERFORM setval('bluegreen.closed', f.opened + 1) FROM bluegreen.fence f;
        UPDATE bluegreen.fence SET closed_by = pg_current_xact_id();
    ELSE
        UPDATE bluegreen.fence
        SET opened = (SELECT last_value FROM bluegreen.closed), closed_by = NULL;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION bluegreen.who_am_i()
RETURNS TABLE (side text, id uuid, takes_writes boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT i.side, i.id, c.last_value <= f.opened OR EXISTS (
        SELECT FROM pg_trigger t
        WHERE t.tgname = 'bluegreen_fence' AND t.tgenabled NOT IN ('O', 'A'))
    FROM bluegreen.identity i, bluegreen.fence f, bluegreen.closed c
$$;
"""
