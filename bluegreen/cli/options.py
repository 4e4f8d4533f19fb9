"""Words that several verbs take. Owns their types, help and meaning."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

PlaybookFile = Annotated[
    Path, typer.Argument(metavar="PLAYBOOK", help="The playbook, a YAML file.")
]
PlaybookIfAny = Annotated[
    Path | None, typer.Argument(metavar="[PLAYBOOK]", help="The playbook, a YAML file.")
]
Until = Annotated[
    str | None,
    typer.Option(metavar="STEP", help="Stop behind this step; the next run goes on."),
]
BlueDsn = Annotated[
    str | None,
    typer.Option(metavar="DSN", help="Blue's DSN, where there is no playbook."),
]
GreenDsn = Annotated[str | None, typer.Option(metavar="DSN", help="Green's DSN.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


class LogForm(StrEnum):
    """How a run tells what it does, on stderr."""

    TEXT = "text"
    JSON = "json"


Log = Annotated[
    LogForm,
    typer.Option(
        envvar="BLUEGREEN_LOG", help="Form of the log on stderr, one line an event."
    ),
]
