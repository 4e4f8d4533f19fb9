"""The words that are out stay out: of names, texts and docs alike.

Owns the list, which follows `docs/glossary.md`.
"""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OUT = {
    "giver": "publisher",
    "taker": "subscriber",
    "counter-?stream": "reverse stream",
    "mend(s|ed|ing)?": "fix",
    "anew": "again",
    "watchman": "monitor thread",
    "settle_traffic": "recover_switchover",
    "move_traffic": "switch_traffic",
    "retire_spent_stream": "drop_old_stream",
    "open_way_back": "start_reverse_stream",
    "pass_watches": "pass_monitors",
    "loose_ends": "inconsistencies",
    "in vain": "timed out after",
    "speaks? against": "blocks",
    "comes? to nothing": "fails",
}
"""Each word that is out, as a pattern, and the one that is in."""

CLASSES = {
    "Channel": "ReplicationStream",
    "Watched": "MonitorFinding",
    "Standing": "Severity",
    "Movement": "Switchover",
    "MoveTraffic": "SwitchTraffic",
    "SettleTraffic": "RecoverSwitchover",
    "OpenWayBack": "StartReverseStream",
    "WayBackRefused": "RollbackUnavailable",
    "RetireSpentStream": "DropOldStream",
    "CarryCanary": "WriteTrialRows",
    "Courier": "MarkerSender",
    "Scene": "Round",
    "Story": "Records",
}
NAMES = {
    "channel": "stream",
    "giver": "publisher",
    "taker": "subscriber",
    "scene": "world",
    "story": "records",
    "read_story": "read_journal",
} | CLASSES
WORDS = re.compile(rf"\b({'|'.join(OUT)})\b", re.IGNORECASE)
CODE = sorted((ROOT / "bluegreen").rglob("*.py"))
DOCS = sorted(p for p in (ROOT / "docs").rglob("*.md") if "decisions" not in p.parts)
PAGES = [*DOCS, ROOT / "README.md"]


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def names_in(text: str) -> set[str]:
    """All names in a file of Python."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME}


def out_in(text: str) -> list[str]:
    """The words of a text that are out."""
    return [found[0] for found in WORDS.finditer(text)]


@pytest.mark.parametrize("path", [*CODE, *PAGES], ids=_id)
def test_no_text_has_a_word_that_is_out(path: Path) -> None:
    assert out_in(path.read_text()) == []


@pytest.mark.parametrize("path", CODE, ids=_id)
def test_no_name_is_out(path: Path) -> None:
    found = names_in(path.read_text()) & NAMES.keys()
    assert {name: NAMES[name] for name in found} == {}


PROSE_OUT = {
    "whoever": "the client that, a person who",
    "(some|every)(body|bodies)": "others, a person, all clients",
    "nobody": "no client, no process, no one",
    "stor(y|ies)": "the journal, the records",
    "jobs": "tasks, workers",
    "flips?": "a switchover",
    "canar(y|ies)": "a trial write",
    "mitigations?": "expand, contract",
    "the judge": "`compat`",
}
"""Words that are out of comments, docstrings and the docs; messages are a contract of
their own and change with their tests."""
IN_PROSE = re.compile(rf"\b({'|'.join(PROSE_OUT)})\b", re.IGNORECASE)
FENCED = re.compile(r"^( *)```.*?^\1```", re.DOTALL | re.MULTILINE)
"""Code in a page: others' words stand in it."""


def prose_of(text: str) -> str:
    """Comments and docstrings, without what stands in backticks."""
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    said = [t.string for t in tokens if t.type == tokenize.COMMENT]
    tokens = [t for t in tokens if t.type not in {tokenize.COMMENT, tokenize.NL}]
    starts = {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING}
    for before, token in zip([None, *tokens], tokens, strict=False):
        first = before is None or before.type in starts
        if first and token.type == tokenize.STRING:
            said.append(token.string)
    return re.sub(r"`[^`]*`", "", "\n".join(said))


@pytest.mark.parametrize("path", CODE, ids=_id)
def test_no_prose_has_a_word_that_is_out(path: Path) -> None:
    assert [found[0] for found in IN_PROSE.finditer(prose_of(path.read_text()))] == []


@pytest.mark.parametrize("path", PAGES, ids=_id)
def test_no_page_has_a_word_that_is_out_of_prose(path: Path) -> None:
    prose = re.sub(r"`[^`]*`|\]\(\S*\)", "", FENCED.sub("", path.read_text()))
    assert [found[0] for found in IN_PROSE.finditer(prose)] == []


def test_prose_is_comments_and_docstrings_alone() -> None:
    text = '"""Nobody."""\nx = "a story"  # somebody, `whoever`\n"""Stories."""\n'
    assert [found[0] for found in IN_PROSE.finditer(prose_of(text))] == [
        "somebody",
        "Nobody",
        "Stories",
    ]


@pytest.mark.parametrize("text", ["Mended by hand", "made anew", "a counter-stream"])
def test_a_word_that_is_out_is_seen(text: str) -> None:
    assert out_in(text)
    assert not out_in("a remainder, a stream, a command")


def test_a_name_that_is_out_is_seen() -> None:
    assert names_in("def f(channel): pass") & NAMES.keys() == {"channel"}


FILES = {str(path.relative_to(ROOT)) for path in ROOT.glob("[bt]*/**/*.py")}
STRANGERS = {"json.py"}
"""Files of others that a docstring speaks of."""


def files_missing(text: str) -> list[str]:
    """Files of ours that a text names and that are not there."""
    named = set(re.findall(r"`([\w/]+\.py)`", text)) - STRANGERS
    return sorted(n for n in named if not any(f"/{f}".endswith(f"/{n}") for f in FILES))


@pytest.mark.parametrize("path", [*CODE, *PAGES], ids=_id)
def test_every_file_that_is_named_is_there(path: Path) -> None:
    assert files_missing(path.read_text()) == []


def test_a_file_that_moved_is_seen() -> None:
    assert files_missing("see `settle.py` and `engine/guard.py`") == ["settle.py"]
