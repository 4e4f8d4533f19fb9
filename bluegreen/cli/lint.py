"""The verb `lint`: judge migration files before they run.

Owns finding the files, the words of the call and the exit status. What is wrong with
SQL is for `lint/`, how findings look for `report/lint_*.py`.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused

if TYPE_CHECKING:
    from bluegreen.lint.config import Config
    from bluegreen.lint.engine import Report

STDIN = "-"
_STDIN_NAME = "<stdin>"


class Format(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"
    JUNIT = "junit"


class Migrator(StrEnum):
    """Tools whose migrations can be read."""

    ALEMBIC = "alembic"
    ATLAS = "atlas"
    DBMATE = "dbmate"
    DJANGO = "django"
    DRIZZLE = "drizzle"
    FLYWAY = "flyway"
    GOLANG_MIGRATE = "golang-migrate"
    GOOSE = "goose"
    PRISMA = "prisma"
    SQITCH = "sqitch"


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
        typer.echo(_rule_list(), nl=False)
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
    reader = _reader(migrator, paths or ["."], revisions)
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


def _reader(
    migrator: Migrator | None, paths: list[str], revisions: str
) -> Callable[[], dict[str, bytes]]:
    """What reads the SQL, by its name and in order."""
    if migrator is None:
        return lambda: _texts(paths)
    from bluegreen.migrators.printed import PRINTERS

    if migrator in PRINTERS:
        return lambda: _printed(migrator, paths, revisions)
    return lambda: _laid_out(migrator, paths)


def _laid_out(migrator: Migrator, paths: list[str]) -> dict[str, bytes]:
    from bluegreen.migrators.layouts import forward_files

    found = [file for path in paths for file in forward_files(migrator, Path(path))]
    return {str(file): _bytes(file) for file in found}


def _printed(migrator: Migrator, paths: list[str], revisions: str) -> dict[str, bytes]:
    from bluegreen.migrators.printed import printed

    texts: dict[str, bytes] = {}
    for path in paths:
        texts |= printed(migrator, Path(path), revisions)
    return texts


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


def _texts(paths: list[str]) -> dict[str, bytes]:
    """Contents by name, in the order in which they run.

    Raises:
        PlaybookRefused: BG-2001, a path that cannot be read.
    """
    texts: dict[str, bytes] = {}
    for path in paths:
        if path == STDIN:
            texts[_STDIN_NAME] = sys.stdin.buffer.read()
            continue
        for file in _files(path):
            texts[file] = _bytes(file)
    return texts


def _files(path: str) -> list[str]:
    """A file as it is; a folder's SQL by name, files of the way down left out.

    Raises:
        PlaybookRefused: BG-2001, the folder has none.
    """
    folder = Path(path)
    if not folder.is_dir():
        return [str(folder)]
    # A `Path` for each file would cost more than to read it.
    walk = ((at, name) for at, _, names in os.walk(folder) for name in names)
    found = [f"{at}/{name}" for at, name in walk if name.endswith(".sql")]
    found = sorted((file.removeprefix("./") for file in found), key=_natural)
    forward = [file for file in found if not file.endswith((".down.sql", ".undo.sql"))]
    if forward:
        return forward
    # Nothing looked at must not look like nothing found.
    raise PlaybookRefused(
        Code.PLAYBOOK_UNREADABLE,
        f"there are no SQL files to judge in {path}",
        seen=f"{len(found)} files of the way down" if found else "no file *.sql",
        wanted="SQL files or folders of them",
        hint="is this the folder? Other layouts are read with --migrator",
    )


def _natural(text: str) -> list[tuple[int, str]]:
    """Order in which 2 comes before 10, as migration tools run their files."""
    import re

    parts = re.findall(r"\d+|\D+", text)
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in parts]


def _bytes(path: str | Path) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError as error:
        raise PlaybookRefused(
            Code.PLAYBOOK_UNREADABLE,
            f"{path} cannot be read",
            seen=str(error.strerror),
            wanted="SQL files or folders of them",
            hint="is the path right, as seen from here?",
        ) from error


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

    before = _texts(list(chosen.schema))
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
    from bluegreen.model.progress import Progress
    from bluegreen.report.teller import make_teller

    forms = "1 safe form" if made == 1 else f"{made} safe forms"
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


def _rule_list() -> str:
    from bluegreen.lint.registry import SUBJECTS

    lines = []
    for subject, found in SUBJECTS.items():
        lines.append(subject)
        for rule in found:
            state = f"{rule.level}{', off' if rule.off else ''}"
            lines.append(f"  {rule.id:<32} {state:<13} {rule.name}")
    return "\n".join(lines) + "\n"
