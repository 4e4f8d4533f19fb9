"""Rules about triggers, views, functions, domains, rights and replica identity."""

from __future__ import annotations

from bluegreen.lint.rule import Rule, on
from bluegreen.lint.tracking.state import State
from bluegreen.model.finding import Severity
from bluegreen.sql.builtin_functions import STABLE, VOLATILE
from bluegreen.sql.expressions import columns
from bluegreen.sql.ops import Kind, Name, Op
from bluegreen.sql.search_path import same_name

_OBJECTS = frozenset(
    {
        *("view", "materialized view", "function", "procedure", "type", "sequence"),
        *("domain", "extension", "trigger", "policy", "rule", "aggregate"),
        *("routine", "operator", "cast", "collation", "foreign server"),
        *("publication", "event trigger", "language"),
    }
)


def _drop_object(op: Op, state: State) -> str | None:
    if op.what not in _OBJECTS:
        return None
    on_table = op.what in ("trigger", "policy", "rule")
    if on_table and not state.filled(op.table):
        return None
    if _comes_back(op, state):
        return None
    name = op.name if on_table else op.table
    return f"clients may still count on {op.what} {name}"


def _comes_back(op: Op, state: State) -> bool:
    """Whether the same transaction makes again what is dropped: no client notices.

    A DO block is one statement, and so one transaction even where none is open.
    """
    statement = state.statement
    for later in state.later(op):
        if later.kind in (Kind.COMMIT, Kind.ROLLBACK):
            return False
        within = op.inside and statement is not None and later.at < statement.end
        if state.transaction is None and not within:
            return False
        if _makes(later, op):
            return True
    return False


_MADE_BY: dict[str, frozenset[Kind]] = {
    "view": on(Kind.CREATE_VIEW),
    "materialized view": on(Kind.CREATE_TABLE_AS),
    "sequence": on(Kind.CREATE_SEQUENCE),
    "domain": on(Kind.CREATE_DOMAIN),
    "type": on(Kind.CREATE_ENUM, Kind.OTHER),
    "trigger": on(Kind.CREATE_TRIGGER),
    "policy": on(Kind.CREATE_POLICY),
    "rule": on(Kind.CREATE_RULE),
    **dict.fromkeys(("function", "procedure", "routine"), on(Kind.CREATE_FUNCTION)),
}


def _makes(later: Op, dropped: Op) -> bool:
    """Whether an op makes a thing of the name and sort that another drops."""
    if later.kind not in _MADE_BY.get(dropped.what, ()):
        return False
    if later.kind is Kind.CREATE_FUNCTION:
        schema, _, name = later.name.rpartition(".")
        alike = later.names == dropped.names or "any_arguments" in dropped.flags
        return alike and same_name(Name(schema, name), dropped.table)
    return later.name == dropped.name and same_name(later.table, dropped.table)


def _create_trigger(op: Op, state: State) -> str | None:
    if not state.filled(op.table):
        return None
    return f"CREATE TRIGGER takes SHARE ROW EXCLUSIVE on {op.table}: writes wait"


def _drop_trigger(op: Op, state: State) -> str | None:
    if op.what != "trigger" or not state.filled(op.table):
        return None
    return f"DROP TRIGGER takes ACCESS EXCLUSIVE on {op.table}"


def _disable_trigger(op: Op, _state: State) -> str | None:
    if op.value != "disable":
        return None
    if op.name == "all":
        return "DISABLE TRIGGER ALL switches foreign keys off, and orphans come in"
    if op.name == "user":
        return f"no trigger of {op.table} fires: what they kept is no longer kept"
    return f"{op.name} no longer fires: what it kept is no longer kept"


def _domain(op: Op, state: State) -> str | None:
    if op.constraint is None or not op.constraint.valid:
        return None
    if state.knowledge.whole and not state.effect.scan:
        return None
    users = ", ".join(map(str, state.effect.scan))
    return f"every table with the domain is read under SHARE: {users or 'not known'}"


def _domain_not_null(op: Op, state: State) -> str | None:
    if op.what != "set not null":
        return None
    if state.knowledge.whole and not state.effect.scan:
        return None
    return f"every table with {op.table} is read under SHARE"


def _replaced(op: Op, _state: State) -> str | None:
    if "replace" not in op.flags:
        return None
    sort = {Kind.CREATE_VIEW: "view", Kind.CREATE_TRIGGER: "trigger"}
    return f"both releases get the new {sort.get(op.kind, 'function')} at once"


def _held_by_view(op: Op, state: State) -> str | None:
    """A view or generated column for which PostgreSQL refuses the change."""
    if op.table is None or "cascade" in op.flags:
        return None
    if op.kind is Kind.DROP:
        views = state.views_on(op.table) if op.what in _DROPPED_UNDER else []
        return f"view {views[0]} is made of {op.table}" if views else None
    if views := state.views_on(op.table, op.name):
        return f"view {views[0]} is made of {op.table}.{op.name}"
    known = state.table(op.table)
    for column in known.columns.values() if known else ():
        if column.generated and op.name in columns(column.expr):
            return f"generated column {column.name} is made of {op.name}"
    return None


_DROPPED_UNDER = frozenset({"table", "view", "materialized view", "foreign table"})


def _calls(op: Op, state: State) -> str | None:
    if op.kind is Kind.CALL:
        return "what the procedure does is not read"
    strange = set(op.names) - STABLE - VOLATILE - _AGGREGATES - state.stable
    if not strange:
        return None
    return f"what {sorted(strange)[0]}() does is not read"


_AGGREGATES = frozenset(
    {
        *("count", "sum", "min", "max", "avg", "array_agg", "string_agg", "bool_and"),
        *("bool_or", "json_agg", "jsonb_agg", "unnest", "generate_series"),
        *("row_number", "rank", "dense_rank", "lag", "lead", "first_value"),
    }
)


def _made_again(op: Op, state: State) -> str | None:
    if op.table is None or op.table.key not in state.file.dropped_tables:
        return None
    return f"{op.table} is dropped and made again: its rows are lost"


def _rights(op: Op, _state: State) -> str | None:
    return f"{op.kind.replace('_', ' ')} changes who may do what, for both releases"


def _identity(op: Op, _state: State) -> str | None:
    sort = {"n": "NOTHING", "f": "FULL", "i": f"index {op.name}"}.get(
        op.value, "DEFAULT"
    )
    return f"{op.table} now sends {sort} as the key of its UPDATEs and DELETEs"


def _drop_key(op: Op, state: State) -> str | None:
    if op.table is None or not state.filled(op.table):
        return None
    found = state.constraint(op.table, op.name)
    if found is None or found.kind != "primary":
        return None
    return f"{op.table} loses its primary key: a publisher refuses UPDATE and DELETE"


def _execute(op: Op, _state: State) -> str | None:
    if op.what == "unread":
        return "the DO block could not be read"
    return "EXECUTE builds SQL at run time, which cannot be checked beforehand"


RULES = (
    Rule(
        id="drop-object",
        name="A view, function, type, sequence, domain or trigger is dropped",
        severity=Severity.WARNING,
        kinds=on(Kind.DROP),
        condition=_drop_object,
        effect="ACCESS EXCLUSIVE on the table of a trigger, policy or rule.",
        why="Clients of the release before still use it.",
        workaround="Drop it in a contract step, once no release uses it.",
        bad="DROP VIEW note_count;",
        good="CREATE VIEW note_total AS SELECT 1;",
    ),
    Rule(
        id="create-trigger",
        name="CREATE TRIGGER on a table in use",
        severity=Severity.INFO,
        kinds=on(Kind.CREATE_TRIGGER),
        condition=_create_trigger,
        effect="SHARE ROW EXCLUSIVE on the table, short, all versions.",
        why="Writes wait while the lock is waited for.",
        workaround="A short lock_timeout and retries.",
        bad="CREATE TRIGGER keep BEFORE INSERT ON note FOR EACH ROW "
        "EXECUTE FUNCTION f();",
        good="CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RETURN NEW; END';",
        off=True,
    ),
    Rule(
        id="drop-trigger",
        name="DROP TRIGGER on a table in use",
        severity=Severity.INFO,
        kinds=on(Kind.DROP),
        condition=_drop_trigger,
        effect="ACCESS EXCLUSIVE on the table, all versions.",
        why="Reads wait as well, unlike for CREATE TRIGGER.",
        workaround="A short lock_timeout and retries; DISABLE TRIGGER stops "
        "only writes.",
        bad="DROP TRIGGER keep ON note;",
        good="ALTER TABLE note ENABLE TRIGGER keep;",
        also=frozenset({"drop-object"}),
        off=True,
    ),
    Rule(
        id="disable-trigger",
        name="Triggers are disabled",
        severity=Severity.CRITICAL,
        kinds=on(Kind.TRIGGER_STATE),
        condition=_disable_trigger,
        effect="SHARE ROW EXCLUSIVE on the table, for all sessions until "
        "enabled again.",
        why="ALL means foreign keys too: never disabled, or orphans come in unseen.",
        workaround="Leave them on; a session that must pass sets what the "
        "trigger reads.",
        bad="ALTER TABLE note DISABLE TRIGGER ALL;",
        good="ALTER TABLE note ENABLE TRIGGER ALL;",
    ),
    Rule(
        id="domain-constraint",
        name="A constraint is added to a domain in use",
        severity=Severity.WARNING,
        kinds=on(Kind.DOMAIN_ADD_CONSTRAINT),
        condition=_domain,
        effect="SHARE on every table with the domain, and a scan of each.",
        why="Writes to all of them wait.",
        workaround="ALTER DOMAIN … ADD … NOT VALID takes no lock; VALIDATE later.",
        bad="ALTER DOMAIN email ADD CONSTRAINT short CHECK (length(VALUE) < 99);",
        good="ALTER DOMAIN email ADD CONSTRAINT short CHECK (length(VALUE) < 99) "
        "NOT VALID;",
    ),
    Rule(
        id="domain-not-null",
        name="A domain in use becomes NOT NULL",
        severity=Severity.WARNING,
        kinds=on(Kind.DOMAIN_OTHER),
        condition=_domain_not_null,
        effect="SHARE on every table with the domain, and a scan of each.",
        why="Writes to all of them wait, and outer joins may still give NULL.",
        workaround="NOT NULL on the columns, each by proof.",
        bad="ALTER DOMAIN email SET NOT NULL;",
        good="ALTER DOMAIN email DROP NOT NULL;",
    ),
    Rule(
        id="replaced-in-place",
        name="A view, function or trigger is replaced",
        severity=Severity.INFO,
        kinds=on(Kind.CREATE_VIEW, Kind.CREATE_FUNCTION, Kind.CREATE_TRIGGER),
        condition=_replaced,
        effect="ACCESS EXCLUSIVE on a view; none on tables for a function.",
        why="The release before meets the new behaviour without having asked for it.",
        workaround="A new name for new behaviour; drop the old one later.",
        bad="CREATE OR REPLACE VIEW note_count AS SELECT 1;",
        good="CREATE VIEW note_total AS SELECT 1;",
        off=True,
    ),
    Rule(
        id="held-by-view",
        name="A view or generated column holds what is changed or dropped",
        severity=Severity.CRITICAL,
        kinds=on(Kind.ALTER_TYPE, Kind.DROP_COLUMN, Kind.DROP),
        condition=_held_by_view,
        effect="None: PostgreSQL refuses it with SQLSTATE 0A000 or 2BP01.",
        why="The migration fails at this statement.",
        workaround="Drop the view first and make it again afterwards, in one "
        "transaction; or leave the column and add another.",
        known="CREATE TABLE note (id bigint, slug varchar(20));\n"
        "CREATE VIEW note_slug AS SELECT slug FROM note;",
        bad="ALTER TABLE note ALTER COLUMN slug TYPE text;",
        good="ALTER TABLE note ADD COLUMN slug_next text;",
    ),
    Rule(
        id="table-made-again",
        name="A table is dropped and made again under the same name",
        severity=Severity.CRITICAL,
        kinds=on(Kind.CREATE_TABLE, Kind.CREATE_TABLE_AS),
        condition=_made_again,
        effect="ACCESS EXCLUSIVE; the rows are gone.",
        why="Every row is lost, and clients meet an empty table without an error.",
        workaround="Change the table that is there, or take a new name.",
        bad="DROP TABLE IF EXISTS note;\nCREATE TABLE note (id bigint PRIMARY KEY);",
        good="CREATE TABLE IF NOT EXISTS note (id bigint PRIMARY KEY);",
        also=frozenset({"drop-table"}),
    ),
    Rule(
        id="opaque-call",
        name="A function or procedure of your own is called",
        severity=Severity.INFO,
        kinds=on(Kind.CALL, Kind.SELECT),
        condition=_calls,
        effect="Unknown.",
        why="It may lock, rewrite or delete anything, and the file does not show it.",
        workaround="Write the statements out, or ignore this with what it does.",
        bad="SELECT rebuild_everything();",
        good="SELECT lower('A');",
        off=True,
    ),
    Rule(
        id="rights-change",
        name="Rights, roles, policies or ownership change",
        severity=Severity.INFO,
        kinds=on(Kind.ACCESS, Kind.ROW_SECURITY, Kind.CREATE_POLICY, Kind.OWNER),
        condition=_rights,
        effect="ACCESS EXCLUSIVE for policies, row security and ownership.",
        why="Clients, or an apply worker that is no superuser, may be refused.",
        workaround="Grant before, revoke in a contract step.",
        bad="ALTER TABLE note ENABLE ROW LEVEL SECURITY;",
        good="ALTER TABLE note ADD COLUMN owner text;",
        off=True,
    ),
    Rule(
        id="replica-identity",
        name="The replica identity changes",
        severity=Severity.WARNING,
        kinds=on(Kind.REPLICA_IDENTITY),
        condition=_identity,
        effect="ACCESS EXCLUSIVE, short.",
        why="Subscribers that look rows up by the old key stop or skip changes, and "
        "NOTHING makes the publisher refuse UPDATE and DELETE.",
        workaround="Have an index on the new key on both sides first.",
        bad="ALTER TABLE note REPLICA IDENTITY NOTHING;",
        good="CREATE UNIQUE INDEX CONCURRENTLY note_key ON note (id);",
    ),
    Rule(
        id="primary-key-dropped",
        name="A primary key is dropped",
        severity=Severity.CRITICAL,
        kinds=on(Kind.DROP_CONSTRAINT),
        condition=_drop_key,
        effect="ACCESS EXCLUSIVE, short.",
        why="Without a replica identity a publisher's UPDATE and DELETE fail.",
        workaround="REPLICA IDENTITY USING another unique index first.",
        known="CREATE TABLE note (id bigint PRIMARY KEY);",
        bad="ALTER TABLE note DROP CONSTRAINT note_pkey;",
        good="CREATE UNIQUE INDEX CONCURRENTLY note_key ON note (id);",
        also=frozenset({"drop-constraint"}),
    ),
    Rule(
        id="dynamic-sql",
        name="A DO block builds its SQL at run time",
        severity=Severity.WARNING,
        kinds=on(Kind.DYNAMIC_SQL),
        condition=_execute,
        effect="Unknown.",
        why="SQL that is hidden in a string is not checked.",
        workaround="Write the statements out; static SQL in a DO block is read.",
        bad="DO $$ BEGIN EXECUTE 'DROP TABLE ' || 'note'; END $$;",
        good="DO $$ BEGIN PERFORM 1; END $$;",
    ),
)
