"""Runs the rules over a set of files. Pure: text and knowledge in, a report out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from functools import lru_cache
from typing import NamedTuple

from bluegreen.lint import ignores as inline
from bluegreen.lint.config import Config
from bluegreen.lint.effects.effect import NO_EFFECT, Effect
from bluegreen.lint.questions import Question, questions
from bluegreen.lint.registry import RULES, by_kind
from bluegreen.lint.rule import LintFinding, Rule, SafeForm
from bluegreen.lint.strategy import Signs, Strategy, whole
from bluegreen.lint.tracking import track
from bluegreen.lint.tracking.state import State
from bluegreen.model.finding import Severity
from bluegreen.sql.knowledge import NOTHING, Knowledge
from bluegreen.sql.ops import Kind, Op
from bluegreen.sql.reading.statements import ops
from bluegreen.sql.search_path import homed
from bluegreen.sql.source import Source, Statement

# Marks by which migration tools are told to open no transaction.
_NO_TRANSACTION = (
    r"(?im)^--\s*(atlas:txmode none|\+goose no transaction|migrate:up transaction:false"
    r"|\+migrate notransaction|flyway:executeintransaction=false"
    r"|postgres-migrations disable-transaction|!\s*no-transaction)"
)
# Findings about ignores cannot themselves be ignored.
_NEVER_IGNORED = frozenset({"unknown-ignore", "ignore-without-reason", "unused-ignore"})


class Explained(NamedTuple):
    """A statement and what it does to others."""

    line: int
    text: str
    effects: tuple[Effect, ...]


class FileReport(NamedTuple):
    """What was found in one file; `ignored` holds what an ignore hides."""

    name: str
    strategy: Strategy
    findings: tuple[LintFinding, ...]
    ignored: tuple[LintFinding, ...] = ()
    statements: tuple[Explained, ...] = ()


class Report(NamedTuple):
    """What was found in all files.

    Attributes:
        files: in the order in which they run.
        questions: what the statements ask of the rows that are there.
    """

    files: tuple[FileReport, ...] = ()
    questions: tuple[Question, ...] = ()

    @property
    def findings(self) -> tuple[LintFinding, ...]:
        """All findings that count, in order."""
        return tuple(found for file in self.files for found in file.findings)

    @property
    def strategy(self) -> Strategy:
        """The riskiest strategy of the files."""
        return whole(file.strategy for file in self.files)

    def fails(self, severity: Severity) -> bool:
        """Whether a finding is as grave, or graver."""
        return any(f.severity.rank >= severity.rank for f in self.findings)


def check(
    sources: Iterable[Source],
    config: Config | None = None,
    knowledge: Knowledge = NOTHING,
    *,
    explain: bool = False,
) -> Report:
    """Lint a set of files, in the order in which they run.

    Args:
        sources: the files.
        config: the project's settings.
        knowledge: what is known of the database.
        explain: whether to report the effects of every statement.
    """
    run = Run(config or Config(), knowledge, explain)
    files = tuple(run.file(source) for source in sources)
    return Report(files, tuple(run.asked))


@lru_cache(maxsize=16)
def _rules(
    enabled: tuple[str, ...], *, whole: bool, named: bool, chosen: bool
) -> Mapping[Kind, tuple[Rule, ...]]:
    """The rules that can speak: some need a database, patterns or a target version."""
    everything = "all" in enabled
    return by_kind(
        rule
        for rule in RULES.values()
        if (everything or not rule.off or rule.id in enabled)
        and (whole or rule.rows is None)
        and (named or not rule.names)
        and (chosen or not rule.target)
    )


class Run:
    """One pass over a set. Holds the state that goes from file to file."""

    def __init__(self, config: Config, knowledge: Knowledge, explain: bool) -> None:
        self.config = config
        self.explain = explain
        if config.timezone:
            knowledge = knowledge._replace(timezone=config.timezone)
        self.state = State(knowledge, config.versions, config.settings, config.names)
        self.state.history = config.history
        self.rules = _rules(
            config.enable,
            whole=knowledge.whole,
            named=bool(config.names),
            chosen=config.versions.chosen,
        )
        self.told: set[str] = set()
        self.asked: dict[Question, None] = {}

    def file(self, source: Source) -> FileReport:
        """Lint one file."""
        wrapped = self.config.transaction == "file" or (
            self.config.transaction == "query" and len(source.statements) > 1
        )
        wrapped = wrapped and source.name not in self.config.alone
        wrapped = wrapped and not _mark(_NO_TRANSACTION, source)
        track.open_file(self.state, source, in_transaction=wrapped)
        page = _Page(source, self.config)
        page.faults()
        signs = Signs()
        explained = []
        for statement in _forward(source):
            effects = self._statement(statement, page, signs)
            if self.explain:
                line, text = statement.line, statement.text
                explained.append(Explained(line, text, tuple(effects)))
        end = Op(Kind.END_OF_FILE, len(source.text.rstrip()))
        self._op(end, [end], page, None, signs)
        track.close_file(self.state)
        page.ignore_faults()
        found = tuple(sorted(page.found, key=lambda f: (f.line, f.column, f.id)))
        hidden = tuple(page.hidden)
        return FileReport(source.name, signs.strategy, found, hidden, tuple(explained))

    def _statement(
        self, statement: Statement, page: _Page, signs: Signs
    ) -> list[Effect]:
        found = self.state.where_written(ops(statement))
        if self.state.knowledge.whole:
            found = [homed(op, self.state.knowledge.schema) for op in found]
        self.state.statement = statement
        return [self._op(op, found, page, statement, signs) for op in found]

    def _op(
        self,
        op: Op,
        siblings: list[Op],
        page: _Page,
        statement: Statement | None,
        signs: Signs,
    ) -> Effect:
        state = self.state
        effect = track.look(state, op, siblings)
        if state.knowledge.whole:
            self.asked.update(dict.fromkeys(questions(op, state)))
        for rule in self.rules.get(op.kind, ()):
            message = rule.condition(op, state)
            if message and not self._has_spoken(rule):
                safe = rule.fix(op, state) if rule.fix else None
                severity = _sized(rule, op, state, self.config)
                size = _size(rule, op, state)
                page.add(rule, severity, message, op.at, statement, effect, safe, size)
        signs.note(op, state)
        track.apply(state, op)
        return effect

    def _has_spoken(self, rule: Rule) -> bool:
        """Whether the rule speaks once and has; from now on it has."""
        if not rule.once:
            return False
        told = self._told(rule)
        spoken = rule.id in told
        told.add(rule.id)
        return spoken

    def _told(self, rule: Rule) -> set[str]:
        if rule.once == "set":
            return self.told
        state = self.state
        if rule.once == "transaction" and state.transaction is not None:
            return state.transaction.told
        return state.file.told


def _forward(source: Source) -> Sequence[Statement]:
    """The statements of the way up, where the file holds both."""
    end = source.way_down
    return [s for s in source.statements if s.at < end]


def _mark(pattern: str, source: Source) -> re.Match[str] | None:
    # Files without comments are common, and this look at them is by far the faster.
    return re.search(pattern, source.text) if "--" in source.text else None


def _sized(rule: Rule, op: Op, state: State, config: Config) -> Severity:
    known = state.table(op.table) if op.table else None
    if not rule.sized or known is None or known.rows is None:
        return rule.severity
    busy = known.writes is not None and known.writes >= config.busy_table
    if known.rows < config.small_table:
        if not busy or rule.severity is Severity.INFO:
            return Severity.INFO
        return Severity.WARNING
    large = busy or known.rows >= config.large_table
    return Severity.CRITICAL if large else rule.severity


def _size(rule: Rule, op: Op, state: State) -> str:
    known = state.table(op.table) if op.table else None
    if not rule.sized or known is None or known.rows is None:
        return ""
    rows = f"{op.table} has about {known.rows:,} row{'' if known.rows == 1 else 's'}"
    if known.writes is None:
        return rows
    return f"{rows}, {known.writes:,.1f} are written a second"


def _alike(name: str) -> str:
    from difflib import get_close_matches

    found = get_close_matches(name, RULES, n=1)
    return f"; is it {found[0]}?" if found else ""


class _Page:
    """Collects the findings of one file and holds them against its ignores."""

    def __init__(self, source: Source, config: Config) -> None:
        self.source = source
        self.ignores = inline.find(source)
        self.by_config = [i for i in config.ignore if fnmatch(source.name, i.path)]
        self.found: list[LintFinding] = []
        self.hidden: list[LintFinding] = []

    def add(
        self,
        rule: Rule,
        severity: Severity,
        message: str,
        at: int,
        statement: Statement | None,
        effect: Effect = NO_EFFECT,
        safe: SafeForm | None = None,
        size: str = "",
    ) -> None:
        """Note a finding, or note that it is ignored."""
        finding = self._finding(rule, severity, message, at, statement, effect)
        if safe or size:
            finding = replace(finding, safe=safe, size=size)
        index = statement.index if statement else -1
        ignore = inline.hiding(self.ignores, rule.id, index, _NEVER_IGNORED)
        if ignore:
            self.hidden.append(replace(finding, reason=ignore.reason))
            return
        for configured in self.by_config:
            if configured.rule == rule.id and rule.id not in _NEVER_IGNORED:
                self.hidden.append(replace(finding, reason=configured.reason))
                return
        self.found.append(finding)

    def _finding(
        self,
        rule: Rule,
        severity: Severity,
        message: str,
        at: int,
        statement: Statement | None,
        effect: Effect,
    ) -> LintFinding:
        line, column = self.source.place(at)
        text = self.source.line_text(line)
        end = statement.end if statement else at + 1
        length = max(1, min(end - at, len(text) - column + 1))
        return LintFinding(
            id=rule.id,
            where=f"{self.source.name}:{line}:{column}",
            severity=severity,
            seen=message,
            why=rule.why,
            fix=rule.workaround,
            file=self.source.name,
            line=line,
            column=column,
            length=length,
            source_line=text,
            effect=effect,
        )

    def faults(self) -> None:
        """What could not be read, as findings."""
        for problem in self.source.problems:
            rule = RULES[problem.fault]
            self.add(rule, rule.severity, problem.message, problem.at, None)

    def ignore_faults(self) -> None:
        """Ignores that name no rule, give no reason, or hide nothing."""
        for ignore in self.ignores:
            for name in ignore.rules or ("",):
                if name not in RULES:
                    message = f"there is no rule {name!r}{_alike(name)}"
                    self._fault("unknown-ignore", message, ignore.at)
                elif not ignore.reason:
                    message = f"why may {name} be ignored here?"
                    self._fault("ignore-without-reason", message, ignore.at)
                elif name not in ignore.used:
                    message = f"{name} has found nothing here"
                    self._fault("unused-ignore", message, ignore.at)

    def _fault(self, rule_id: str, message: str, at: int) -> None:
        rule = RULES[rule_id]
        self.add(rule, rule.severity, message, at, None)
