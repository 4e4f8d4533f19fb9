"""Questions about an expression's tree: which functions, which columns, how volatile.

Owns the list of PostgreSQL's volatile functions, as in `pg_proc.provolatile` of 13 to
18. What follows for a lock or a rewrite is for `effects.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bluegreen.lint.source import Tree

# `pg_proc.provolatile = 'v'`, as far as a default may call it. `now()` and its
# relatives are stable: evaluated once, so a new column needs no rewrite.
VOLATILE = frozenset(
    {
        *("clock_timestamp", "timeofday", "random", "random_normal", "setseed"),
        *("gen_random_uuid", "uuidv4", "uuidv7", "gen_random_bytes"),
        *("uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4", "gen_salt"),
        *("nextval", "currval", "lastval", "setval", "pg_sleep", "set_config"),
        *("txid_current", "pg_current_xact_id", "pg_current_wal_lsn"),
        *("pg_advisory_lock", "pg_advisory_xact_lock", "query_to_xml"),
    }
)
# Functions of PostgreSQL that are immutable or stable and that defaults do call.
_CALM = frozenset(
    {
        *("now", "transaction_timestamp", "statement_timestamp", "timezone", "to_char"),
        *(
            "lower",
            "upper",
            "md5",
            "coalesce",
            "concat",
            "concat_ws",
            "format",
            "length",
        ),
        *("to_timestamp", "to_date", "to_number", "date_trunc", "date_part", "extract"),
        *("jsonb_build_object", "jsonb_build_array", "json_build_object", "to_json"),
        *("json_build_array", "to_jsonb", "array_to_json", "array_fill", "replace"),
        *("current_setting", "current_user", "current_database", "current_schema"),
        *("make_interval", "make_date", "make_time", "make_timestamp", "age", "round"),
        *(
            "make_timestamptz",
            "floor",
            "ceil",
            "abs",
            "trim",
            "btrim",
            "ltrim",
            "rtrim",
        ),
        *("substring", "substr", "left", "right", "lpad", "rpad", "repeat", "encode"),
        *("decode", "digest", "to_tsvector", "hashtext", "uuid_nil", "version"),
        *("int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange"),
        *("string_to_array", "array_append", "array_length", "cardinality", "greatest"),
        *("convert_to", "convert_from", "sha256", "sha512", "sha224", "sha384"),
        *("txid_current_if_assigned", "pg_typeof", "nullif", "chr", "ascii", "point"),
    }
)


_EMPTY: Tree = {}


def walk(tree: Any) -> Iterator[tuple[str, Tree]]:
    """Every node below, as (name, fields)."""
    stack = [tree]
    while stack:
        here = stack.pop()
        if isinstance(here, list):
            stack.extend(here)
        elif isinstance(here, dict):
            for name, value in here.items():
                if isinstance(value, dict):
                    yield name, value
                    stack.append(value)
                elif isinstance(value, list):
                    stack.append(value)


def strings(items: list[Tree] | None) -> tuple[str, ...]:
    """The texts of a list of `String` nodes; a `*` is an empty text."""
    if not items:
        return ()
    return tuple([item.get("String", _EMPTY).get("sval", "") for item in items])


def functions(tree: Tree | None) -> set[str]:
    """Names of the functions called, without their schemas."""
    calls = (node for name, node in walk(tree) if name == "FuncCall")
    return {strings(node.get("funcname"))[-1] for node in calls}


def columns(tree: Tree | None) -> frozenset[str]:
    """Names of the columns mentioned."""
    refs = (node for name, node in walk(tree) if name == "ColumnRef")
    return frozenset(strings(node.get("fields"))[-1] for node in refs)


def volatility(tree: Tree | None) -> str:
    """`volatile`, `unknown` (a function we cannot know) or `calm`."""
    called = functions(tree)
    if called & VOLATILE:
        return "volatile"
    return "unknown" if called - _CALM else "calm"


def is_null(tree: Tree | None) -> bool:
    """Whether the expression is the literal NULL, cast or not."""
    while tree and "TypeCast" in tree:
        tree = tree["TypeCast"]["arg"]
    return bool(tree and tree.get("A_Const", {}).get("isnull"))


def proves_not_null(tree: Tree | None) -> frozenset[str]:
    """Columns that a CHECK of this expression shows to hold no NULL.

    PostgreSQL (`ConstraintImpliedByRelConstraint`) proves by predicate logic; this
    takes `c IS NOT NULL` alone or within ANDs, the form that people write.
    """
    if not tree:
        return frozenset()
    if test := tree.get("NullTest"):
        if test.get("nulltesttype") == "IS_NOT_NULL" and "ColumnRef" in test["arg"]:
            return columns(test["arg"])
        return frozenset()
    both = tree.get("BoolExpr")
    if both and both["boolop"] == "AND_EXPR":
        return frozenset().union(*(proves_not_null(arg) for arg in both["args"]))
    return frozenset()


def always_true(tree: Tree | None) -> bool:
    """Whether a WHERE keeps every row: absent, `true`, `1 = 1`, `x = x`."""
    if tree is None:
        return True
    if constant := tree.get("A_Const"):
        return bool(constant.get("boolval", {}).get("boolval"))
    if both := tree.get("BoolExpr"):
        parts = [always_true(arg) for arg in both["args"]]
        if both["boolop"] == "AND_EXPR":
            return all(parts)
        return both["boolop"] == "OR_EXPR" and any(parts)
    equal = tree.get("A_Expr", {})
    if equal.get("kind") == "AEXPR_OP" and strings(equal.get("name")) == ("=",):
        return bool(bare(equal.get("lexpr")) == bare(equal.get("rexpr")))
    return False


def bare(tree: Any) -> Any:
    """A tree without its locations, to compare two of them."""
    if isinstance(tree, dict):
        return {key: bare(value) for key, value in tree.items() if key != "location"}
    if isinstance(tree, list):
        return [bare(item) for item in tree]
    return tree
