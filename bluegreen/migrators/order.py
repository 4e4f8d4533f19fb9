"""Which files there are, in which order, and whether that fits what was applied.

Owns expanding patterns and the refusals. Pure but for listing the folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bluegreen.migrators.migrator import Fault, History, Pending
from bluegreen.migrators.script import Script
from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused
from bluegreen.postgres.schema.applied import AppliedRow

_DIGITS = re.compile(r"(\d+)")
# golang-migrate and Diesel call them so; Flyway undoes by U2__name.sql.
_WAY_DOWN = re.compile(r"(.*\.)?down\.sql|U\d[\d._]*__.*\.sql", re.IGNORECASE)


def files_in_order(home: Path, patterns: Sequence[str]) -> list[str]:
    """Expand patterns into names relative to the playbook, each once.

    Raises:
        PlaybookRefused: 2009; a pattern names no file, or files of a way down.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        names = _expand(home, pattern)
        if not names:
            raise PlaybookRefused(
                Code.STEP_DOES_NOT_FIT,
                "a migration pattern names no file",
                seen=f"{pattern!r} in {home}",
                wanted="at least one file",
                hint="fix `files` of the step; paths start at the playbook's folder",
            )
        if not (home / pattern).is_file():
            _require_way_up(pattern, names)
        found.update(dict.fromkeys(sorted(names, key=natural)))
    return list(found)


def _require_way_up(pattern: str, names: Sequence[str]) -> None:
    """A pattern that takes in what undoes the others is hardly meant; a name may be."""
    down = [name for name in names if _WAY_DOWN.fullmatch(Path(name).name)]
    if down:
        raise PlaybookRefused(
            Code.STEP_DOES_NOT_FIT,
            "a migration pattern takes in files that take others back",
            seen=f"{pattern!r} fits {', '.join(sorted(down)[:3])}",
            wanted="the way up alone",
            hint="narrow the pattern of the step, e.g. to `*.up.sql` or `*/up.sql`",
        )


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sort key that puts `2_b.sql` before `10_a.sql`."""
    return [
        (0, int(piece), "") if piece.isdecimal() else (1, 0, piece)
        for piece in _DIGITS.split(name)
        if piece
    ]


def compare(scripts: Sequence[Script], rows: Sequence[AppliedRow]) -> History:
    """Say what is applied, what is pending, and whether they fit together. Pure."""
    known = {row.name: row for row in rows}
    fault = (
        _gone(scripts, rows) or _changed(scripts, known) or _inserted(scripts, known)
    )
    pending = tuple(
        Pending(s.name, s.digest, known[s.name].done if s.name in known else 0)
        for s in scripts
        if s.name not in known or not known[s.name].finished
    )
    applied = tuple(row.name for row in rows if row.finished)
    return History(applied, pending, fault)


def _expand(home: Path, pattern: str) -> list[str]:
    plain = home / pattern
    if plain.is_file():
        return [Path(pattern).as_posix()]
    return [p.relative_to(home).as_posix() for p in home.glob(pattern) if p.is_file()]


def _gone(scripts: Sequence[Script], rows: Sequence[AppliedRow]) -> Fault | None:
    gone = sorted({row.name for row in rows} - {script.name for script in scripts})
    if not gone:
        return None
    return Fault(
        "a migration that was applied to green is not among the files any more",
        seen=f"applied and gone: {', '.join(gone)}",
        wanted="every applied file still there",
        hint="bring the file back, or make green again",
    )


def _changed(
    scripts: Sequence[Script], known: Mapping[str, AppliedRow]
) -> Fault | None:
    for script in scripts:
        row = known.get(script.name)
        if row is None or row.digest == script.digest:
            continue
        if row.finished:
            return Fault(
                f"{script.name} was changed after it was applied to green",
                seen=f"SHA-256 {script.digest[:12]}, applied was {row.digest[:12]}",
                wanted="the file as it was applied",
                hint="bring it back and put the change into a new file",
            )
        if script.digest_of_first(row.done) != row.done_digest:
            return Fault(
                f"{script.name} was changed in a part that was applied to green",
                seen=f"its first {row.done} statements are done and now read otherwise",
                wanted="those as they were; what comes behind may be fixed",
                hint="bring the first statements back as they were",
            )
    return None


def _inserted(
    scripts: Sequence[Script], known: Mapping[str, AppliedRow]
) -> Fault | None:
    names = [script.name for script in scripts]
    last = max((place for place, name in enumerate(names) if name in known), default=-1)
    early = [name for name in names[: max(last, 0)] if name not in known]
    if not early:
        return None
    return Fault(
        "a migration stands before one that was applied to green",
        seen=f"{', '.join(early)} before {names[last]}",
        wanted="new files behind all applied ones",
        hint="give the file a later name, or make green again",
    )
