"""What the demo's clients felt, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Any


def table(summary: Mapping[str, Any]) -> str:
    """The table that a demo ends with, as text."""
    from rich.console import Console
    from rich.table import Table

    drawn = Table(title="What the clients felt", show_header=False)
    drawn.add_column()
    drawn.add_column(justify="right")
    drawn.add_row("transactions acknowledged", f"{summary['acknowledged']:,}")
    drawn.add_row("lost", str(summary["lost"]))
    drawn.add_row("doubled", str(summary["doubled"]))
    drawn.add_row("errors seen by clients", str(summary["client_errors"]))
    for number, move in enumerate(summary["moves"], 1):
        name = f"longest pause felt, move {number} ({move['move']})"
        drawn.add_row(name, f"{move['pause_ms']} ms")
    console = Console(file=StringIO(), width=72, force_terminal=False)
    console.print(drawn)
    out = console.file
    assert isinstance(out, StringIO)
    return out.getvalue()
