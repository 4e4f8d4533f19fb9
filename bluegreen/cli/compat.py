"""The verb `compat`: whether rows keep flowing both ways across a schema change.

Owns the words of the call and which tiers they allow. Judging is for `compat`,
what a run does with it for `steps/compat.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bluegreen.cli.options import AsJson, BlueDsn, GreenDsn, PlaybookIfAny
from bluegreen.model.codes import Code

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bluegreen.compat.verdict import Verdict
    from bluegreen.report.compat_result import CompatResult
    from bluegreen.steps.compat import Compat
    from bluegreen.steps.compatibility.texts import Texts
    from bluegreen.steps.world import World

EXAMPLE = (
    "Examples: bluegreen compat shop.yml"
    "; bluegreen compat --files 'migrations/*.sql'"
    "; bluegreen compat --blue 'host=10.0.0.5 dbname=shop' --green 'host=10.0.0.6"
    " dbname=shop'"
)


def compat(
    playbook: PlaybookIfAny = None,
    files: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Migration files or a pattern, where there is no playbook.",
        ),
    ] = None,
    blue: BlueDsn = None,
    green: GreenDsn = None,
    json_: AsJson = False,
) -> int:
    """Say whether rows keep flowing both ways across a schema change.

    For each change and each direction: replication goes on, stops, or loses rows
    without an error. By the migration's text alone, without a database; by the catalogs
    of both sides and live data once green follows blue and has its new schema. Changes
    nothing. The exit status is 3 where a run would stop.

    Raises:
        PlaybookRefused: 2001 to 2005, 2008, 2009.
        ServerRefused: 3001, a side cannot be reached.
    """
    from bluegreen.report.answer import show
    from bluegreen.report.compat_text import compat_page

    result = _asked(playbook, tuple(files or ()), blue, green)
    show(result, as_json=json_, page=compat_page)
    return result.exit_status


def _asked(
    playbook: Path | None, files: tuple[str, ...], blue: str | None, green: str | None
) -> CompatResult:
    from bluegreen.model.errors import PlaybookRefused

    if playbook is not None and not files and blue is None and green is None:
        return _playbook(playbook)
    if playbook is None and blue is not None and green is not None:
        return _databases(blue, green, files)
    if playbook is None and files and blue is None and green is None:
        return _files(files)
    raise PlaybookRefused(
        Code.CALL_NOT_VALID,
        "judge needs a playbook, or --files, or both --blue and --green",
        wanted="`bluegreen compat shop.yml`, or the migration's files, or two DSNs",
        hint="see `bluegreen compat --help`",
    )


def _files(files: tuple[str, ...]) -> CompatResult:
    from bluegreen.steps.compat import Compat
    from bluegreen.steps.compatibility.texts import compat_texts, read_texts

    texts = read_texts(Path.cwd(), files)
    note = "catalogs and data were not asked; give it --blue and --green, or a playbook"
    return _by_text(", ".join(files), Compat(), texts, compat_texts(texts), note, {})


def _by_text(
    name: str,
    step: Compat,
    texts: Texts,
    found: Sequence[Verdict],
    note: str,
    accept: Mapping[str, str],
) -> CompatResult:
    from bluegreen.report.compat_result import CompatResult
    from bluegreen.steps.compat import rule_by_text
    from bluegreen.steps.compatibility.rows import rows_of

    ruling = rule_by_text(found, step, accept)
    rows = tuple(rows_of(ruling, texts))
    return CompatResult(name, "the migration's text alone", rows, note)


def _playbook(path: Path) -> CompatResult:
    from bluegreen.cli.context import open_context
    from bluegreen.cli.order import judge_of_run
    from bluegreen.model.accept import verdicts_accepted
    from bluegreen.model.errors import StepError
    from bluegreen.steps.compat import read_verdicts, require_migrated

    with open_context(path, "compat") as open_:
        step, world = judge_of_run(open_.loaded), open_.world
        texts = step.texts(world)
        try:
            require_migrated(world, texts)
        except StepError as error:
            note = f"catalogs and data are not asked yet: {error.problem}"
            found = read_verdicts(world, step, texts)
            accept = verdicts_accepted(world.limits.accept)
            return _by_text(str(path), step, texts, found, note, accept)
        return _by_pair(str(path), world, step, texts)


def _databases(blue: str, green: str, files: tuple[str, ...]) -> CompatResult:
    from contextlib import ExitStack

    from bluegreen.engine.journal import TwinJournal
    from bluegreen.playbook.resolve import databases_from_dsns
    from bluegreen.steps.compat import Compat
    from bluegreen.steps.compatibility.texts import read_texts
    from bluegreen.steps.world import World

    sides = databases_from_dsns(blue, green, "bluegreen compat")
    with ExitStack() as stack:
        for database in sides:
            stack.callback(database.close)
        texts = read_texts(Path.cwd(), files)
        world = World("compat", *sides, (), TwinJournal(*sides, ""))
        name = f"{sides[0].describe()} and {sides[1].describe()}"
        return _by_pair(name, world, Compat(files=files), texts)


def _by_pair(name: str, world: World, step: Compat, texts: Texts) -> CompatResult:
    from bluegreen.compat.gate import rule
    from bluegreen.model.accept import verdicts_accepted
    from bluegreen.report.compat_result import CompatResult
    from bluegreen.steps.compat import look, read_verdicts
    from bluegreen.steps.compatibility.rows import rows_of

    found = look(world, step, texts)
    accept = verdicts_accepted(world.limits.accept)
    ruling = rule(found.verdicts, accept, read_verdicts(world, step, texts))
    tiers = "the catalogs of both sides and questions to live data"
    note = f"rows were not compared: {found.unprobed}" if found.unprobed else ""
    rows = tuple(rows_of(ruling, texts))
    return CompatResult(name, tiers, rows, note, ruling.unused)
