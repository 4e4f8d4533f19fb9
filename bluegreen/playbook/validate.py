"""From the tree of words to a `Playbook`, or to all that is wrong with it.

Owns filling references, and holding numbers and truths to how they are written. What
fits is for `models.py`, what does not is put into words by `complaints.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from bluegreen.model.codes import Code
from bluegreen.playbook.complaints import complaints, not_typed, subject
from bluegreen.playbook.models import Playbook
from bluegreen.playbook.references import Resolve, Text, holds_reference
from bluegreen.playbook.refusal import Complaint, Wrong
from bluegreen.playbook.tree import Listing, Node, Path, Scalar, Table, find

_WRITTEN_OUT = frozenset({"version", "step", "pointer"})
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DSN_KEYS = frozenset({"dsn", "console", "client"})
# A password in a place that is no DSN: a URL with a login, or an assignment.
_LOGIN = re.compile(r"postgres(?:ql)?://[^\s/@:]*:(?!\$\{)[^\s/@]+@", re.IGNORECASE)
_ASSIGNED = re.compile(r"passw(?:or)?d\s*=\s*(?!\$\{)\S", re.IGNORECASE)


def validate(tree: Table, resolve: Resolve) -> tuple[Playbook | None, list[Complaint]]:
    """Fill and type a playbook; None where there are complaints."""
    filler = _Filler(tree, resolve)
    values = filler.fill(tree, ())
    if filler.complaints:
        return None, filler.complaints
    try:
        playbook = Playbook.model_validate(values)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return None, complaints(tree, details)
    loose = list(_loosely_typed(tree, playbook, ()))
    return (None if loose else playbook), loose


@dataclass
class _Filler:
    """Makes plain values of nodes and collects what cannot be filled."""

    tree: Table
    resolve: Resolve
    complaints: list[Complaint] = field(default_factory=list)

    def fill(self, node: Node, path: Path) -> Any:
        if isinstance(node, Table):
            return {k: self.fill(v, (*path, k)) for k, v in node.entries.items()}
        if isinstance(node, Listing):
            return [self.fill(v, (*path, i)) for i, v in enumerate(node.items)]
        try:
            return self._text(node, path)
        except Wrong as wrong:
            self.complaints.append(wrong.at(node.mark, subject(self.tree, path)))
            return node.text

    def _text(self, node: Scalar, path: Path) -> str:
        if _holds_password(node.text, path):
            raise Wrong(
                "a password is written in {subject}",
                code=Code.PASSWORD_IN_PLAYBOOK,
                hint="take it out; give the side's `password` by reference, or use\n"
                "~/.pgpass or a libpq service file",
            )
        if not holds_reference(node.text):
            return node.text
        if path[-1] in _WRITTEN_OUT:
            raise Wrong("{subject} must be written out, not given by reference")
        return Text.fill(node.text, self.resolve)


def _holds_password(text: str, path: Path) -> bool:
    """Look outside DSNs; SQL may well compare a column `password` with something."""
    if path[-1] in _DSN_KEYS:
        return False
    return bool(_LOGIN.search(text) or ("command" in path and _ASSIGNED.search(text)))


def _loosely_typed(tree: Table, value: object, path: Path) -> Iterator[Complaint]:
    """Find what pydantic takes for a number or a truth and we do not.

    Pydantic reads `yes`, `1_000` and `"4"`; the playbook's schema, which editors
    follow, does not.
    """
    if isinstance(value, BaseModel):
        for name in value.model_fields_set:
            yield from _loosely_typed(tree, getattr(value, name), (*path, name))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _loosely_typed(tree, item, (*path, index))
    elif isinstance(value, int) and not _is_written_as(value, find(tree, path)):
        yield not_typed(tree, path, value)


def _is_written_as(value: int, node: Node | None) -> bool:
    if not isinstance(node, Scalar) or not node.plain:
        return False
    if isinstance(value, bool):
        return node.text == str(value).lower()
    return _INTEGER.fullmatch(node.text) is not None
