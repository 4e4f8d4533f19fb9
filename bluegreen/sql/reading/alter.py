"""`ALTER TABLE` and its relatives to `Op`s, one for each subcommand."""

from __future__ import annotations

from collections.abc import Iterator

from bluegreen.sql.ops import Kind, Op
from bluegreen.sql.parsing import Tree
from bluegreen.sql.reading.parts import (
    collation,
    column,
    constraint,
    only,
    relation,
    sort_of,
    type_of,
)
from bluegreen.sql.source import Statement

_PLAIN = {
    "AT_DropColumn": Kind.DROP_COLUMN,
    "AT_SetNotNull": Kind.SET_NOT_NULL,
    "AT_DropNotNull": Kind.DROP_NOT_NULL,
    "AT_DropExpression": Kind.DROP_EXPRESSION,
    "AT_AddIdentity": Kind.ADD_IDENTITY,
    "AT_SetIdentity": Kind.ALTER_IDENTITY,
    "AT_DropIdentity": Kind.ALTER_IDENTITY,
    "AT_ValidateConstraint": Kind.VALIDATE_CONSTRAINT,
    "AT_DropConstraint": Kind.DROP_CONSTRAINT,
    "AT_SetLogged": Kind.SET_LOGGED,
    "AT_SetUnLogged": Kind.SET_UNLOGGED,
    "AT_SetAccessMethod": Kind.SET_ACCESS_METHOD,
    "AT_SetTableSpace": Kind.SET_TABLESPACE,
    "AT_SetStorage": Kind.SET_STORAGE,
    "AT_SetCompression": Kind.SET_STORAGE,
    "AT_SetStatistics": Kind.TABLE_SETTING,
    "AT_SetOptions": Kind.TABLE_SETTING,
    "AT_ResetOptions": Kind.TABLE_SETTING,
    "AT_SetRelOptions": Kind.TABLE_SETTING,
    "AT_ResetRelOptions": Kind.TABLE_SETTING,
    "AT_ClusterOn": Kind.TABLE_SETTING,
    "AT_DropCluster": Kind.TABLE_SETTING,
}
_TRIGGERS = {
    "AT_EnableTrig": ("enable", ""),
    "AT_EnableAlwaysTrig": ("enable always", ""),
    "AT_EnableReplicaTrig": ("enable replica", ""),
    "AT_DisableTrig": ("disable", ""),
    "AT_EnableTrigAll": ("enable", "all"),
    "AT_DisableTrigAll": ("disable", "all"),
    "AT_EnableTrigUser": ("enable", "user"),
    "AT_DisableTrigUser": ("disable", "user"),
}
_SECURITY = {
    "AT_EnableRowSecurity": "enable",
    "AT_DisableRowSecurity": "disable",
    "AT_ForceRowSecurity": "force",
    "AT_NoForceRowSecurity": "no force",
}


def alter_table(statement: Statement, tree: Tree) -> Iterator[Op]:
    """One op per subcommand; `what` is the sort of relation, `table` for most."""
    table = relation(tree["relation"])
    what = sort_of(tree["objtype"])
    always = set(only(tree["relation"]))
    always |= {"if_exists"} if tree.get("missing_ok") else set()
    for item in tree.get("cmds", ()):
        command = item["AlterTableCmd"]
        flags = set(always)
        if command.get("behavior") == "DROP_CASCADE":
            flags.add("cascade")
        if command.get("missing_ok"):
            flags.add("missing_ok")
        base = Op(
            Kind.ALTER_TABLE_OTHER,
            statement.at,
            table=table,
            name=command.get("name", ""),
            what=what,
            flags=frozenset(flags),
        )
        if what == "type":
            value = command["subtype"].removeprefix("AT_")
            yield base._replace(kind=Kind.ALTER_COMPOSITE, value=value)
        else:
            yield _subcommand(statement, base, command["subtype"], command)


def moved(op: Op, at: int) -> Op:
    """The same op in a DO block, at the place of its text."""
    return op._replace(at=at, inside=True)


def _subcommand(statement: Statement, base: Op, subtype: str, command: Tree) -> Op:
    node = command.get("def", {})
    if subtype in _PLAIN:
        return _plain(base, subtype, node)
    if subtype in _TRIGGERS:
        state, group = _TRIGGERS[subtype]
        name = base.name or group
        return base._replace(kind=Kind.TRIGGER_STATE, name=name, value=state)
    if subtype in _SECURITY:
        return base._replace(kind=Kind.ROW_SECURITY, value=_SECURITY[subtype])
    if subtype in ("AT_AttachPartition", "AT_DetachPartition"):
        return _partition(base, subtype, node["PartitionCmd"])
    return _with_definition(statement, base, subtype, node, command)


def _plain(base: Op, subtype: str, node: Tree) -> Op:
    kind = _PLAIN[subtype]
    if kind is not Kind.TABLE_SETTING:
        return base._replace(kind=kind)
    items = node.get("List", {}).get("items", ())
    names = tuple(item.get("DefElem", {}).get("defname", "") for item in items)
    value = "statistics" if subtype == "AT_SetStatistics" else ""
    return base._replace(kind=kind, names=names, value=value)


def _partition(base: Op, subtype: str, node: Tree) -> Op:
    flags = set(base.flags)
    if node.get("concurrent"):
        flags.add("concurrently")
    if node.get("bound", {}).get("is_default"):
        flags.add("default")
    attach = subtype == "AT_AttachPartition"
    return base._replace(
        kind=Kind.ATTACH_PARTITION if attach else Kind.DETACH_PARTITION,
        other=relation(node["name"]),
        expr=node.get("bound"),
        flags=frozenset(flags),
    )


def _with_definition(
    statement: Statement, base: Op, subtype: str, node: Tree, command: Tree
) -> Op:
    at = base.at
    match subtype:
        case "AT_AddColumn":
            made = column(statement, node["ColumnDef"])
            at = statement.offset(node["ColumnDef"].get("location"))
            kind = Kind.ADD_COLUMN
            return base._replace(kind=kind, at=at, name=made.name, column=made)
        case "AT_AlterColumnType":
            definition = node["ColumnDef"]
            return base._replace(
                kind=Kind.ALTER_TYPE,
                at=statement.offset(definition.get("location")),
                type=type_of(definition["typeName"]),
                expr=definition.get("raw_default"),
                value=collation(definition),
            )
        case "AT_ColumnDefault":
            kind = Kind.SET_DEFAULT if node else Kind.DROP_DEFAULT
            return base._replace(kind=kind, expr=node or None)
        case "AT_SetExpression":
            return base._replace(kind=Kind.SET_EXPRESSION, expr=node)
        case "AT_AddConstraint":
            added = constraint(statement, node["Constraint"])
            kind = Kind.ADD_CONSTRAINT
            return base._replace(
                kind=kind, at=added.at, name=added.name, constraint=added
            )
        case "AT_AlterConstraint":
            change = node.get("ATAlterConstraint", {})
            enforced = "enforced" if change.get("is_enforced") else "not enforced"
            return base._replace(
                kind=Kind.ALTER_CONSTRAINT,
                name=change.get("conname", ""),
                value=enforced if change.get("alterEnforceability") else "",
            )
        case "AT_ReplicaIdentity":
            identity = node["ReplicaIdentityStmt"]
            name, value = identity.get("name", ""), identity["identity_type"]
            return base._replace(kind=Kind.REPLICA_IDENTITY, name=name, value=value)
        case "AT_ChangeOwner":
            value = command.get("newowner", {}).get("rolename", "")
            return base._replace(kind=Kind.OWNER, value=value)
        case _:
            return base._replace(value=subtype.removeprefix("AT_"))
