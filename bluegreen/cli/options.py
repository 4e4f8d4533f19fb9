"""Words that several verbs take. Owns their types, help and meaning."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

PlaybookFile = Annotated[
    Path, typer.Argument(metavar="PLAYBOOK", help="The playbook, a YAML file.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


class LogForm(StrEnum):
    """How a run tells what it does, on stderr."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


Log = Annotated[
    LogForm,
    typer.Option(
        help="Form of the progress on stderr; auto is text on a terminal, else JSON."
    ),
]
