"""Pydantic's errors in plain words, at the line that caused them.

Owns the wording of what does not fit the schema, and holds numbers and truths to how
they are written; what fits is for `models.py`.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bluegreen.model.duration import DURATION_WANTED
from bluegreen.playbook.models import AcceptConfig, MonitorConfig, Playbook, SideConfig
from bluegreen.playbook.notify_models import NotifyConfig
from bluegreen.playbook.pointer_models import POINTERS, Address, PointerConfig
from bluegreen.playbook.tree import (
    Listing,
    Node,
    Path,
    Scalar,
    Table,
    Wrong,
    did_you_mean,
    find,
    mark_of,
    mark_of_key,
    nearest,
    one_of,
    quoted,
    subject,
    word,
)
from bluegreen.steps.place_fields import S3Options
from bluegreen.steps.registry import STEPS

POINTER_BY_NAME: Mapping[str, type[PointerConfig]] = {
    get_args(kind.model_fields["pointer"].annotation)[0]: kind for kind in POINTERS
}
STEP_BY_NAME = {kind.model_fields["step"].default: kind for kind in STEPS}

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_MAY_BE_SECRET = re.compile(r"pass|pwd|secret|://", re.IGNORECASE)
_WANTED = {
    "string_type": "text",
    "int_parsing": "a whole number, without quotes",
    "int_type": "a whole number, without quotes",
    "int_parsing_size": "a smaller number",
    "bool_parsing": "true or false, without quotes",
    "bool_type": "true or false, without quotes",
    "tuple_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
    "time_delta_type": DURATION_WANTED,
}


def complaints(tree: Table, error: ValidationError) -> list[Wrong]:
    """Say what pydantic's errors mean; a misspelt key is not missed as well."""
    details = error.errors(include_url=False, include_input=False)
    misspelt = {
        (*path[:-1], near)
        for path in (_path(d) for d in details if d["type"] == "extra_forbidden")
        if (near := nearest(str(path[-1]), _names(tree, path[:-1])))
    }
    # A list is short for pydantic when its entries are wrong.
    within = {_path(d)[:-1] for d in details}
    return [
        _complaint(tree, _path(detail), detail)
        for detail in details
        if (detail["type"] != "missing" or _path(detail) not in misspelt)
        and (detail["type"] != "too_short" or _path(detail) not in within)
    ]


def _complaint(tree: Table, path: Path, detail: ErrorDetails) -> Wrong:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown_key(tree, path)
    if kind == "missing":
        return _missing(tree, path)
    if kind.startswith("union_tag"):
        unknown = _unknown_step if path[0] == "steps" else _unknown_pointer
        return unknown(tree, path)
    return _wrong_value(path, find(tree, path), detail).at(tree, path)


def _path(detail: ErrorDetails) -> Path:
    """Pydantic's way to the error, less the kind that it puts in."""
    loc = detail["loc"]
    of_a_kind = loc[0] in ("steps", "pointers") and len(loc) > 2
    return loc[:2] + loc[3:] if of_a_kind else loc


def _model_at(tree: Table, place: Path) -> type[BaseModel] | None:
    """The model that the table at `place` must fit."""
    match place:
        case ():
            return Playbook
        case ("blue" | "green",):
            return SideConfig
        case ("monitor",):
            return MonitorConfig
        case ("accept", int()):
            return AcceptConfig
        case ("notify", int()):
            return NotifyConfig
        case ("pointers", int()):
            return POINTER_BY_NAME.get(word(find(tree, place), "pointer"))
        case ("pointers", int(), "blue" | "green"):
            of_pooler = word(find(tree, place[:2]), "pointer") == "pgbouncer"
            return Address if of_pooler else None
        case ("steps", int(), "s3"):
            return S3Options
        case ("steps", int()):
            return STEP_BY_NAME.get(word(find(tree, place), "step"))
    return None


def _names(tree: Table, place: Path) -> set[str]:
    model = _model_at(tree, place)
    return set(model.model_fields) if model else set()


def _unknown_key(tree: Table, path: Path) -> Wrong:
    place, key = path[:-1], str(path[-1])
    names = _names(tree, place)
    what = "parameter" if place[:1] == ("steps",) else "key"
    return Wrong(
        f"{subject(tree, place)} has no {what} {quoted(key)}",
        wanted=one_of(names),
        hint=did_you_mean(key, names) or _elsewhere(key),
        mark=mark_of_key(tree, path),
    )


def _elsewhere(key: str) -> str:
    owners = [n for n, kind in STEP_BY_NAME.items() if key in kind.model_fields]
    return f'"{key}" belongs to step "{owners[0]}"' if len(owners) == 1 else ""


def _missing(tree: Table, path: Path) -> Wrong:
    place, key = path[:-1], str(path[-1])
    model = _model_at(tree, place)
    meaning = " ".join(meanings(model).get(key, "").split()) if model else ""
    return Wrong(
        f'{subject(tree, place)} lacks "{key}"',
        wanted=f"{key}: {meaning.removesuffix('.')}",
        mark=mark_of_key(tree, place),
    )


@cache
def meanings(model: type[BaseModel]) -> Mapping[str, str]:
    """The keys of a model and what they mean: the text below each in its source.

    Pydantic would read all of it at every start; here it is read when it is shown.
    """
    found = {}
    for kind in model.__mro__[-3::-1]:  # all but `object` and pydantic's own
        for key, below in pairwise([*_body(kind), ast.Pass()]):
            if isinstance(key, ast.AnnAssign) and isinstance(key.target, ast.Name):
                text = ast.get_docstring(ast.Module([below], []))
                found[key.target.id] = text or ""
    return found


def _body(kind: type) -> list[ast.stmt]:
    try:
        module = ast.parse(inspect.getsource(sys.modules[kind.__module__]))
    except OSError:  # it is installed without its source
        return []
    classes = (node for node in module.body if isinstance(node, ast.ClassDef))
    return next(node.body for node in classes if node.name == kind.__name__)


def _unknown_step(tree: Table, path: Path) -> Wrong:
    name, wanted = word(find(tree, path), "step"), ", ".join(STEP_BY_NAME)
    if not name:
        return Wrong(
            f'entry {int(path[-1]) + 1} of "steps" does not say which step it is',
            wanted=f"step: one of: {wanted}",
            mark=mark_of(tree, path),
        )
    return Wrong(
        f"there is no step {quoted(name)}",
        wanted=f"one of: {wanted}",
        hint=did_you_mean(name, STEP_BY_NAME),
        mark=mark_of(tree, (*path, "step")),
    )


def _unknown_pointer(tree: Table, path: Path) -> Wrong:
    name, wanted = word(find(tree, path), "pointer"), ", ".join(POINTER_BY_NAME)
    if not name:
        return Wrong(
            f'{subject(tree, path)} lacks "pointer"',
            wanted=f"pointer: one of: {wanted}",
            mark=mark_of(tree, path),
        )
    return Wrong(
        f"there is no kind of pointer {quoted(name)}",
        wanted=f"one of: {wanted}",
        hint=did_you_mean(name, POINTER_BY_NAME),
        mark=mark_of(tree, (*path, "pointer")),
    )


def _wrong_value(path: Path, node: Node | None, detail: ErrorDetails) -> Wrong:
    context, kind = detail.get("ctx", {}), detail["type"]
    error = context.get("error")
    if isinstance(error, Wrong):
        return error
    if kind in ("literal_error", "enum"):
        return _not_a_choice(path, node, re.findall("'([^']*)'", context["expected"]))
    wanted = _WANTED.get(kind) or _bound(kind, context) or str(error or detail["msg"])
    return _misfit(node, wanted, _as_entry(node, kind))


def _misfit(node: Node | None, wanted: str, hint: str) -> Wrong:
    return Wrong("{subject} does not fit", seen=_seen(node), wanted=wanted, hint=hint)


def _as_entry(node: Node | None, kind: str) -> str:
    """What to write where one word stands in the place of more."""
    if isinstance(node, Scalar) and len(node.text) <= 60:
        if kind.startswith("model_") and node.text in STEP_BY_NAME:
            return f"write - step: {node.text}"
        if kind == "tuple_type":
            return f"write [{node.text}]"
    return ""


def _not_a_choice(path: Path, node: Node | None, names: list[str]) -> Wrong:
    written = node.text if isinstance(node, Scalar) else ""
    hint = did_you_mean(written, names)
    if path[0] != "allow":
        return _misfit(node, one_of(names), hint)
    problem = f"there is no hazard {quoted(written)}"
    return Wrong(problem, wanted=one_of(names), hint=hint)


def _bound(kind: str, context: dict[str, Any]) -> str:
    match kind:
        case "greater_than_equal":
            return f"{context['ge']} or more"
        case "less_than_equal":
            return f"{context['le']} or less"
        case "string_pattern_mismatch" if context["pattern"].startswith("^[A-Z"):
            return "a name of letters, digits and . _ : -"
        case "string_pattern_mismatch":
            more = "digits, _ or -" if "-]" in context["pattern"] else "digits or _"
            return f"a small letter, then up to 39 small letters, {more}"
        case "string_too_short":
            return "text that is not empty"
        case "too_short":
            return "one entry or more"
    return ""


def _seen(node: Node | None) -> str:
    if isinstance(node, Scalar):
        # A DSN in the wrong place may hold a password.
        return "text" if _MAY_BE_SECRET.search(node.text) else quoted(node.text)
    return "a list" if isinstance(node, Listing) else "keys with values"


def loosely_typed(tree: Table, value: object, path: Path = ()) -> Iterator[Wrong]:
    """Find what pydantic takes for a number or a truth and we do not.

    Pydantic reads `yes`, `1_000` and `"4"`; the playbook's schema, which editors
    follow, does not.
    """
    if isinstance(value, BaseModel):
        for name in value.model_fields_set:
            yield from loosely_typed(tree, getattr(value, name), (*path, name))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from loosely_typed(tree, item, (*path, index))
    elif isinstance(value, int):
        node = find(tree, path)
        if not _is_written_as(value, node):
            yield _not_typed(value, node).at(tree, path)


def _is_written_as(value: int, node: Node | None) -> bool:
    if not isinstance(node, Scalar) or not node.plain:
        return False
    if isinstance(value, bool):
        return node.text == str(value).lower()
    return _INTEGER.fullmatch(node.text) is not None


def _not_typed(value: int, node: Node | None) -> Wrong:
    if not isinstance(value, bool):
        return _misfit(node, _WANTED["int_type"], "")
    hint = f"write {str(value).lower()}" if isinstance(node, Scalar) else ""
    return _misfit(node, _WANTED["bool_type"], hint)
