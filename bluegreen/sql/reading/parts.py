"""Names, types, columns, constraints and options out of parse trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from bluegreen.sql.expressions import strings, walk
from bluegreen.sql.ops import SERIALS, Column, Constraint, Name, Op, Type
from bluegreen.sql.parsing import Tree
from bluegreen.sql.source import Statement

Reader = Callable[[Statement, Tree], Iterator[Op]]
_EMPTY: Tree = {}
_CONSTRAINTS = {
    "CONSTR_CHECK": "check",
    "CONSTR_FOREIGN": "foreign",
    "CONSTR_UNIQUE": "unique",
    "CONSTR_PRIMARY": "primary",
    "CONSTR_EXCLUSION": "exclude",
    "CONSTR_NOTNULL": "notnull",
}


def relation(tree: Tree) -> Name:
    """The name in a `RangeVar`."""
    return _name(tree.get("schemaname", ""), tree.get("relname", ""))


def subject(statement: Statement) -> Name | None:
    """The one relation that a statement acts on; None where its grammar has none."""
    tree = statement.tree
    found = tree.get("relation") or tree.get("into", {}).get("rel")
    return relation(found) if found else None


def only(tree: Tree) -> frozenset[str]:
    """The flag of `ONLY` before the name in a `RangeVar`."""
    return frozenset() if tree.get("inh") else frozenset({"only"})


def named(items: list[Tree]) -> Name:
    """The name in a list of strings."""
    parts = strings(items)
    return Name(parts[-2] if len(parts) > 1 else "", parts[-1])


_SORTS = {
    "domconstraint": "domain constraint",
    "matview": "materialized view",
    "tabconstraint": "constraint",
}


def sort_of(object_type: str) -> str:
    """`OBJECT_FOREIGN_TABLE` as `foreign table`."""
    sort = object_type.removeprefix("OBJECT_").replace("_", " ").lower()
    return _SORTS.get(sort, sort)


def type_of(tree: Tree) -> Type:
    """The type in a `TypeName`."""
    parts = strings(tree.get("names"))
    schema = parts[-2] if len(parts) > 1 else ""
    return _shared(
        parts[-1] if parts else "",
        tuple([_mod(item) for item in tree.get("typmods", ())]),
        "" if schema == "pg_catalog" else schema,
        "arrayBounds" in tree,
    )


def casts(using: Tree | None, name: str) -> list[Type] | None:
    """The types that USING casts the column to in turn; None where it computes."""
    if using is None:
        return []
    if cast := using.get("TypeCast"):
        inner = casts(cast["arg"], name)
        return None if inner is None else [*inner, type_of(cast["typeName"])]
    if collated := using.get("CollateClause"):
        return casts(collated["arg"], name)
    fields = using.get("ColumnRef", {}).get("fields")
    return [] if strings(fields)[-1:] == (name,) else None


# There are few types and many columns.
_shared = lru_cache(maxsize=1024)(Type)
_name = lru_cache(maxsize=1024)(Name)


def _mod(tree: Tree) -> int:
    value = tree.get("A_Const", {}).get("ival")
    return value.get("ival", 0) if value is not None else -1


def constraint(statement: Statement, tree: Tree, column_name: str = "") -> Constraint:
    """The constraint in a `Constraint`, of a column where one is named."""
    kind = _CONSTRAINTS.get(tree["contype"]) or str(tree["contype"])
    written = strings(tree.get("keys") or tree.get("fk_attrs"))
    fresh = kind in ("check", "foreign")
    return Constraint(
        kind=kind,
        name=tree.get("conname", ""),
        columns=written or ((column_name,) if column_name else ()),
        expr=tree.get("raw_expr"),
        references=relation(tree["pktable"]) if "pktable" in tree else None,
        ref_columns=strings(tree.get("pk_attrs")),
        valid=not tree.get("skip_validation", False),
        enforced=bool(tree.get("is_enforced", False)) or not fresh,
        using=tree.get("indexname", ""),
        deferrable=tree.get("deferrable", False),
        at=statement.offset(tree.get("location")),
    )


def column(statement: Statement, tree: Tree) -> Column:
    """The column in a `ColumnDef`."""
    default = expr = None
    not_null = identity = False
    generated = ""
    constraints = []
    for item in tree.get("constraints", ()):
        node = item["Constraint"]
        match node["contype"]:
            case "CONSTR_DEFAULT":
                default = node.get("raw_expr")
            case "CONSTR_IDENTITY":
                identity = not_null = True
            case "CONSTR_GENERATED":
                expr = node.get("raw_expr")
                generated = node.get("generated_kind", "s")
            case "CONSTR_NOTNULL":
                not_null = True
            case contype if contype in _CONSTRAINTS:
                read = constraint(statement, node, tree["colname"])
                constraints.append(read)
                not_null = not_null or read.kind == "primary"
            case "CONSTR_ATTR_NOT_ENFORCED":
                constraints[-1:] = [
                    found._replace(enforced=False) for found in constraints[-1:]
                ]
    type_ = type_of(tree.get("typeName", {}))
    serial = type_.name in SERIALS and not type_.schema
    return Column(
        name=tree["colname"],
        type=type_,
        default=default,
        not_null=not_null or serial,
        identity=identity,
        generated=generated,
        expr=expr,
        collation=collation(tree),
        constraints=tuple(constraints),
    )


def collation(tree: Tree) -> str:
    """The collation named in a `ColumnDef`; empty where none is."""
    clause = tree.get("collClause")
    return ".".join(strings(clause.get("collname"))) if clause else ""


def words(tree: Tree, **names: str) -> frozenset[str]:
    """Flags for the fields of the tree that are set."""
    return frozenset([flag for flag, key in names.items() if tree.get(key)])


def cascade(tree: Tree) -> frozenset[str]:
    """The flag of `CASCADE`."""
    return frozenset({"cascade"} if tree.get("behavior") == "DROP_CASCADE" else ())


def options(tree: Tree, key: str = "options") -> frozenset[str]:
    """Names of options in brackets that are not switched off."""
    names = set()
    for item in tree.get(key, ()):
        option = item.get("DefElem", {})
        argument = option.get("arg", {})
        off = {"false", "off", "0"} & set(map(str, _scalars(argument)))
        if not off:
            names.add(option.get("defname", ""))
    return frozenset(names)


def texts_of_options(tree: Tree) -> dict[str, str]:
    """What options say by name; an empty text where that is no string."""
    options = [item["DefElem"] for item in tree.get("options", ())]
    return {
        option["defname"]: option.get("arg", _EMPTY)
        .get("String", _EMPTY)
        .get("sval", "")
        for option in options
    }


def _scalars(tree: Tree) -> list[object]:
    found: list[object] = []
    for name, node in walk({"": tree}):
        if name in ("String", "Integer", "Boolean"):
            found += list(node.values()) or [0]
    return found


def object_name(item: Tree) -> tuple[str, ...]:
    """The parts of a name in a DROP, COMMENT or RENAME."""
    ((kind, node),) = item.items()
    if kind == "String":
        return (node["sval"],)
    keys = {"List": "items", "ObjectWithArgs": "objname", "TypeName": "names"}
    return strings(node.get(keys.get(kind, ""))) or ("",)


def from_parts(parts: tuple[str, ...]) -> Name:
    """A name out of its parts, the last one its own."""
    return Name(parts[-2] if len(parts) > 1 else "", parts[-1] if parts else "")
