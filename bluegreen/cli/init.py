"""The verb `init`: ask a few questions and write a playbook.

Owns the questions and the file; its text is `playbook/template.yml`, and what counts as
a right answer is for `playbook/`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from bluegreen.cli.options import AsJson
from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused

_BLUE = "host=10.0.0.5 port=5432 dbname=shop user=bluegreen"
_GREEN = "host=10.0.0.6 port=5432 dbname=shop user=bluegreen"
_CONSOLE = "host=127.0.0.1 port=6432 user=pgbouncer"
_CONFIG = "/etc/pgbouncer/pgbouncer.ini"
_ENVIRONMENT = re.compile(r"\$\{env:\s*(\w+)\s*\}")

Check = Callable[[str], str]
"""Takes an answer and gives it back, or raises PlaybookRefused."""


_TEMPLATE = Path(__file__).parents[1] / "playbook" / "template.yml"


@dataclass(frozen=True, slots=True)
class Answers:
    """What a new playbook must know."""

    name: str
    blue: str
    green: str
    console: str
    config_file: str
    database: str


def render(answers: Answers) -> str:
    """A playbook that `load` accepts when the answers are right."""

    def text(place: re.Match[str]) -> str:
        answer: str = getattr(answers, place[1])
        # YAML takes JSON's double quotes, which hold every answer; a name needs none.
        return answer if place[1] == "name" else json.dumps(answer, ensure_ascii=False)

    return re.sub("<([a-z_]+)>", text, _TEMPLATE.read_text(encoding="utf-8"))


EXAMPLE = "Example: bluegreen init --name shop --output shop.yml"


def init(
    blue: Annotated[
        str | None,
        typer.Option(metavar="DSN", help="DSN of the database that serves today."),
    ] = None,
    green: Annotated[
        str | None,
        typer.Option(metavar="DSN", help="DSN of the database that will serve."),
    ] = None,
    pgbouncer_config: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="PgBouncer's own ini file."),
    ] = None,
    pgbouncer_console: Annotated[
        str | None,
        typer.Option(metavar="DSN", help="DSN of PgBouncer's admin console."),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="ENTRY", help="The entry in PgBouncer's [databases] that is moved."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the playbook.")] = None,
    output: Annotated[
        Path, typer.Option(metavar="FILE", help="The file that is written.")
    ] = Path("playbook.yml"),
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file if it exists.")
    ] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="Ask nothing; take the default for what is not given."
        ),
    ] = False,
    json_: AsJson = False,
) -> None:
    """Write a commented playbook to start from.

    Asks for what is not given, with a default for each answer. Connects to nothing.

    Raises:
        PlaybookRefused: 2003 to 2005 for an answer that no playbook takes, 2008 where
            the file is there already or cannot be written.
    """
    if output.exists() and not force:
        raise _there_already(output)

    given = {"blue": blue, "green": green, "database": database, "name": name}
    given["pgbouncer-console"] = pgbouncer_console
    given["pgbouncer-config"] = pgbouncer_config
    answers = _answers(given, ask=not yes)
    text = render(answers)
    _refuse_unloadable(text, output)
    _write(output, text, force=force)
    _tell(output, answers.name, as_json=json_)


def _answers(given: Mapping[str, str | None], *, ask: bool) -> Answers:
    def answer(option: str, default: str, check: Check) -> str:
        text = given[option]
        if text is None and ask:
            return _ask(option, default, check)
        return check(default if text is None else text)

    blue = answer("blue", _BLUE, _dsn("--blue"))
    dbname = _dbname(blue)
    console = "pgbouncer-console"
    return Answers(
        blue=blue,
        green=answer("green", _GREEN, _dsn("--green")),
        console=answer(console, _CONSOLE, _dsn(f"--{console}")),
        config_file=answer("pgbouncer-config", _CONFIG, _any),
        database=answer("database", dbname, _any),
        name=answer("name", _as_name(dbname), _name),
    )


_QUESTIONS = {
    "blue": "DSN of blue, the database that serves today (no password)",
    "green": "DSN of green, the database that will serve",
    "pgbouncer-console": "DSN of PgBouncer's admin console",
    "pgbouncer-config": "PgBouncer's ini file",
    "database": "Entry in [databases] that is moved",
    "name": "Name of this move",
}


def _ask(option: str, default: str, check: Check) -> str:
    """Ask on stderr, so that stdout holds the result alone; ask again when wrong."""

    def checked(text: str) -> str:
        try:
            return check(text)
        except PlaybookRefused as error:
            raise typer.BadParameter(
                "; ".join(filter(None, (str(error.args[0]), error.wanted, error.hint)))
            ) from None

    answer: str = typer.prompt(
        _QUESTIONS[option], default=default, value_proc=checked, err=True
    )
    return answer


def _dsn(option: str) -> Check:
    def check(text: str) -> str:
        from bluegreen.playbook.dsn import dsn_from_call

        dsn_from_call(option, text, lambda _kind, _name: "1")
        return text

    return check


def _dbname(dsn: str) -> str:
    from bluegreen.playbook.dsn import dsn_from_call

    words = dsn_from_call("--blue", dsn, lambda _kind, _name: "1").words
    return words.get("dbname", "shop")


def _as_name(dbname: str) -> str:
    name = re.sub(r"[^a-z0-9_]+", "_", dbname.lower())[:40].strip("_")
    return name if re.match("[a-z]", name) else f"db_{name}"[:40]


def _name(text: str) -> str:
    if re.fullmatch("[a-z][a-z0-9_]{0,39}", text):
        return text
    raise PlaybookRefused(
        Code.CALL_NOT_VALID,
        "--name is no name for a move",
        wanted="a small letter, then up to 39 small letters, digits or _",
        hint=f"--name {_as_name(text)} would do",
    )


def _any(text: str) -> str:
    return text


def _there_already(output: Path) -> PlaybookRefused:
    return PlaybookRefused(
        Code.CALL_NOT_VALID,
        f"{output} is there already; nothing was written",
        hint="name another file with --output, or replace it with --force",
    )


def _refuse_unloadable(text: str, output: Path) -> None:
    from bluegreen.playbook.load import parse

    # The variables need not be set on the machine where the playbook is written.
    parse(text.encode(), output, dict.fromkeys(_ENVIRONMENT.findall(text), "1"))


def _write(output: Path, text: str, *, force: bool) -> None:
    try:
        with output.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise _there_already(output) from None
    except OSError as error:
        raise PlaybookRefused(
            Code.CALL_NOT_VALID,
            f"{output} cannot be written: {(error.strerror or '').lower()}",
            hint="name another file with --output",
        ) from None


def _tell(output: Path, name: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"playbook": str(output), "name": name}))
        return
    typer.echo(f"wrote {output}")
    typer.echo(f"next: read it through, then `bluegreen plan {output}`")
