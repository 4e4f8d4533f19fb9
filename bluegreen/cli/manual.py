"""The pages of the docs as they lie in a checkout or in an installed package.

Owns finding them, the index of ids on `findings.md`, and cutting out of a page what is
about one id. How that looks on a terminal is for `explain.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bluegreen

INDEX = "findings.md"
KINDS = {
    "Error codes": "error code",
    "Preflight checks": "preflight check",
    "Checks of PgBouncer": "check of PgBouncer",
    "Checks of names": "check of a name",
    "Checks of programs": "check of a program",
    "Checks of HAProxy": "check of HAProxy",
    "Monitors": "monitor",
    "Lint rules": "lint rule",
    "Hazards": "hazard",
}
"""What one id of each part of the index is."""
_ROW = re.compile(r"\| \[`([^`]+)`\]\(([^)#]+)(?:#([^)]+))?\) \| (.*) \|$")


@dataclass(frozen=True, slots=True)
class Entry:
    """One id of the index.

    Attributes:
        kind: one of the values of `KINDS`.
        id: as it is printed.
        page: the page, below the folder of the docs.
        anchor: the part of that page; empty for all of it.
        line: what it is about.
    """

    kind: str
    id: str
    page: str
    anchor: str
    line: str


def docs_folder() -> Path:
    """Where the pages are: in the package, or beside it in a checkout."""
    package = Path(bluegreen.__file__).parent
    inside = package / "docs"
    return inside if inside.is_dir() else package.parent / "docs"


def entries(index: str) -> list[Entry]:
    """All ids of the index page."""
    found, kind = [], ""
    for line in index.splitlines():
        if line.startswith("## "):
            kind = KINDS[line[3:]]
        elif row := _ROW.match(line):
            name, page, part, told = row.groups()
            found.append(Entry(kind, name, page, part or "", told))
    return found


def about(entry: Entry, page: str) -> str:
    """What the page says of the id, in Markdown."""
    if not entry.anchor:
        return page
    part = section(page, entry.anchor)
    heading, _, rest = part.partition("\n")
    if entry.id.lower() in heading.lower():
        return rest.strip()
    return _row_of(part, entry.id) or _item_of(part, entry.id)


def section(page: str, wanted: str) -> str:
    """The part below the heading with this anchor, up to the next of its depth."""
    kept: list[str] = []
    depth, code = 0, False
    for line in page.splitlines():
        code ^= line.startswith("```")
        heading = None if code else re.match(r"(#+) (.+)", line)
        if heading and kept and len(heading[1]) <= depth:
            break
        if heading and not kept and anchor(heading[2]) == wanted:
            depth = len(heading[1])
        if depth:
            kept.append(line)
    return "\n".join(kept).strip()


def anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub and the site make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def cells_of(row: str) -> list[str]:
    """The cells of a table's row."""
    inner = row.strip().removeprefix("|").removesuffix("|")
    return [c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", inner)]


def _row_of(part: str, name: str) -> str:
    """The row of the id, each cell under the name of its column."""
    header: Sequence[str] = ()
    for line in part.splitlines():
        if not line.startswith("|"):
            header = ()
        elif not header:
            header = cells_of(line)
        elif f"`{name}`" in cells_of(line)[0]:
            return _labelled(name, header, cells_of(line))
    return ""


def _labelled(name: str, header: Sequence[str], cells: Sequence[str]) -> str:
    first = re.sub(r"^(`[^`]+`(, )?)+(: )?", "", cells[0])
    told = [f"**seen**: {first.strip()}"] if first else []
    pairs = zip(header[1:], cells[1:], strict=False)
    return "\n\n".join([*told, *(f"**{title}**: {cell}" for title, cell in pairs)])


def _item_of(part: str, name: str) -> str:
    items = [line for line in part.splitlines() if line.startswith(f"- `{name}`")]
    if not items:
        return ""
    meaning = items[0].partition(": ")[2]
    return f"{meaning}.\n\nTo allow it, in the playbook: `allow: [{name}]`."
