"""What a statement does, as values: one `Op` for each thing that it changes.

Owns the words that effects, rules and the tracker share, so that none of them reads
parse trees of statements. Expressions stay trees (`expressions.py` reads those).

They are named tuples because a file of a megabyte has a hundred thousand of them: a
frozen dataclass takes three times as long to make.
"""

from __future__ import annotations

from enum import StrEnum, auto
from typing import NamedTuple

from bluegreen.sql.parsing import Tree


class Kind(StrEnum):
    """The things a statement can do."""

    CREATE_TABLE = auto()
    CREATE_TABLE_AS = auto()
    CREATE_INDEX = auto()
    CREATE_TRIGGER = auto()
    CREATE_FUNCTION = auto()
    CREATE_VIEW = auto()
    CREATE_RULE = auto()
    CREATE_POLICY = auto()
    CREATE_DOMAIN = auto()
    CREATE_ENUM = auto()
    CREATE_SEQUENCE = auto()
    CREATE_STATISTICS = auto()
    PUBLICATION = auto()
    DROP = auto()
    RENAME = auto()
    SET_SCHEMA = auto()
    OWNER = auto()
    COMMENT = auto()
    ADD_COLUMN = auto()
    DROP_COLUMN = auto()
    ALTER_TYPE = auto()
    SET_DEFAULT = auto()
    DROP_DEFAULT = auto()
    SET_NOT_NULL = auto()
    DROP_NOT_NULL = auto()
    SET_EXPRESSION = auto()
    DROP_EXPRESSION = auto()
    ADD_IDENTITY = auto()
    ALTER_IDENTITY = auto()
    ADD_CONSTRAINT = auto()
    VALIDATE_CONSTRAINT = auto()
    ALTER_CONSTRAINT = auto()
    DROP_CONSTRAINT = auto()
    ATTACH_PARTITION = auto()
    DETACH_PARTITION = auto()
    REPLICA_IDENTITY = auto()
    SET_LOGGED = auto()
    SET_UNLOGGED = auto()
    SET_ACCESS_METHOD = auto()
    SET_TABLESPACE = auto()
    SET_STORAGE = auto()
    TRIGGER_STATE = auto()
    ROW_SECURITY = auto()
    TABLE_SETTING = auto()
    ALTER_TABLE_OTHER = auto()
    DOMAIN_ADD_CONSTRAINT = auto()
    DOMAIN_VALIDATE = auto()
    DOMAIN_OTHER = auto()
    ADD_ENUM_VALUE = auto()
    RENAME_ENUM_VALUE = auto()
    ALTER_COMPOSITE = auto()
    ALTER_SEQUENCE = auto()
    REINDEX = auto()
    CLUSTER = auto()
    VACUUM = auto()
    ANALYZE = auto()
    REFRESH = auto()
    TRUNCATE = auto()
    LOCK_TABLE = auto()
    INSERT = auto()
    UPDATE = auto()
    DELETE = auto()
    MERGE = auto()
    COPY_IN = auto()
    SELECT = auto()
    CALL = auto()
    DYNAMIC_SQL = auto()
    BEGIN = auto()
    COMMIT = auto()
    ROLLBACK = auto()
    SAVEPOINT = auto()
    SET = auto()
    ACCESS = auto()
    OTHER = auto()
    END_OF_FILE = auto()


DATA = frozenset({Kind.INSERT, Kind.UPDATE, Kind.DELETE, Kind.MERGE, Kind.COPY_IN})
_NEITHER = frozenset(
    {
        *DATA,
        *(Kind.SELECT, Kind.CALL, Kind.DYNAMIC_SQL, Kind.BEGIN, Kind.COMMIT),
        *(Kind.ROLLBACK, Kind.SAVEPOINT, Kind.SET, Kind.ANALYZE, Kind.VACUUM),
        *(Kind.LOCK_TABLE, Kind.OTHER, Kind.END_OF_FILE, Kind.TRUNCATE, Kind.REFRESH),
        *(Kind.REINDEX, Kind.CLUSTER, Kind.COMMENT, Kind.ACCESS),
    }
)
SCHEMA = frozenset(Kind) - _NEITHER


class Name(NamedTuple):
    """A relation or type as written; no schema written means `public`."""

    schema: str
    name: str

    @property
    def key(self) -> tuple[str, str]:
        """What two names of one thing share."""
        return (self.schema or "public", self.name)

    def __str__(self) -> str:
        parts = [quoted(self.name)]
        if self.schema:
            parts.insert(0, quoted(self.schema))
        return ".".join(parts)


class Type(NamedTuple):
    """A type: PostgreSQL's own name without `pg_catalog`, e.g. `int4`, `varchar`.

    Attributes:
        schema: empty for PostgreSQL's own and for unqualified names.
        mods: what stands in brackets, e.g. (10, 2).
        array: whether it is an array.
    """

    name: str
    mods: tuple[int, ...] = ()
    schema: str = ""
    array: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Where a domain or enum of this type would be found."""
        return (self.schema or "public", self.name)

    @property
    def stored(self) -> Type:
        """The integer that a serial short form stands for; any other type itself."""
        if self.schema or self.name not in _SERIAL_OF:
            return self
        return self._replace(name=_SERIAL_OF[self.name])

    def __str__(self) -> str:
        name = f"{quoted(self.schema)}.{self.name}" if self.schema else self.name
        mods = f"({','.join(map(str, self.mods))})" if self.mods else ""
        return f"{name}{mods}{'[]' if self.array else ''}"


_SERIAL_OF = {
    **dict.fromkeys(("smallserial", "serial2"), "int2"),
    **dict.fromkeys(("serial", "serial4"), "int4"),
    **dict.fromkeys(("bigserial", "serial8"), "int8"),
}
SERIALS = frozenset(_SERIAL_OF)


class Constraint(NamedTuple):
    """A constraint of a table, column or domain.

    Attributes:
        kind: check, foreign, unique, primary, exclude or notnull.
        name: empty where PostgreSQL chooses.
        columns: of the constrained table.
        expr: of a check.
        valid: false after NOT VALID.
        enforced: false after NOT ENFORCED (18).
        using: the index of ADD … USING INDEX.
        deferrable: whether it is DEFERRABLE.
    """

    kind: str
    name: str = ""
    columns: tuple[str, ...] = ()
    expr: Tree | None = None
    references: Name | None = None
    ref_columns: tuple[str, ...] = ()
    valid: bool = True
    enforced: bool = True
    using: str = ""
    deferrable: bool = False
    at: int = 0


class Column(NamedTuple):
    """A column as defined. `generated` is empty, `s` (stored) or `v` (virtual, 18)."""

    name: str
    type: Type
    default: Tree | None = None
    not_null: bool = False
    identity: bool = False
    generated: str = ""
    expr: Tree | None = None
    collation: str = ""
    constraints: tuple[Constraint, ...] = ()

    @property
    def serial(self) -> bool:
        """Whether the type is one of the serial short forms."""
        return self.type.name in SERIALS and not self.type.schema


class Op(NamedTuple):
    """One thing that a statement does.

    Attributes:
        kind: what.
        at: where it stands in the file, in characters.
        table: the relation acted on.
        other: a second relation: partition, parent, referenced, new schema.
        name: of the column, constraint, index, trigger, setting, enum value …
        value: the new name, the setting's value, a trigger's function …
        what: for DROP, RENAME, SET_SCHEMA, OWNER: the sort of object, e.g. `table`.
        column: of ADD_COLUMN.
        columns: of CREATE_TABLE; of an index, in `names`.
        constraint: of ADD_CONSTRAINT.
        constraints: of CREATE_TABLE.
        type: the new type of ALTER_TYPE.
        expr: USING, DEFAULT, WHERE or generation expression.
        names: index columns (an expression is an empty name), values of a SET …
        mentions: columns that index expressions or predicates mention.
        uses: columns that a view is made of.
        flags: words of the statement, e.g. `concurrently`, `cascade`, `if_exists`.
        reads: tables that a view is made of.
        inside: whether it stands in the body of a DO block.
        twice: a column that a data statement sets, or a query gives, a second time.
    """

    kind: Kind
    at: int
    table: Name | None = None
    other: Name | None = None
    name: str = ""
    value: str = ""
    what: str = ""
    column: Column | None = None
    columns: tuple[Column, ...] = ()
    constraint: Constraint | None = None
    constraints: tuple[Constraint, ...] = ()
    type: Type | None = None
    expr: Tree | None = None
    names: tuple[str, ...] = ()
    mentions: frozenset[str] = frozenset()
    uses: frozenset[tuple[str, str]] = frozenset()
    flags: frozenset[str] = frozenset()
    reads: tuple[Name, ...] = ()
    inside: bool = False
    twice: str = ""


def quoted(name: str) -> str:
    """An identifier as PostgreSQL would print it, without the list of key words."""
    plain = name and name[0].isalpha() and name.islower() and name.isascii()
    if plain and name.replace("_", "a").isalnum():
        return name
    return '"' + name.replace('"', '""') + '"'
