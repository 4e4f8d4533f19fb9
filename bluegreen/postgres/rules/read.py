"""The rules that a database's rows have to fit, as its catalog tells them.

Owns which rules there are, of one table or of all, and how each is asked of the rows.
Asking is for `breaches.py`.

A rule that "holds" may be broken all the same: its function was replaced, its trigger
was switched off while rows came, its index lost entries under another collation. The
server that has the rows never looks again; one that copies them does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from psycopg import sql

from bluegreen.postgres.catalog.constraints import Constraint, read_constraints
from bluegreen.postgres.catalog.scope import (
    ALL,
    OURS_OR_SYSTEM,
    Name,
    frozen,
    not_of_extension,
)
from bluegreen.postgres.database import (
    DROPPED_MEANWHILE,
    DROPPED_TRIES,
    LOCK_NOT_FREE,
    Database,
    Row,
    SqlError,
)
from bluegreen.postgres.quoting import quote_name


class Kind(StrEnum):
    """What kind of rule it is."""

    CHECK = "check"
    DOMAIN = "domain"
    NOT_NULL = "not null"
    GENERATED = "generated"
    EXPRESSION = "expression"
    UNIQUE = "unique"
    FOREIGN_KEY = "foreign key"


COPY = frozenset(
    {Kind.CHECK, Kind.DOMAIN, Kind.NOT_NULL, Kind.GENERATED, Kind.EXPRESSION}
)
"""Those that every copied row meets; of indexes only those that are there by then."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that rows of one table have to fit.

    Attributes:
        table: schema and name of the table that holds the rows.
        name: of the constraint, the index or the column, `schema.index` for an index.
        test: a condition or expression over the table's columns; empty for a foreign
            key.
        column: the column whose value a domain's rule is about.
        columns: what may not stand twice, each a name or expression.
        only: the predicate of a partial index.
        nulls_equal: NULLs count as equal (15).
        early: the index is there while rows are copied.
        definition: of a constraint, as the server prints it.
        owner: where the constraint was written: the table or the parent it comes from,
            or the domain.
        functions: those called that have no search_path of their own, written for SQL.
        key: names of columns by which a person finds a row.
        foreign: the foreign key.
    """

    kind: Kind
    table: Name
    name: str
    test: str = ""
    column: str = ""
    columns: tuple[str, ...] = ()
    only: str = ""
    nulls_equal: bool = False
    early: bool = True
    definition: str = ""
    owner: Name = ("", "")
    functions: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    foreign: Constraint | None = None

    @property
    def meets_copies(self) -> bool:
        """Whether a row that breaks it stops the initial copy of its table."""
        return self.kind in COPY or (self.kind is Kind.UNIQUE and self.early)

    @property
    def thing(self) -> str:
        """What it is called in a message."""
        table = quote_name(*self.table)
        match self.kind:
            case Kind.CHECK | Kind.FOREIGN_KEY:
                return f"constraint {table}.{quote_name(self.name)}"
            case Kind.DOMAIN:
                domain = f"constraint {quote_name(self.name)} of domain "
                return f"{domain}{quote_name(*self.owner)}"
            case Kind.NOT_NULL:
                return f"NOT NULL of {table}"
            case Kind.GENERATED:
                return f"generated column {table}.{quote_name(self.name)}"
        return f"index {self.name}"


def read_rules(
    database: Database, *, table: Name | None = None, exclude: Collection[Name] = ()
) -> list[Rule]:
    """The rules of one table, or of all but those that are excluded.

    Raises:
        SqlError: 55P03, a table is locked; what prints a rule waits for it.
    """
    only: sql.Composable = ALL
    if table is not None:
        only = sql.SQL("n.nspname = {} AND c.relname = {}").format(*table)
    return [one for one in _read_at_once(database, only) if one.table not in exclude]


def rules_if_free(database: Database, table: Name) -> list[Rule]:
    """Those of one table; none while it is locked."""
    try:
        return read_rules(database, table=table)
    except SqlError as error:
        if error.sqlstate not in LOCK_NOT_FREE:
            raise
        return []


def _read_at_once(database: Database, only: sql.Composable) -> list[Rule]:
    for left in reversed(range(DROPPED_TRIES)):
        try:
            with database.transaction() as own:
                own.execute(_LOCK_WAIT)
                return _read_all(lambda query: own.execute(query).fetchall(), only)
        except SqlError as error:
            if error.sqlstate != DROPPED_MEANWHILE or not left:
                raise
    return []


_LOCK_WAIT = sql.SQL("SET LOCAL lock_timeout = '2s'")
_Rows = Callable[[sql.Composed | sql.SQL], list[Row]]


def _read_all(rows: _Rows, only: sql.Composable) -> list[Rule]:
    keys = {(s, t): frozen(key) for s, t, key in rows(_of(_KEYS, only))}
    calls = _calls(rows)
    found = [
        *_read(rows, _of(_CHECKS, only), calls),
        *_read(rows, _of(_DOMAINS, only), calls),
        *_read(rows, _of(_GENERATED, only), calls),
        *_read(rows, _of(_NOT_NULL, only), calls),
        *_read(rows, _of(_INDEXES, only), calls),
        *_foreign_keys(rows, only),
    ]
    return [replace(rule, key=keys.get(rule.table, ())) for rule in found]


_Calls = Mapping[tuple[int, int, int], set[str]]


def _read(rows: _Rows, query: sql.Composed, calls: _Calls) -> Iterator[Rule]:
    """Rows are words for `Rule` and the addresses of what calls functions."""
    for words, addresses in rows(query):
        called = {name for one in addresses for name in calls[tuple(one)]}
        given = {word: frozen(value) for word, value in words.items()}
        given["table"], kind = tuple(given["table"]), Kind(given.pop("kind"))
        yield Rule(kind, functions=tuple(sorted(called)), **given)


def _foreign_keys(rows: _Rows, only: sql.Composable) -> Iterator[Rule]:
    own = sql.SQL(
        "k.contype = 'f' AND k.conparentid = 0 AND k.convalidated AND {}"
    ).format(only)
    for _, one in read_constraints(rows, own):
        if one.enforced:
            yield Rule(
                Kind.FOREIGN_KEY,
                one.table,
                one.name,
                early=False,
                definition=one.definition,
                owner=one.table,
                foreign=one,
            )


def _calls(rows: _Rows) -> _Calls:
    """Functions without a search_path of their own, by what calls them."""
    found: dict[tuple[int, int, int], set[str]] = defaultdict(set)
    for catalog, oid, part, name in rows(_FUNCTIONS):
        found[catalog, oid, part].add(name)
    return found


def _of(query: sql.SQL, only: sql.Composable) -> sql.Composed:
    mine = sql.SQL("c.relkind = 'r' AND c.relpersistence <> 't' AND NOT {} AND {}")
    scope = mine.format(OURS_OR_SYSTEM, not_of_extension("pg_class", "c.oid"))
    return query.format(sql.SQL("{} AND {}").format(scope, only))


_FUNCTIONS = sql.SQL(
    """
    WITH bare AS (
        SELECT p.oid, p.oid::pg_catalog.regprocedure::text AS name
        FROM pg_catalog.pg_proc p
        JOIN pg_catalog.pg_language l ON l.oid = p.prolang
        WHERE l.lanname NOT IN ('internal', 'c')
            AND p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace
            AND NOT EXISTS (SELECT FROM unnest(p.proconfig) s
                WHERE starts_with(s, 'search_path=')))
    SELECT d.classid::bigint, d.objid::bigint, d.objsubid, f.name
    FROM pg_catalog.pg_depend d JOIN bare f ON f.oid = d.refobjid
    WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
    UNION
    SELECT d.classid::bigint, d.objid::bigint, d.objsubid, f.name
    FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_operator o ON o.oid = d.refobjid
    JOIN bare f ON f.oid = o.oprcode
    WHERE d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass
    """
)

_KEYS = sql.SQL(
    """
    SELECT n.nspname, c.relname, ARRAY(SELECT a.attname::text
        FROM unnest(i.indkey) WITH ORDINALITY u (attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.attnum
        WHERE u.place <= i.indnkeyatts ORDER BY u.place)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary
    WHERE {}
    """
)

# A constraint that a child has from a parent is changed at the parent.
_CHECKS = sql.SQL(
    """
    SELECT jsonb_build_object('kind', 'check',
            'table', ARRAY[n.nspname, c.relname], 'name', k.conname,
            'test', pg_catalog.pg_get_expr(k.conbin, k.conrelid),
            'definition', pg_catalog.pg_get_constraintdef(k.oid),
            'owner', coalesce(CASE WHEN NOT k.conislocal THEN (
                WITH RECURSIVE up (oid) AS (
                    SELECT inhparent FROM pg_catalog.pg_inherits WHERE inhrelid = c.oid
                    UNION SELECT h.inhparent FROM pg_catalog.pg_inherits h
                        JOIN up ON up.oid = h.inhrelid)
                SELECT ARRAY[pn.nspname, p.relname] FROM up
                JOIN pg_catalog.pg_constraint pk ON pk.conrelid = up.oid
                    AND pk.conname = k.conname AND pk.conislocal
                JOIN pg_catalog.pg_class p ON p.oid = up.oid
                JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
                LIMIT 1) END, ARRAY[n.nspname, c.relname])),
        ARRAY[[k.tableoid::bigint, k.oid::bigint, 0]]
    FROM pg_catalog.pg_constraint k
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE k.contype = 'c' AND k.convalidated AND {}
    ORDER BY n.nspname, c.relname, k.conname
    """
)

_DOMAINS = sql.SQL(
    """
    WITH RECURSIVE chain (top, oid) AS (
        SELECT oid, oid FROM pg_catalog.pg_type WHERE typtype = 'd'
        UNION SELECT chain.top, t.typbasetype FROM chain
            JOIN pg_catalog.pg_type t ON t.oid = chain.oid
            JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype AND b.typtype = 'd')
    SELECT jsonb_build_object('kind', 'domain',
            'table', ARRAY[n.nspname, c.relname], 'name', k.conname,
            'test', pg_catalog.pg_get_expr(k.conbin, 0), 'column', a.attname,
            'definition', pg_catalog.pg_get_constraintdef(k.oid),
            'owner', ARRAY[dn.nspname, d.typname]),
        ARRAY[[k.tableoid::bigint, k.oid::bigint, 0]]
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        AND NOT a.attisdropped
    JOIN chain ON chain.top = a.atttypid
    JOIN pg_catalog.pg_type d ON d.oid = chain.oid
    JOIN pg_catalog.pg_namespace dn ON dn.oid = d.typnamespace
    JOIN pg_catalog.pg_constraint k ON k.contypid = d.oid AND k.contype = 'c'
        AND k.convalidated
    WHERE {}
    ORDER BY n.nspname, c.relname, a.attnum, k.conname
    """
)

# What calls the functions is the column until 14, its default since.
_GENERATED = sql.SQL(
    """
    SELECT jsonb_build_object('kind', 'generated',
            'table', ARRAY[n.nspname, c.relname], 'name', a.attname,
            'test', pg_catalog.pg_get_expr(e.adbin, e.adrelid)),
        ARRAY[[e.tableoid::bigint, e.oid::bigint, 0],
            [c.tableoid::bigint, c.oid::bigint, a.attnum]]
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attgenerated = 's'
        AND NOT a.attisdropped
    JOIN pg_catalog.pg_attrdef e ON e.adrelid = c.oid AND e.adnum = a.attnum
    WHERE {}
    ORDER BY n.nspname, c.relname, a.attnum
    """
)

# num_nulls is a function, so that no planner takes the column's word for it.
_NOT_NULL = sql.SQL(
    """
    SELECT jsonb_build_object('kind', 'not null',
            'table', ARRAY[n.nspname, c.relname], 'name', '',
            'test', pg_catalog.format('pg_catalog.num_nulls(%s) = 0',
                pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', '
                    ORDER BY a.attnum)),
            'columns', pg_catalog.array_agg(a.attname::text ORDER BY a.attnum)),
        ARRAY[]::bigint[]
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        AND a.attnotnull AND NOT a.attisdropped
    WHERE {}
    GROUP BY n.nspname, c.relname
    ORDER BY n.nspname, c.relname
    """
)

# Expressions are looked at whether or not the index is unique.
_INDEXES = sql.SQL(
    """
    SELECT jsonb_build_object(
            'kind', CASE WHEN i.indisunique THEN 'unique' ELSE 'expression' END,
            'table', ARRAY[n.nspname, c.relname],
            'name', pg_catalog.format('%I.%I', xn.nspname, x.relname),
            'columns', ARRAY(
                SELECT pg_catalog.pg_get_indexdef(i.indexrelid, k, false)
                    || CASE WHEN l.oid IS NULL THEN ''
                        ELSE pg_catalog.format(' COLLATE %I.%I', ln.nspname,
                            l.collname) END
                FROM pg_catalog.generate_series(1, i.indnkeyatts) k
                LEFT JOIN pg_catalog.pg_attribute a
                    ON a.attrelid = c.oid AND a.attnum = i.indkey[k - 1]
                LEFT JOIN pg_catalog.pg_collation l ON l.oid = i.indcollation[k - 1]
                    AND l.oid <> coalesce(a.attcollation,
                        'pg_catalog."default"'::pg_catalog.regcollation)
                LEFT JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace
                ORDER BY k),
            'only', coalesce(pg_catalog.pg_get_expr(i.indpred, i.indrelid), ''),
            'nulls_equal', coalesce(
                (to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false),
            'early', i.indisprimary OR i.indisreplident),
        ARRAY[[x.tableoid::bigint, x.oid::bigint, 0]]
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
    JOIN pg_catalog.pg_namespace xn ON xn.oid = x.relnamespace
    WHERE i.indisvalid AND NOT i.indisexclusion
        AND (i.indisunique OR i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) AND {}
    ORDER BY n.nspname, c.relname, x.relname
    """
)
