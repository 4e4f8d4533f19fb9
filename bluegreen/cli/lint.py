"""The verb `lint`: judge migration files before they run.

Owns the words of the call and the exit status. Which files there are is in
`lint_files.py`; what is wrong with SQL is for `lint/`, how findings look for
`report/lint_*.py`.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bluegreen.cli.lint_files import Migrator, reader_of, texts_of

if TYPE_CHECKING:
    from bluegreen.lint.config import Config
    from bluegreen.lint.engine import Report


class Format(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"
    JUNIT = "junit"


EXAMPLE = "Example: bluegreen lint migrations/*.sql --target-version 16"


_Paths = Annotated[
    list[str] | None,
    typer.Argument(
        help="Files and folders in the order in which they run, by default this "
        "folder; - is stdin."
    ),
]
_TargetVersion = Annotated[
    int | None,
    typer.Option(
        metavar="MAJOR",
        help="Major version to be safe on; without it, all of 13 to 18.",
    ),
]
_Transaction = Annotated[
    str | None,
    typer.Option(
        metavar="KIND",
        help="Transactions that the migration tool opens: file (one for each file), "
        "query (each file is sent as one query) or none.",
    ),
]
_Schema = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="SQL that ran before: a schema dump, applied migrations.",
    ),
]
_History = Annotated[
    bool,
    typer.Option(
        "--history",
        help="Take each file as a release: what an earlier one made is in use.",
    ),
]
_FailLevel = Annotated[
    str | None,
    typer.Option(
        metavar="LEVEL",
        help="Exit with 1 from this level on: info, warning or error.",
    ),
]
_ConfigFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Configuration file, instead of the nearest one."
    ),
]
_Enable = Annotated[
    list[str] | None,
    typer.Option(metavar="RULE", help="Turn on a rule that is off by default, or all."),
]
_Tool = Annotated[
    Migrator | None,
    typer.Option(
        metavar="TOOL",
        help="Read a folder, by default this one, as that tool would: "
        f"{', '.join(Migrator)}.",
    ),
]
_Revisions = Annotated[
    str,
    typer.Option(
        metavar="RANGE",
        help="Which migrations: for Alembic from:to, for Django app or app.name.",
    ),
]
_Dsn = Annotated[
    str | None,
    typer.Option(
        metavar="DSN",
        help="Server to ask for schema, sizes and rows that are in the way; it is "
        "only read. Passwords as ${env:NAME} or from pgpass.",
    ),
]


def lint(
    paths: _Paths = None,
    target_version: _TargetVersion = None,
    transaction: _Transaction = None,
    schema: _Schema = None,
    history: _History = False,
    fail_level: _FailLevel = None,
    format_: Annotated[
        Format, typer.Option("--format", help="How findings are printed.")
    ] = Format.TEXT,
    config: _ConfigFile = None,
    enable: _Enable = None,
    migrator: _Tool = None,
    revisions: _Revisions = "",
    dsn: _Dsn = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what every statement locks.")
    ] = False,
    fix: Annotated[
        bool,
        typer.Option(
            "--fix", help="Rewrite the files where the safe form is mechanical."
        ),
    ] = False,
    rules: Annotated[
        bool, typer.Option("--rules", help="List the rules and stop.")
    ] = False,
) -> None:
    """Check migration files: locks, rewrites, lost data, clients that still run."""
    # Trees are many small objects that die with their file, and nothing else is made
    # that would have to be looked for: that search costs a quarter of the run.
    gc.disable()
    if rules:
        _list_rules()
        return
    given = {
        "target-version": target_version,
        "transaction": transaction,
        "schema": schema,
        "history": history,
        "fail-level": fail_level,
        "enable": enable,
    }
    chosen = _config(config, given)
    reader = reader_of(migrator, paths or ["."], revisions)
    if migrator is not None and not transaction:
        chosen = _as_tool(migrator, chosen)
    texts = reader()
    if migrator is not None:
        chosen = _with_alone(migrator, chosen, texts)
    judge = _judge(chosen, dsn, explain=explain)
    report = judge(texts)
    if fix and _write(texts, report):
        texts = reader()
        report = judge(texts)
    sys.stdout.write(_printable(_render(report, format_, explain=explain)))
    raise typer.Exit(1 if report.fails(chosen.fail_level) else 0)


def _config(path: Path | None, given: Mapping[str, object]) -> Config:
    """The configuration with the words of the call over it."""
    from bluegreen.lint import config

    found = path or config.find(Path.cwd())
    base = config.load(found)
    words = {name: value for name, value in given.items() if value}
    over = config.parse(words, Path("the command line"))
    changed = {name.replace("-", "_") for name in words}
    picked = {name: value for name, value in over._asdict().items() if name in changed}
    return base._replace(**picked)


def _as_tool(migrator: Migrator, chosen: Config) -> Config:
    """The tool's own way with transactions; Alembic and Django print theirs."""
    from bluegreen.migrators.layouts import LAYOUTS

    layout = LAYOUTS.get(migrator)
    return chosen._replace(transaction=layout.transaction if layout else "none")


def _with_alone(migrator: Migrator, chosen: Config, names: Iterable[str]) -> Config:
    """The files around which the tool was told to open no transaction."""
    from bluegreen.migrators.layouts import runs_alone

    alone = frozenset(name for name in names if runs_alone(migrator, Path(name)))
    return chosen._replace(alone=alone)


def _judge(
    chosen: Config, dsn: str | None, *, explain: bool
) -> Callable[[dict[str, bytes]], Report]:
    """What judges a set of files: by themselves, or beside a server."""
    if dsn is not None:
        from bluegreen.cli.lint_dsn import beside_a_server

        return beside_a_server(dsn, chosen, explain=explain)

    def judge(texts: dict[str, bytes]) -> Report:
        return _report(texts, chosen, explain=explain)

    return judge


def _report(texts: dict[str, bytes], chosen: Config, *, explain: bool) -> Report:
    from bluegreen.lint.engine import check
    from bluegreen.lint.reading_ahead import read_all
    from bluegreen.lint.tracking.track import know
    from bluegreen.sql.source import read

    before = texts_of(list(chosen.schema))
    knowledge = know(read(name, text) for name, text in before.items())
    files = {name: text for name, text in texts.items() if name not in before}
    return check(read_all(files), chosen, knowledge, explain=explain)


def _write(texts: dict[str, bytes], report: Report) -> bool:
    """Write the safe forms; returns whether anything was written."""
    from bluegreen.lint.fix import fixed

    written = False
    for file in report.files:
        if not Path(file.name).is_file():
            continue
        bom, text = _without_bom(texts[file.name])
        if text is None:
            continue
        new, made = fixed(text, file.findings)
        if made:
            Path(file.name).write_bytes(bom + new.encode())
            _tell_written(file.name, made)
            written = True
    return written


def _tell_written(file: str, made: int) -> None:
    from bluegreen.model.counted import counted
    from bluegreen.model.progress import Progress
    from bluegreen.report.teller import make_teller

    forms = counted(made, "safe form")
    with make_teller("text") as teller:
        teller(Progress("file_fixed", f"{file}: {forms} written"))


def _without_bom(content: bytes) -> tuple[bytes, str | None]:
    """Offsets of edits count without the byte order mark; undecodable is left alone."""
    bom = content[:3] if content.startswith(b"\xef\xbb\xbf") else b""
    try:
        return bom, content[len(bom) :].decode("utf-8")
    except UnicodeDecodeError:
        return bom, None


def _render(report: Report, form: Format, *, explain: bool) -> str:
    match form:
        case Format.JSON:
            from bluegreen.report import lint_json

            return lint_json.render(report)
        case Format.SARIF:
            from bluegreen.report import lint_sarif

            return lint_sarif.render(report)
        case Format.GITHUB:
            from bluegreen.report import lint_github

            return lint_github.render(report)
        case Format.JUNIT:
            from bluegreen.report import lint_junit

            return lint_junit.render(report)
        case Format.TEXT:
            from bluegreen.report import lint_text

            return lint_text.render(report, explain=explain)


def _printable(text: str) -> str:
    """What stdout can encode; a broken terminal must not hide findings."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _list_rules() -> None:
    from bluegreen.lint.registry import SUBJECTS
    from bluegreen.lint.rule import level_of
    from bluegreen.report.page import Part, columns, write

    page: list[Part] = []
    for subject, found in SUBJECTS.items():
        page.append(subject)
        page += columns(
            (one.id, level_of(one.severity) + ", off" * one.off, one.name)
            for one in found
        )
    write(page, sys.stdout)
