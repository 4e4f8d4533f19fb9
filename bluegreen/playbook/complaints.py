"""Pydantic's errors in plain words, at the line that caused them.

Owns the wording of what does not fit the schema; what fits is for `models.py`.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, get_args

from pydantic_core import ErrorDetails

from bluegreen.model.codes import Code
from bluegreen.playbook.models import STEP_BY_NAME, model_at
from bluegreen.playbook.refusal import (
    Complaint,
    Wrong,
    did_you_mean,
    nearest,
    one_of,
    quoted,
)
from bluegreen.playbook.tree import (
    Listing,
    Node,
    Path,
    Scalar,
    Table,
    find,
    mark_of,
    word,
)

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
    "time_delta_type": "a time with its unit, 3650d at most: 500ms, 2s, 30m, 24h, 7d",
}


def subject(tree: Node, path: Path) -> str:
    """The name of a place in words: `"window" of step "hold"`."""
    match path:
        case ():
            return "the playbook"
        case ("steps" | "pointers", int(index)):
            kind = "step" if path[0] == "steps" else "pointer"
            entry = find(tree, path)
            name = word(entry, "id") or word(entry, kind)
            named = name and "${" not in name
            return (
                f"{kind} {quoted(name)}"
                if named
                else f'entry {index + 1} of "{path[0]}"'
            )
        case (*parent, int(index)):
            return f"entry {index + 1} of {subject(tree, tuple(parent))}"
        case (str(key),):
            return quoted(key)
    return f"{quoted(str(path[-1]))} of {subject(tree, path[:-1])}"


def complaints(tree: Table, details: list[ErrorDetails]) -> list[Complaint]:
    """Say what pydantic's errors mean; a misspelt key is not missed as well."""
    misspelt = {
        (path[:-1], near)
        for path in (_path(d) for d in details if d["type"] == "extra_forbidden")
        if (near := nearest(str(path[-1]), _names(tree, path[:-1])))
    }
    return [
        _complaint(tree, detail)
        for detail in details
        if detail["type"] != "missing"
        or (_path(detail)[:-1], _path(detail)[-1]) not in misspelt
    ]


def _names(tree: Table, place: Path) -> set[str]:
    model = model_at(place, word(find(tree, place), "step"))
    return set(model.model_fields) if model else set()


def _complaint(tree: Table, detail: ErrorDetails) -> Complaint:
    path, kind = _path(detail), detail["type"]
    if kind == "extra_forbidden":
        return _unknown_key(tree, path)
    if kind == "missing":
        return _missing(tree, path)
    if kind.startswith("union_tag"):
        return _unknown_step(tree, path)
    wrong = _wrong_value(tree, path, detail)
    return wrong.at(mark_of(tree, path, at_key=False), subject(tree, path))


def _path(detail: ErrorDetails) -> Path:
    """Pydantic's way to the error, less the step's kind that it puts in."""
    loc = detail["loc"]
    return loc[:2] + loc[3:] if loc[0] == "steps" and len(loc) > 2 else loc


def _unknown_key(tree: Table, path: Path) -> Complaint:
    *parent, key = path
    place = tuple(parent)
    names = _names(tree, place)
    what = "parameter" if place[:1] == ("steps",) else "key"
    hint = did_you_mean(str(key), names) or _elsewhere(str(key))
    return Complaint(
        mark_of(tree, path, at_key=True),
        Code.PLAYBOOK_NOT_VALID,
        f"{subject(tree, place)} has no {what} {quoted(str(key))}",
        wanted=one_of(names),
        hint=hint,
    )


def _elsewhere(key: str) -> str:
    owners = [n for n, kind in STEP_BY_NAME.items() if key in kind.model_fields]
    return f'"{key}" belongs to step "{owners[0]}"' if len(owners) == 1 else ""


def _missing(tree: Table, path: Path) -> Complaint:
    place, key = path[:-1], str(path[-1])
    model = model_at(place, word(find(tree, place), "step"))
    field = model.model_fields.get(key) if model else None
    meaning = " ".join((field.description or "").split()) if field else ""
    meaning = meaning.removesuffix(".")
    return Complaint(
        mark_of(tree, place, at_key=True),
        Code.PLAYBOOK_NOT_VALID,
        f'{subject(tree, place)} lacks "{key}"',
        wanted=f"{key}: {meaning}",
    )


def _unknown_step(tree: Table, path: Path) -> Complaint:
    entry = find(tree, path)
    name, wanted = word(entry, "step"), ", ".join(STEP_BY_NAME)
    if not name:
        return Complaint(
            mark_of(tree, path, at_key=True),
            Code.PLAYBOOK_NOT_VALID,
            f'entry {int(path[-1]) + 1} of "steps" does not say which step it is',
            wanted=f"step: one of: {wanted}",
        )
    return Complaint(
        mark_of(tree, (*path, "step"), at_key=False),
        Code.PLAYBOOK_NOT_VALID,
        f"there is no step {quoted(name)}",
        wanted=f"one of: {wanted}",
        hint=did_you_mean(name, STEP_BY_NAME),
    )


def _wrong_value(tree: Table, path: Path, detail: ErrorDetails) -> Wrong:
    context, kind = detail.get("ctx", {}), detail["type"]
    error = context.get("error")
    if isinstance(error, Wrong):
        return error
    node = find(tree, path)
    if kind == "value_error" and _is_duration(tree, path):
        kind = "time_delta_type"
    if kind in ("literal_error", "enum"):
        return _not_a_choice(path, node, re.findall("'([^']*)'", context["expected"]))
    wanted = _WANTED.get(kind) or _bound(kind, context) or str(error or detail["msg"])
    hint = _as_entry(node, kind)
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
    problem = "{subject} does not fit"
    if path[0] == "allow" or path[-1] == "pointer":
        kind = "hazard" if path[0] == "allow" else "kind of pointer"
        problem = f"there is no {kind} {quoted(written)}"
    return Wrong(
        problem,
        seen="" if problem.startswith("there") else _seen(node),
        wanted=one_of(names),
        hint=did_you_mean(written, names),
    )


def _bound(kind: str, context: dict[str, Any]) -> str:
    match kind:
        case "greater_than_equal":
            return f"{context['ge']} or more"
        case "less_than_equal":
            return f"{context['le']} or less"
        case "string_pattern_mismatch":
            more = "digits, _ or -" if "-]" in context["pattern"] else "digits or _"
            return f"a small letter, then up to 39 small letters, {more}"
        case "string_too_short":
            return "text that is not empty"
        case "too_short":
            return "one entry or more"
    return ""


def _is_duration(tree: Table, path: Path) -> bool:
    place = path[:-1]
    model = model_at(place, word(find(tree, place), "step"))
    field = model.model_fields.get(str(path[-1])) if model else None
    annotation = field.annotation if field else None
    return timedelta in (annotation, *get_args(annotation))


def _seen(node: Node | None) -> str:
    if isinstance(node, Scalar):
        # A DSN in the wrong place may hold a password.
        return "text" if _MAY_BE_SECRET.search(node.text) else quoted(node.text)
    return "a list" if isinstance(node, Listing) else "keys with values"


def not_typed(tree: Table, path: Path, value: object) -> Complaint:
    """Say that a number or a truth is not written as one."""
    kind = "bool_type" if isinstance(value, bool) else "int_type"
    node = find(tree, path)
    hint = ""
    if isinstance(value, bool) and isinstance(node, Scalar):
        hint = f"write {str(value).lower()}"
    wrong = Wrong(
        "{subject} does not fit", seen=_seen(node), wanted=_WANTED[kind], hint=hint
    )
    return wrong.at(mark_of(tree, path, at_key=False), subject(tree, path))
