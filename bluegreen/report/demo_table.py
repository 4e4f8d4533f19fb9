"""What the demo's clients felt, as a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bluegreen.report.page import Page, columns


def demo_page(summary: Mapping[str, Any]) -> Page:
    """The table that a demo ends with."""
    rows = [
        ("transactions acknowledged", f"{summary['acknowledged']:,}"),
        ("lost", str(summary["lost"])),
        ("doubled", str(summary["doubled"])),
        ("errors seen by clients", str(summary["client_errors"])),
    ]
    for number, move in enumerate(summary["moves"], 1):
        name = f"longest pause felt, move {number} ({move['move']})"
        rows.append((name, f"{move['pause_ms']} ms"))
    return ["", "What the clients felt", *columns(rows)]
