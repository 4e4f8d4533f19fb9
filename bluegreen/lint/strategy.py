"""How a migration goes about its change: the strategy of each file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bluegreen.lint.effects.effect import Rewrite
from bluegreen.lint.tracking.state import State
from bluegreen.sql.expressions import always_true, is_null
from bluegreen.sql.ops import Column, Kind, Op


class Strategy(StrEnum):
    """The ways to change a schema under running clients."""

    ADDITIVE = "additive-only"
    EXPAND_CONTRACT = "expand-contract"
    PARALLEL = "parallel change"
    LAZY = "lazy"
    BIG_BANG = "big bang"


@dataclass(slots=True, eq=False)
class Signs:
    """What a file was seen to do; `strategy` weighs it."""

    breaks: bool = False
    contracts: bool = False
    writes_both: bool = False
    fills: bool = False
    defers: bool = False
    adds_column: bool = False

    def note(self, op: Op, state: State) -> None:
        """Take in one op, before it is applied."""
        if op.kind not in _SIGNS or (op.table and not state.filled(op.table)):
            return
        rewrites = state.effect.rewrite is Rewrite.HEAP and state.effect.sure
        changes = op.kind in (Kind.UPDATE, Kind.DELETE)
        at_once = changes and always_true(op.expr)
        self.breaks |= rewrites or at_once or _breaks(op)
        self.contracts |= op.kind in _CONTRACTS or _drops(op)
        self.writes_both |= op.kind is Kind.CREATE_TRIGGER
        self.fills |= changes and not at_once
        self.adds_column |= op.kind is Kind.ADD_COLUMN
        unproved = op.constraint is not None and not op.constraint.valid
        self.defers |= unproved and op.kind is Kind.ADD_CONSTRAINT

    @property
    def strategy(self) -> Strategy:
        """The strategy, the riskiest sign first."""
        if self.breaks or (self.contracts and self.adds_column):
            return Strategy.BIG_BANG
        if self.writes_both:
            return Strategy.PARALLEL
        if self.contracts:
            return Strategy.EXPAND_CONTRACT
        if self.fills and self.adds_column:
            return Strategy.EXPAND_CONTRACT
        if self.fills or self.defers:
            return Strategy.LAZY
        return Strategy.ADDITIVE


_BREAKING = frozenset(
    {Kind.RENAME, Kind.SET_SCHEMA, Kind.TRUNCATE, Kind.RENAME_ENUM_VALUE}
)
_CONTRACTS = frozenset(
    {Kind.DROP_COLUMN, Kind.SET_NOT_NULL, Kind.VALIDATE_CONSTRAINT}
    | {Kind.DROP_CONSTRAINT}
)


_SIGNS = (
    _BREAKING
    | _CONTRACTS
    | {Kind.UPDATE, Kind.DELETE, Kind.DROP, Kind.CREATE_TRIGGER, Kind.ADD_COLUMN}
    | {Kind.ADD_CONSTRAINT, Kind.ALTER_TYPE, Kind.SET_EXPRESSION, Kind.SET_LOGGED}
    | {Kind.SET_UNLOGGED, Kind.SET_ACCESS_METHOD, Kind.SET_TABLESPACE, Kind.CLUSTER}
    | {Kind.VACUUM}
)


def _breaks(op: Op) -> bool:
    harmless = ("index", "constraint")
    if op.kind is Kind.DROP:
        return op.what in ("schema", "database", "owned")
    if op.kind is Kind.ADD_COLUMN:
        return op.column is not None and _required(op.column)
    return op.kind in _BREAKING and op.what not in harmless


def _required(column: Column) -> bool:
    """Whether INSERTs that do not know the column fail from now on."""
    fills_itself = column.serial or column.identity or column.generated
    given = column.default is not None and not is_null(column.default)
    return column.not_null and not given and not fills_itself


def _drops(op: Op) -> bool:
    return op.kind is Kind.DROP and op.what != "index"


def whole(strategies: Iterable[Strategy]) -> Strategy:
    """The strategy of a set: the riskiest of its files."""
    return max(strategies, key=list(Strategy).index, default=Strategy.ADDITIVE)
