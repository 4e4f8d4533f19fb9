"""The record that a rule is, and the finding that it makes.

The docs page and the tests of a rule come from the same record, so a rule that does not
fire on its own bad example cannot exist.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from bluegreen.lint.effects.effect import NO_EFFECT, Effect
from bluegreen.lint.tracking.state import State
from bluegreen.model.finding import Finding, Severity
from bluegreen.sql.ops import Kind, Op

LEVELS = {
    "info": Severity.INFO,
    "warning": Severity.WARNING,
    "error": Severity.CRITICAL,
}
"""The severities in the words of linters, which configurations and reports use."""


def level_of(severity: Severity) -> str:
    """`info`, `warning` or `error`."""
    return next(word for word, one in LEVELS.items() if one is severity)


class Edit(NamedTuple):
    """Put `text` in place of the characters from `at` to `end`."""

    at: int
    end: int
    text: str


class SafeForm(NamedTuple):
    """How the statement would be written safely.

    Attributes:
        sql: the whole of it, to be printed.
        edits: what `--fix` writes; empty where a person must split files or decide.
    """

    sql: str
    edits: tuple[Edit, ...] = ()


Condition = Callable[[Op, State], str | None]
Fix = Callable[[Op, State], SafeForm | None]


class Rule(NamedTuple):
    """One rule.

    Attributes:
        id: stable, kebab-case; what ignores name.
        name: one line, as a heading.
        severity: of its findings, before sizes are known.
        kinds: ops that it looks at.
        condition: the message when the op is wrong, None when it is not.
        effect: the lock, rewrite or scan it is about, and on which versions.
        why: what goes wrong, for whom.
        workaround: what to do instead.
        bad: SQL on which it fires; `-- file: name` lines part it into files.
        good: SQL on which it does not.
        fix: the safe form, where it can be written mechanically.
        once: fires at most once per `file`, `transaction` or `set`; empty: every time.
        sized: whether a small table makes it harmless, and a large one worse.
        off: whether it must be asked for.
        also: rules that its bad example cannot help but break.
        transaction: how the examples run: `none`, or `file` (one for each file).
        timeouts: whether the examples run in a session that sets its timeouts.
        known: schema that exists before the examples.
        target: major version that the examples are for; 0: all.
        names: patterns of names that the examples must match.
        rows: how many rows answer the questions of the examples, in a database that is
            known whole; -1: it could not be seen, None: no database is asked.
    """

    id: str
    name: str
    severity: Severity
    kinds: frozenset[Kind]
    condition: Condition
    effect: str
    why: str
    workaround: str
    bad: str
    good: str
    fix: Fix | None = None
    once: str = ""
    sized: bool = False
    off: bool = False
    also: frozenset[str] = frozenset()
    transaction: str = "none"
    timeouts: bool = True
    known: str = ""
    target: int = 0
    names: Mapping[str, str] = MappingProxyType({})
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class LintFinding(Finding):
    """A rule broken at a place of a file.

    Attributes:
        id: the rule's.
        where: `file:line:column`.
        line: from 1.
        column: from 1, in characters.
        length: characters to underline on that line.
        source_line: the line as written.
        size: how large and how busy the table is, where a server told.
        reason: why it is ignored; empty when it counts.
    """

    file: str = ""
    line: int = 1
    column: int = 1
    length: int = 1
    source_line: str = ""
    effect: Effect = NO_EFFECT
    safe: SafeForm | None = None
    reason: str = ""
    size: str = ""

    @property
    def level(self) -> str:
        """Its severity in the words of linters."""
        return level_of(self.severity)


def on(*kinds: Kind) -> frozenset[Kind]:
    """The kinds that a rule looks at."""
    return frozenset(kinds)


def never(_op: Op, _state: State) -> str | None:
    """The condition of rules that the engine itself finds broken."""
    return None
