"""The command line: which verbs there are, and finding the one that is called.

Owns the table of verbs and loading a verb's module only when that verb is called, so
that help is there at once on a bad night. How a verb's error ends the process is in
`exit.py`.

A verb is a function of its name, with `_` for `-`, in the module of that name. Its
docstring is its help, up to the first section such as `Raises:`; a module's `EXAMPLE`
stands below.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bluegreen import __version__
from bluegreen.cli.examples import epilog
from bluegreen.cli.exit import reported

VERBS: Mapping[str, str] = {
    "init": "Write a commented playbook to start from.",
    "lint": "Check migration files for locks, rewrites and lost data.",
    "compat": "Say whether rows keep flowing both ways across a schema change.",
    "check": "Find what would stop a run, and name the fix of each.",
    "plan": "Show what `run` would do, and change nothing.",
    "run": "Do what the playbook says; started again, it goes on from there.",
    "approve": "Approve a step that waits for a person.",
    "rollback": "Send traffic back to blue without losing a write.",
    "guard": "Stand by on another host while switchovers are made.",
    "hold": "Promise rollback until a later time.",
    "status": "Show which side serves, and what could not be seen.",
    "partitions": "Give both sides the same partitions, ahead of time.",
    "drop-slot": "Drop the slot that keeps WAL for the side that does not serve.",
    "journal": "Show the record of what was done.",
    "verify": "Check the certificate of a switchover.",
    "cancel": "Give a move up before its cutover, and take away what it made.",
    "decommission": "Release blue once the rollback window is over.",
    "restore": "Restore a backup into a new database, and compare it.",
    "notify": "Send a test notice to all whom the playbook names.",
    "schedule": "Write what lets a scheduler take blue down when it is time.",
    "explain": "Print the page of an error code, a finding, a rule or a hazard.",
    "demo": "Show a cutover, a rollback and a decommission on throw-away servers.",
}
"""Each verb and its line in the help; the order is the order of use."""

_SECTION = re.compile(r"\n\s*(Args|Raises|Returns|Attributes):\n.*", re.DOTALL)
_CONTEXT = {"help_option_names": ["-h", "--help"]}


class Verbs(TyperGroup):
    """A group that knows its verbs by name and imports one when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All verbs, in the order of use."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb's command, made now; None for an unknown verb."""
        return command_of(cmd_name) if cmd_name in VERBS else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The table, without importing any verb."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


def run(args: Sequence[str]) -> int:
    """Run the command line; returns the exit status."""
    # A terminal that cannot print a sign must not hide the text around it.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    try:
        _main(list(args))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def _main(args: list[str]) -> None:
    if args and args[0] in VERBS:
        # Past the group, whose own options cost an import of pydantic.
        verb = args[0]
        command_of(verb).main(args=args[1:], prog_name=f"bluegreen {verb}")
    else:
        typer.main.get_command(_app()).main(args=args, prog_name="bluegreen")


def _app() -> typer.Typer:
    app = typer.Typer(
        cls=Verbs,
        rich_markup_mode=None,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings=_CONTEXT,
    )
    app.callback()(_root)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bluegreen {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version.",
            is_eager=True,
            callback=_print_version,
        ),
    ] = False,
) -> None:
    """Move live PostgreSQL traffic from blue to green, and keep the way back open."""


def command_of(verb: str) -> Any:
    """The verb's command, as click knows it."""
    name = verb.replace("-", "_")
    module = importlib.import_module(f"bluegreen.cli.{name}")
    function = getattr(module, name)
    app = typer.Typer(rich_markup_mode=None, add_completion=False)
    app.command(
        name=verb,
        help=_SECTION.sub("", inspect.getdoc(function) or ""),
        epilog=epilog(getattr(module, "EXAMPLE", None)),
        context_settings=_CONTEXT,
    )(reported(function))
    return typer.main.get_command(app)
