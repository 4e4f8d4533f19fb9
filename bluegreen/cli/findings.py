"""The page of all ids: what can be printed, in one line each, with a link.

Owns `docs/findings.md`, which `bluegreen explain` reads as its index. Run
`python -m bluegreen.cli.findings` in a checkout after a change to a rule, a monitor, a
hazard, a code or a page of checks; a test says when that was forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from bluegreen.cli.manual import anchor, cells_of
from bluegreen.lint.registry import RULES
from bluegreen.model.codes import Code
from bluegreen.model.hazard import Hazard
from bluegreen.steps.monitors.every import MONITORS

PAGE = Path("docs/findings.md")
CHECKS = {
    "Preflight checks": ("steps/check.md", -1),
    "Checks of PgBouncer": ("pointers/pgbouncer.md", 0),
    "Checks of names": ("pointers/dns.md", 0),
    "Checks of programs": ("pointers/command.md", 0),
    "Checks of HAProxy": ("pointers/haproxy.md", 0),
}
"""Each kind of check: the page with its tables, and the cell with its line."""

_INTRODUCTION = """\
# Findings, rules and codes

<!-- Made by `python -m bluegreen.cli.findings`; edit the page of the id, not this. -->

Every id that bluegreen prints. `bluegreen explain ID` prints the page of one, without a
network: `bluegreen explain BG-5001`, `bluegreen explain wal-level`.
"""


def page(docs: Path) -> str:
    """The page's text, by the code and by the pages of the checks in `docs`."""
    return "\n".join(_lines(docs)).rstrip() + "\n"


def _lines(docs: Path) -> Iterator[str]:
    yield _INTRODUCTION
    codes = [(f"BG-{code}", f"errors.md#bg-{code}", code.text) for code in Code]
    yield from _table("Error codes", codes)
    for kind, (name, cell) in CHECKS.items():
        yield from _table(kind, _checks((docs / name).read_text(), name, cell))
    monitors = [
        (one.id, f"monitors.md#{one.id}", (one.__doc__ or "").split("\n")[0])
        for one in MONITORS
    ]
    yield from _table("Monitors", monitors)
    rules = [(rule.id, f"lint/{rule.id}.md", rule.name) for rule in RULES.values()]
    yield from _table("Lint rules", rules)
    hazards = [(str(h), "playbook-reference.md#hazards", h.meaning) for h in Hazard]
    yield from _table("Hazards", hazards)


def _checks(text: str, name: str, cell: int) -> Iterator[tuple[str, str, str]]:
    """The rows of a page's tables of findings: one for each id in the first cell."""
    heading, among = "", False
    for line in text.splitlines():
        if found := re.match(r"#+ (.+)", line):
            heading, among = found[1], False
        elif line.startswith("| finding |"):
            among = True
        elif among and line.startswith("| `"):
            cells = cells_of(line)
            ids = re.match(r"(`[a-z0-9-]+`(, )?)+", cells[0])
            for one in re.findall(r"`([^`]+)`", ids[0] if ids else ""):
                yield one, f"{name}#{anchor(heading)}", _told(cells, cell)


def _told(cells: list[str], cell: int) -> str:
    # The pointer's page tells in its first cell what is seen.
    if cell == 0 and (said := re.sub(r"^(`[^`]+`,? ?)+:? ?", "", cells[0])):
        return said
    return cells[-1]


def _table(kind: str, rows: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    yield f"## {kind}\n\n| id | what it is about |\n|---|---|"
    for name, link, line in rows:
        yield f"| [`{name}`]({link}) | {_short(line)} |"
    yield ""


def _short(text: str) -> str:
    """The first sentence, with links as their text."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.split(r"(?<=[^.][a-z`)0-9])\. (?=[A-Z`])", plain)[0].rstrip(".")


def main() -> None:
    """Write the page, in the folder of a checkout."""
    PAGE.write_text(page(PAGE.parent), encoding="utf-8")


if __name__ == "__main__":
    main()
