"""pglast's parser, without the classes of pglast's own trees.

Those take longer to import than it takes to lint a hundred files, and the linter reads
trees as JSON. They are loaded when one is first asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["COMMENTS", "Tree", "parser"]

COMMENTS = frozenset({"SQL_COMMENT", "C_COMMENT"})
"""The scanner's names of comments."""

Tree = dict[str, Any]
"""A node's fields, as its JSON says them."""

_LATER = frozenset({"pglast.ast", "pglast.enums"})


class _Later:
    """Finds modules whose code runs when they are first used, not when imported.

    No subclass of `MetaPathFinder`, whose import takes as long as all of this saves.
    """

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The module's place, with a loader that waits."""
        if fullname not in _LATER:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def _parser() -> ModuleType:
    later = _Later()
    sys.meta_path.insert(0, later)
    try:
        from pglast import parser
    finally:
        sys.meta_path.remove(later)
    return parser


if TYPE_CHECKING:
    from pglast import parser
else:
    parser = _parser()
