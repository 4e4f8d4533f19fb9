"""The verb `explain`: the page of an id, without a network.

Owns the words of the call, which id is meant, and how a page looks on a terminal.
Finding pages is for `manual.py`.
"""

from __future__ import annotations

import difflib
import re
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from bluegreen.cli.manual import INDEX, Entry, about, docs_folder, entries
from bluegreen.cli.options import AsJson
from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused

EXAMPLE = "Examples: bluegreen explain BG-5001; bluegreen explain wal-level"

_WIDEST = 88


def explain(
    id_: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="An error code (BG-5001 or 5001), or the name of a check, a monitor, "
            "a lint rule or a hazard.",
        ),
    ],
    json_: AsJson = False,
) -> None:
    """Print the page of an error code, a finding, a lint rule or a hazard.

    The pages are part of the program; no server and no network is asked.

    Raises:
        PlaybookRefused: 2008, there is no such id.
    """
    docs = docs_folder()
    known = entries((docs / INDEX).read_text(encoding="utf-8"))
    found = meant(id_, known)
    told = [about(one, (docs / one.page).read_text(encoding="utf-8")) for one in found]
    if json_:
        import json

        pages = [
            {"id": one.id, "kind": one.kind, "page": _page(one), "text": text}
            for one, text in zip(found, told, strict=True)
        ]
        typer.echo(json.dumps(pages, ensure_ascii=False))
        return
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    parts = [
        "\n".join([f"{one.id} ({one.kind})", "", *plain(text, width), ""])
        + f"\n{docs / one.page}"
        for one, text in zip(found, told, strict=True)
    ]
    typer.echo("\n\n".join(parts))


def meant(wanted: str, known: Sequence[Entry]) -> list[Entry]:
    """The entries of an id, which two kinds may share.

    Raises:
        PlaybookRefused: 2008, there is none; the nearest are named.
    """
    shaped = _shaped(wanted)
    found = [one for one in known if _shaped(one.id) == shaped]
    if found:
        return found
    names = {_shaped(one.id): one.id for one in known}
    near = difflib.get_close_matches(shaped, names, n=3, cutoff=0.5)
    hint = "did you mean " + " or ".join(names[name] for name in near) + "?"
    raise PlaybookRefused(
        Code.CALL_NOT_VALID,
        f"there is no id {wanted!r}",
        wanted="an error code, or the name of a check, a monitor, a lint rule or a "
        "hazard",
        hint=hint if near else f"all of them are in {docs_folder() / INDEX}",
    )


def _shaped(name: str) -> str:
    """`5001`, `bg-5001` and `BG-5001` are one; so are `-` and `_`."""
    lower = name.strip().strip("`").lower().replace("_", "-")
    return f"bg-{lower}" if lower.isdecimal() else lower


def _page(entry: Entry) -> str:
    return f"docs/{entry.page}" + (f"#{entry.anchor}" if entry.anchor else "")


def plain(markdown: str, width: int) -> Iterator[str]:
    """Markdown as text for a terminal: code as it is, paragraphs at this width."""
    blocks = re.split(r"(?ms)(^```.*?^```$)", markdown)
    first = True
    for block in blocks:
        for part in [block] if block.startswith("```") else block.split("\n\n"):
            if not part.strip():
                continue
            if not first:
                yield ""
            first = False
            yield from _block(part.strip("\n"), width)


def _block(part: str, width: int) -> Iterator[str]:
    if part.startswith("```"):
        yield from (f"    {line}" for line in part.splitlines()[1:-1])
    elif part.startswith("|"):
        yield from _table(part, width)
    else:
        for line in _joined(part):
            hanging = "  " if line.startswith("- ") else ""
            yield from textwrap.wrap(
                _bare(line),
                width,
                subsequent_indent=hanging,
                break_long_words=False,
                break_on_hyphens=False,
            )


def _joined(part: str) -> Iterator[str]:
    """List items apart, the lines of a paragraph together."""
    held = ""
    for line in part.splitlines():
        if held and re.match(r"(- |\d+\. |#)", line):
            yield held
            held = ""
        held = f"{held} {line}".strip()
    yield held


def _table(part: str, width: int) -> Iterator[str]:
    rows = [line for line in part.splitlines() if not re.match(r"\|[-|: ]+\|$", line)]
    for row in rows[1:]:
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        text = f"- {cells[0]}: {'; '.join(filter(None, cells[1:]))}"
        yield from textwrap.wrap(_bare(text), width, subsequent_indent="  ")


def _bare(line: str) -> str:
    """Without the signs of Markdown; a link is its text."""
    line = re.sub(r"^#+ ", "", line)
    line = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line)
    line = re.sub(r"(?<!\w)\*(?!\s)([^*]+)\*(?!\w)", r"\1", line.replace("**", ""))
    return line.replace("\\|", "|")
