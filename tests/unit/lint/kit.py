"""What the lint tests share."""

from __future__ import annotations

import re
from functools import lru_cache

from bluegreen.lint.config import Config
from bluegreen.lint.engine import Report, check
from bluegreen.lint.questions import Answer
from bluegreen.lint.rule import Rule
from bluegreen.lint.tracking.track import know
from bluegreen.sql.knowledge import Knowledge
from bluegreen.sql.source import Source, read

QUIET = {"lock_timeout": "2s", "statement_timeout": "5s"}


def files(text: str) -> list[Source]:
    """Part an example at its `-- file:` lines."""
    parts = re.split(r"^-- file: (\S+)\n", text, flags=re.M)
    named = [("1.sql", parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]
    return [read(name, sql) for name, sql in named]


def known(sql: str, **more: object) -> Knowledge:
    return know([read("schema.sql", sql)], **more)  # type: ignore[arg-type]


def lint(sql: str, schema: str = "", **config: object) -> Report:
    config.setdefault("settings", QUIET)
    return check(files(sql), Config(**config), known(schema))  # type: ignore[arg-type]


@lru_cache(maxsize=4)
def all_there_is(schema: str) -> Knowledge:
    return known(schema, whole=True)


def lint_whole(sql: str, schema: str, **config: object) -> Report:
    """The same where the schema is all that there is."""
    config.setdefault("settings", QUIET)
    knowledge = all_there_is(schema)
    return check(files(sql), Config(**config), knowledge)  # type: ignore[arg-type]


def fired(sql: str, schema: str = "", **config: object) -> list[str]:
    return [finding.id for finding in lint(sql, schema, **config).findings]


def answered(rule: Rule, sql: str) -> list[str]:
    """The same where a database is asked, and every answer is the rule's."""
    whole = known(rule.known, whole=True)
    asked = check(files(sql), Config(settings=QUIET), whole).questions
    rows = None if rule.rows == -1 else rule.rows
    answers = {question: Answer(rows, why="it took too long") for question in asked}
    report = check(files(sql), Config(settings=QUIET), whole._replace(answers=answers))
    return [finding.id for finding in report.findings]


def example(rule: Rule, sql: str) -> list[str]:
    """The rules that an example of a rule breaks."""
    if rule.rows is not None:
        return answered(rule, sql)
    return fired(
        sql,
        rule.known,
        transaction=rule.transaction,
        enable=(rule.id,) if rule.off else (),
        settings=QUIET if rule.timeouts else {},
        target_version=rule.target or None,
        names=rule.names,
    )
