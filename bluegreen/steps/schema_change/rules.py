"""How a playbook says that a column of green follows from columns of blue.

Owns the form of `mapping` and `renamed` in the step `migrate`, and what the entries of
one table mean together. Expressions are read by `sql/one_expression.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

if TYPE_CHECKING:
    from bluegreen.sql.one_expression import Expression


class ColumnRule(BaseModel):
    """How one column of green comes about, and what follows from it on the way back."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        ignored_types=(cached_property,),
    )

    forward: str
    """The column's value, one SQL expression over the columns that come from blue,
    e.g. `split_part(name, ' ', 1)`. Functions of your own by schema and name."""

    reverse: str | Mapping[str, str] = ""
    """The values of the columns that it comes from, `{column: expression}`; the
    expression alone where it comes from one. Left out, the way is one-way."""

    type: str = ""
    """The column's type; it is then made where no migration makes it."""

    @field_validator("forward", "type")
    @classmethod
    def _readable(cls, text: str, info: object) -> str:
        name = getattr(info, "field_name", "")
        if text or name == "forward":
            _read(f"NULL::{text}" if name == "type" else text)
        return text

    @field_validator("reverse")
    @classmethod
    def _readable_back(cls, value: str | Mapping[str, str]) -> str | Mapping[str, str]:
        for text in [value] if isinstance(value, str) else value.values():
            if text or not isinstance(value, str):
                _read(text)
        return value

    @model_validator(mode="after")
    def _told_apart(self) -> ColumnRule:
        if isinstance(self.reverse, str) and self.reverse and len(self.comes_from) != 1:
            names = ", ".join(sorted(self.comes_from)) or "no column"
            raise ValueError(
                f"reverse as {{column: expression}}, since forward mentions {names}"
            )
        return self

    @property
    def comes_from(self) -> frozenset[str]:
        """Columns that `forward` mentions."""
        return _read(self.forward).columns

    @property
    def back(self) -> dict[str, str]:
        """Expression by column for the way back."""
        if isinstance(self.reverse, str):
            return {next(iter(self.comes_from)): self.reverse} if self.reverse else {}
        return dict(self.reverse)


def require_tables(names: Mapping[str, str]) -> Mapping[str, str]:
    """Accept `schema.table: schema.table` alone.

    Raises:
        ValueError: a name has no schema.
    """
    for name in (*names, *names.values()):
        if not _has_parts(name, 2):
            raise ValueError("both names as schema.table")
    return names


def require_columns(mapping: Mapping[str, ColumnRule]) -> Mapping[str, ColumnRule]:
    """Accept rules under `schema.table.column` alone.

    Raises:
        ValueError: a name is something else.
    """
    for name in mapping:
        if not _has_parts(name, 3):
            raise ValueError(f"columns as schema.table.column, not {name}")
    return mapping


def require_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Accept names with their schema alone.

    Raises:
        ValueError: a name has none.
    """
    for name in names:
        if not (_has_parts(name, 2) or _has_parts(name, 3)):
            raise ValueError(f"names with their schema, not {name}")
    return names


def _has_parts(name: str, count: int) -> bool:
    parts = name.split(".")
    return len(parts) == count and all(parts)


@dataclass(frozen=True, slots=True)
class Group:
    """Columns of one table that belong together.

    Attributes:
        forward: expression by column of green.
        reverse: expression by column that blue has too.
        given: columns that `forward` mentions.
    """

    forward: Mapping[str, str]
    reverse: Mapping[str, str]
    given: frozenset[str]


@dataclass(frozen=True, slots=True)
class TableRules:
    """All rules of one table.

    Attributes:
        types: type by column that is made where it is missing.
    """

    schema: str
    table: str
    groups: tuple[Group, ...]
    types: Mapping[str, str]

    @property
    def full_name(self) -> str:
        """`schema.table`."""
        return f"{self.schema}.{self.table}"

    @property
    def needed(self) -> frozenset[str]:
        """Columns that must be on green."""
        names = ({*g.forward, *g.reverse, *g.given} for g in self.groups)
        return frozenset().union(*names)


def rules_by_table(mapping: Mapping[str, ColumnRule]) -> tuple[TableRules, ...]:
    """Entries of a playbook, table by table. Pure."""
    tables: dict[tuple[str, str], dict[str, ColumnRule]] = {}
    for name, rule in mapping.items():
        schema, table, column = name.split(".", 2)
        tables.setdefault((schema, table), {})[column] = rule
    return tuple(
        TableRules(
            schema,
            table,
            tuple(map(_group, _together(rules))),
            {column: rule.type for column, rule in rules.items() if rule.type},
        )
        for (schema, table), rules in tables.items()
    )


def _together(rules: Mapping[str, ColumnRule]) -> list[dict[str, ColumnRule]]:
    """Rules that share a column of blue stand and fall together."""
    groups: list[tuple[set[str], dict[str, ColumnRule]]] = []
    for column, rule in rules.items():
        names, members = {*rule.comes_from, *rule.back}, {column: rule}
        for other in [g for g in groups if g[0] & names]:
            groups.remove(other)
            names, members = names | other[0], {**other[1], **members}
        groups.append((names, members))
    return [members for _, members in groups]


def _group(rules: Mapping[str, ColumnRule]) -> Group:
    back: dict[str, str] = {}
    for rule in rules.values():
        back |= rule.back
    given: Iterable[frozenset[str]] = (rule.comes_from for rule in rules.values())
    return Group(
        {column: rule.forward for column, rule in rules.items()},
        back,
        frozenset().union(*given),
    )


def _read(text: str) -> Expression:
    # The parser is heavy; a playbook without a mapping never needs it.
    from bluegreen.sql.one_expression import read_expression

    return read_expression(text)
