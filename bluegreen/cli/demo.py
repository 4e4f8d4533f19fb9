"""The verb `demo`: a whole cutover on throw-away servers, under real writes.

Owns the order of the acts and the table at the end. Each act is the very command that a
person would type; the stage is set by `lab/demo.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bluegreen.cli.options import AsJson
from bluegreen.model.codes import Code

if TYPE_CHECKING:
    from bluegreen.lab.demo import Stage

EXAMPLE = "Example: bluegreen demo"

ACTS = (
    ("cutover", ["run"], "Move the shop to green: check, backup, copy, migrate, prove"),
    ("rollback", ["rollback"], "Something looks wrong: back to blue, losing nothing"),
    ("cutover", ["run"], "It was a false alarm: to green again"),
    ("", ["decommission"], "The window is over: let blue go"),
)


def demo(
    orders: Annotated[
        int,
        typer.Option(
            min=100, help="How many orders are in the shop; each is about five rows."
        ),
    ] = 30_000,
    json_: AsJson = False,
) -> int:
    """Show a cutover, a rollback and a decommission on throw-away servers.

    Starts PostgreSQL 16 as blue, 18 as green and a PgBouncer, loads a shop, lets eight
    clients write all the time, and runs the real commands. It ends by itself and
    leaves nothing behind. The last line on stdout is one JSON object.

    Raises:
        BluegreenError: a program is missing, or an act failed.
    """
    from bluegreen.lab.demo import set_stage

    _say("Starting PostgreSQL 16 (blue), PostgreSQL 18 (green), PgBouncer, a shop …")
    with set_stage(orders=orders) as stage:
        _say(f"{stage.rows:,} rows are in the shop, and 8 clients write all the time.")
        moves = _play(stage)
        result, audited = stage.finish()
    summary = {
        "acknowledged": result.acknowledged,
        "lost": audited.lost,
        "doubled": audited.doubled,
        "client_errors": result.errors + result.unknown,
        "moves": moves,
    }
    if not json_:
        _show(summary)
    typer.echo(json.dumps(summary))
    good = audited.ok and not summary["client_errors"] and len(moves) == len(ACTS) - 1
    return 0 if good else 1


def _play(stage: Stage) -> list[dict[str, Any]]:
    """Run the acts; the longest wait of a client at each move, in milliseconds."""
    from bluegreen.lab.demo import wait_out_window

    moves = []
    for move, words, what in ACTS:
        if not move:
            wait_out_window()
        _say(f"\n{what}\n$ bluegreen {' '.join(words)} {stage.playbook.name}")
        mark = stage.clients.mark()
        _act(stage, [*words, str(stage.playbook)])
        if move:
            gap_ms = round(stage.clients.gap_since(mark) * 1000)
            moves.append({"move": move, "pause_ms": gap_ms})
    return moves


def _act(stage: Stage, words: list[str]) -> None:
    from bluegreen.engine.own_process import own_environment, own_module
    from bluegreen.model.errors import StepError

    done = subprocess.run(
        own_module("bluegreen", *words, "--log", "text"),
        env={**own_environment(os.environ), **stage.environ},
        # No one is asked to type a word: the databases are throw-away.
        stdin=subprocess.DEVNULL,
        # stdout is kept for the last line; what an act says goes beside it.
        stdout=sys.stderr,
    )
    if done.returncode != 0:
        raise StepError(
            Code.GOAL_NOT_REACHED,
            f"`bluegreen {words[0]}` ended with status {done.returncode}",
            seen="its own words stand above",
            hint="this is a demo on throw-away servers; please report it as a bug",
        )


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _show(summary: dict[str, Any]) -> None:
    from bluegreen.report.demo_table import demo_page
    from bluegreen.report.page import write

    write(demo_page(summary), sys.stderr)
