"""What a project says about its migrations, in `pyproject.toml` or its own file.

Owns the fields and where they are looked for. Words of the command line go over them
in `cli/lint.py`. Read by hand and not by pydantic, whose import takes longer than
linting a hundred files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from bluegreen.lint.registry import RULES
from bluegreen.lint.rule import LEVELS
from bluegreen.lint.tracking.state import FIRST_VERSION, LAST_VERSION, Versions
from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused
from bluegreen.model.finding import Severity

OWN_FILE = ".bluegreen-lint.toml"
# Below this a scan or rewrite takes about as long as the statement itself.
SMALL_TABLE_ROWS = 10_000
# From here on a scan takes seconds on any machine.
LARGE_TABLE_ROWS = 1_000_000
# Written so often, a table has clients waiting the moment that it is locked.
BUSY_TABLE_WRITES = 10
# As long as a person waits for an answer about one statement.
PROBE_SECONDS = 5


class Ignore(NamedTuple):
    """A rule that does not count under a path, and why."""

    rule: str
    reason: str
    path: str = "*"


class Config(NamedTuple):
    """Everything that can be set.

    Attributes:
        target_version: major version; None stands for all of 13 to 18.
        transaction: what the migration tool opens: `file`, one for each; `query`, where
            it sends each file as one query, which is a transaction when it has several
            statements; or `none`.
        fail_level: findings from this level on make the exit status 1.
        enable: rules that are off by default, or `all`.
        ignore: rules that do not count under a path.
        settings: what the session has set before the files run, e.g. lock_timeout.
        schema: SQL files that ran before: a dump, the migrations already applied.
        history: whether the files ran one by one, as releases of their own. Then only
            the file that makes a table may do with it what it likes; else all files
            may, for they run in one go, before clients use the table.
        alone: files around which the tool opens no transaction though it does so
            around others.
        timezone: TimeZone that migrations run with.
        names: regular expressions that new names must match, by sort of object.
        small_table: rows below which what only hurts big tables is worth a note.
        large_table: rows from which a warning about a scan is an error.
        busy_table: rows written a second from which a table counts as a large one.
        probe_seconds: how long one look at rows may take, with `--dsn`.
    """

    target_version: int | None = None
    transaction: str = "none"
    fail_level: Severity = Severity.WARNING
    enable: tuple[str, ...] = ()
    ignore: tuple[Ignore, ...] = ()
    settings: Mapping[str, str] = MappingProxyType({})
    schema: tuple[str, ...] = ()
    history: bool = False
    alone: frozenset[str] = frozenset()
    timezone: str = ""
    names: Mapping[str, str] = MappingProxyType({})
    small_table: int = SMALL_TABLE_ROWS
    large_table: int = LARGE_TABLE_ROWS
    busy_table: int = BUSY_TABLE_WRITES
    probe_seconds: int = PROBE_SECONDS

    @property
    def versions(self) -> Versions:
        """The versions to be safe on."""
        chosen = self.target_version
        return Versions(chosen, chosen) if chosen else Versions()


def _version(value: Any) -> int:
    version = _number(value)
    if not FIRST_VERSION <= version <= LAST_VERSION:
        raise ValueError(f"known versions are {FIRST_VERSION} to {LAST_VERSION}")
    return version


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value


def _transaction(value: Any) -> str:
    if value not in ("file", "query", "none"):
        raise ValueError(f"{value!r} is not file, query or none")
    return str(value)


def _yes(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is not true or false")  # noqa: TRY004
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")  # noqa: TRY004
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is not a list")  # noqa: TRY004
    return tuple(_text(item) for item in value)


def known_rule(name: str) -> str:
    """The name, when a rule has it.

    Raises:
        ValueError: none has.
    """
    if name not in RULES:
        raise ValueError(f"there is no rule {name!r}")
    return name


def _enable(value: Any) -> tuple[str, ...]:
    return tuple(name if name == "all" else known_rule(name) for name in _texts(value))


def _settings(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is not a table")  # noqa: TRY004
    return {name.lower(): str(setting) for name, setting in value.items()}


NAMED = ("table", "column", "index", "constraint", "trigger", "view", "sequence")


def _names(value: Any) -> dict[str, str]:
    import re

    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is not a table")  # noqa: TRY004
    for sort, text in value.items():
        if sort not in NAMED:
            raise ValueError(f"{sort} is none of {', '.join(NAMED)}")
        try:
            re.compile(_text(text))
        except re.error as error:
            raise ValueError(f"{text!r} is no regular expression: {error}") from None
    return dict(value)


def _ignores(value: Any) -> tuple[Ignore, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is not a list of tables")  # noqa: TRY004
    return tuple(_ignore(item) for item in value)


def _ignore(item: Any) -> Ignore:
    if not isinstance(item, dict) or not item.keys() <= {"rule", "reason", "path"}:
        raise ValueError(f"{item!r} must have rule, reason and, at will, path")
    rule = known_rule(_text(item.get("rule", "")))
    reason = _text(item.get("reason", "")).strip()
    if not reason:
        raise ValueError(f"why may {rule} be ignored? give a reason")
    return Ignore(rule, reason, _text(item.get("path", "*")))


def _level(value: Any) -> Severity:
    try:
        return LEVELS[_text(value).lower()]
    except KeyError:
        raise ValueError(f"{value!r} is not info, warning or error") from None


_FIELDS: dict[str, tuple[str, Callable[[Any], object]]] = {
    "target-version": ("target_version", _version),
    "transaction": ("transaction", _transaction),
    "fail-level": ("fail_level", _level),
    "enable": ("enable", _enable),
    "ignore": ("ignore", _ignores),
    "settings": ("settings", _settings),
    "schema": ("schema", _texts),
    "history": ("history", _yes),
    "timezone": ("timezone", _text),
    "names": ("names", _names),
    "small-table": ("small_table", _number),
    "large-table": ("large_table", _number),
    "busy-table": ("busy_table", _number),
    "probe-seconds": ("probe_seconds", _number),
}


def find(start: Path) -> Path | None:
    """The nearest configuration at or above a folder; the own file goes first."""
    for folder in (start, *start.parents):
        if (own := folder / OWN_FILE).is_file():
            return own
        project = folder / "pyproject.toml"
        if project.is_file() and b"[tool.bluegreen.lint" in project.read_bytes():
            return project
    return None


def load(path: Path | None) -> Config:
    """Read a configuration; None gives the defaults.

    Raises:
        PlaybookRefused: BG-2003, naming the file and the field.
    """
    if path is None:
        return Config()
    import tomllib

    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _refused(path, str(error)) from error
    if path.name == "pyproject.toml":
        content = content.get("tool", {}).get("bluegreen", {}).get("lint", {})
    return parse(content, path)


def parse(content: Mapping[str, Any], path: Path) -> Config:
    """Check a configuration that was read.

    Raises:
        PlaybookRefused: BG-2003, naming the file and every wrong field.
    """
    values: dict[str, Any] = {}
    faults = []
    for name, value in content.items():
        if name not in _FIELDS:
            faults.append(f"{name}: there is no such field")
            continue
        attribute, read = _FIELDS[name]
        try:
            values[attribute] = read(value)
        except ValueError as error:
            faults.append(f"{name}: {error}")
    if faults:
        raise _refused(path, "\n".join(faults))
    return Config(**values)


def _refused(path: Path, seen: str) -> PlaybookRefused:
    return PlaybookRefused(
        Code.PLAYBOOK_NOT_VALID,
        f"the lint configuration in {path} cannot be used",
        seen=seen,
        wanted="the fields of docs/lint/configuration.md",
        hint="is the rule spelt as in `bluegreen lint --rules`, with a reason?",
    )
