"""Migration files tried in a throw-away database that holds blue's schema, no rows.

Owns which statements are tried, and going on after a refusal. Only what changes the
schema of one database is run: nothing that reads or writes rows, calls a function or
runs a block, as these may reach out of the database; nothing that belongs to the whole
server. The throw-away database is `postgres/schema/`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bluegreen.migrators.script import Part, Script
from bluegreen.postgres.database import Database
from bluegreen.postgres.statement_text import shown
from bluegreen.postgres.user_session import RefusedBySql, UserSession, user_session

_TRIED_KINDS = """
AlterCollationStmt AlterDefaultPrivilegesStmt AlterDomainStmt AlterEnumStmt
AlterFunctionStmt AlterObjectDependsStmt AlterObjectSchemaStmt AlterOperatorStmt
AlterOpFamilyStmt AlterOwnerStmt AlterPolicyStmt AlterSeqStmt AlterStatsStmt
AlterTableStmt AlterTSConfigurationStmt AlterTSDictionaryStmt AlterTypeStmt
CommentStmt CompositeTypeStmt ConstraintsSetStmt CreateCastStmt
CreateConversionStmt CreateDomainStmt CreateEnumStmt CreateExtensionStmt
CreateForeignTableStmt CreateFunctionStmt CreateOpClassStmt CreateOpFamilyStmt
CreatePolicyStmt CreateRangeStmt CreateSchemaStmt CreateSeqStmt CreateStatsStmt
CreateStmt CreateTableAsStmt CreateTransformStmt CreateTrigStmt DefineStmt DropStmt
GrantStmt IndexStmt RenameStmt RuleStmt VariableSetStmt ViewStmt
"""
_TRIED = frozenset(_TRIED_KINDS.split())

_KINDS_THAT_MAKE_NOTHING = """
CheckPointStmt ClusterStmt CopyStmt DeleteStmt DiscardStmt InsertStmt LockStmt
MergeStmt NotifyStmt RefreshMatViewStmt ReindexStmt TransactionStmt TruncateStmt
UpdateStmt VacuumStmt VariableShowStmt
"""
_MAKES_NOTHING = frozenset(_KINDS_THAT_MAKE_NOTHING.split())

_OF_THE_SERVER = frozenset(
    {
        "OBJECT_DATABASE",
        "OBJECT_PARAMETER_ACL",
        "OBJECT_ROLE",
        "OBJECT_SUBSCRIPTION",
        "OBJECT_TABLESPACE",
    }
)
_OBJECT_KEYS = ("objtype", "objectType", "renameType", "object_type", "removeType")

_MAY_HANG_ON = frozenset(
    {
        "42P01",  # no such table
        "42704",  # no such object
        "42883",  # no such function
        "42703",  # no such column
        "3F000",  # no such schema
        "42P07",  # a table is there already
        "42710",  # an object
        "42723",  # a function
        "42701",  # a column
        "42P06",  # a schema
        "2BP01",  # others depend on it
    }
)
"""What a statement says that needs another one to have run."""

_WITH_DATA = re.compile(r"\bwith\s+(?:no\s+)?data\s*\Z", re.IGNORECASE)

_LONGEST = timedelta(minutes=1)
"""Without rows no change of a schema takes long."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A statement of a file that green refused.

    Attributes:
        place: `file:line`.
        said: the server's words.
        statement: as an error shows it.
    """

    place: str
    said: str
    statement: str


@dataclass(slots=True)
class Tried:
    """What came of it.

    Attributes:
        refused: statements that a run would stop at.
        unsure: those that may have needed what was not tried, or what was refused.
        tried: how many statements green took.
        left_out: how many were not tried.
    """

    refused: list[Refused] = field(default_factory=list)
    unsure: list[Refused] = field(default_factory=list)
    tried: int = 0
    left_out: int = 0


def try_scripts(database: Database, scripts: Iterable[Script]) -> Tried:
    """Run the files' changes of the schema, going on after each refusal.

    Args:
        database: a throw-away one; it is changed.
        scripts: in order.
    """
    tried = Tried()
    for script in scripts:
        with user_session(
            database, lock_timeout=_LONGEST, statement_timeout=_LONGEST
        ) as session:
            _Attempt(session, script, tried).run()
    return tried


@dataclass(slots=True)
class _Attempt:
    session: UserSession
    script: Script
    tried: Tried
    hangs: bool = False
    """Something was left out or refused that later statements may need."""

    def run(self) -> None:
        self.hangs = bool(self.tried.refused or self.tried.left_out)
        whole = self.session.transaction() if self.script.together else nullcontext()
        with whole:
            for part in self.script.parts:
                self._one(part)

    def _one(self, part: Part) -> None:
        text, makes = _to_try(part)
        if not text:
            self.tried.left_out += makes
            self.hangs |= makes
            return
        try:
            with nullcontext() if part.alone else self.session.transaction():
                self.session.run(text)
            self.tried.tried += 1
        except RefusedBySql as error:
            self._refused(part, error)

    def _refused(self, part: Part, error: RefusedBySql) -> None:
        refused = Refused(
            f"{self.script.name}:{part.line_at(error.at)}",
            error.message,
            shown(part.text),
        )
        hangs = self.hangs and error.sqlstate in _MAY_HANG_ON
        is_extension = _tree(part.text)[0] == "CreateExtensionStmt"
        told = self.tried.unsure if hangs or is_extension else self.tried.refused
        told.append(refused)
        self.hangs = True


def _to_try(part: Part) -> tuple[str, bool]:
    """What is run of a statement, and whether what is not run may be needed later."""
    kind, tree = _tree(part.text)
    if part.transaction or kind in _MAKES_NOTHING:
        return "", False
    if kind not in _TRIED or _is_of_the_server(tree):
        return "", True
    if kind == "CreateTableAsStmt":
        # With rows it would run its query.
        return f"{_WITH_DATA.sub('', part.text.rstrip())} WITH NO DATA", True
    return part.text, True


def _is_of_the_server(tree: Mapping[str, Any]) -> bool:
    return any(tree.get(key) in _OF_THE_SERVER for key in _OBJECT_KEYS)


def _tree(text: str) -> tuple[str, Mapping[str, Any]]:
    # The parser is heavy, and a rollback never needs it.
    from bluegreen.sql.source import read

    statements = read("", text).statements
    return (statements[0].kind, statements[0].tree) if statements else ("", {})
