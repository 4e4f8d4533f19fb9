"""The playbook's reference page and its JSON schema, made from the models.

Owns their form. Run `python -m bluegreen.playbook.reference` in a checkout after a
change to a model; a test says when that was forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from bluegreen.model.duration import Size
from bluegreen.model.hazard import Hazard
from bluegreen.model.secret import Secret
from bluegreen.playbook.complaints import meanings
from bluegreen.playbook.dsn import Dsn
from bluegreen.playbook.models import AcceptConfig, MonitorConfig, Playbook, SideConfig
from bluegreen.playbook.pointer_models import (
    POINTERS,
    Address,
    CommandConfig,
    DnsConfig,
    HaproxyConfig,
    PgBouncerConfig,
    Route53Config,
)
from bluegreen.steps.place_fields import S3Options
from bluegreen.steps.registry import STEPS
from bluegreen.steps.schema_change.rules import ColumnRule

PAGE = Path("docs/playbook-reference.md")
SCHEMA = Path("bluegreen/playbook/playbook.schema.json")

_INTRODUCTION = """\
# Playbook reference

Made from the models by `python -m bluegreen.playbook.reference`; edit the docstrings
there, not this page. An editor that knows YAML schemas checks a playbook as you type
once its first line reads

```yaml
# yaml-language-server: $schema=playbook.schema.json
```

`bluegreen/playbook/playbook.schema.json` is in the package and the repository.

A playbook is one YAML document in UTF-8 of at most 256 kB. Anchors, aliases, tags and
merge keys are not accepted, and no value is guessed: `no` is the text "no", a truth is
`true` or `false`, a time carries its unit (`500ms`, `2s`, `30m`, `24h`, `7d`).
A key that is not listed here, or stands twice, is refused with its line.

## Secrets and other values from outside

`${env:NAME}` stands for an environment variable, `${file:path}` for what a file holds,
less the newline at its end. The path is relative to the playbook, and only the file's
owner may read it (a file of root's may also be readable by its group). Both work in any
text except `version`, `step` and `pointer`. A variable that is unset or empty is
refused. `$${` stands for a `${` that is meant as written.

A password is always a reference. One that is written out is refused, in a key as well
as in a DSN. Instead of `password`, `~/.pgpass`, a libpq service file (`service=NAME`
in the DSN) and certificates work as they do for psql. In a DSN a reference may stand
for the password or for the whole; it needs no quoting there.

A value by reference in `command` ends in a process list, so a secret has no place
there.
"""

_ORDER = """\
The order must make sense: `check`, `backup`, `replicate` and `migrate` come before
`cutover`; `migrate` and `validate` after `replicate`; `hold` after `cutover`;
`decommission` after `hold` and last. `replicate`, `migrate`, `cutover`, `hold` and
`decommission` stand once at most; another step that stands twice needs an `id`.
"""


_PARTS: tuple[type[BaseModel], ...] = (
    Address,
    SideConfig,
    *POINTERS,
    MonitorConfig,
    AcceptConfig,
    ColumnRule,
    S3Options,
)
_MODELS: tuple[type[BaseModel], ...] = (*_PARTS, *STEPS, Playbook)


def _describe() -> None:
    for model in _MODELS:
        meaning = meanings(model)
        for name, info in model.model_fields.items():
            info.description = meaning.get(name) or None
        model.model_rebuild(force=True)


_describe()


def schema() -> dict[str, Any]:
    """The JSON schema of a playbook, draft 2020-12."""
    made = Playbook.model_json_schema(mode="validation")
    for step in STEPS:
        made["$defs"][step.__name__].setdefault("required", []).insert(0, "step")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "bluegreen playbook",
        **_tidy(made),
    }


def _tidy(node: Any) -> Any:
    """Take out what the loader refuses (null) or an editor need not show (defaults)."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _tidy(value)
        for key, value in node.items()
        if not (key in ("title", "default") and not isinstance(value, dict))
    }
    options = [o for o in kept.get("anyOf", ()) if o != {"type": "null"}]
    if len(options) == 1:
        del kept["anyOf"]
        kept.update(options[0])
    return kept


def page() -> str:
    """The reference in Markdown."""
    return "\n".join(_page()).rstrip() + "\n"


def _page() -> Iterator[str]:
    yield _INTRODUCTION
    yield from _section("## The playbook", Playbook)
    yield from _section("## A side: `blue`, `green`", SideConfig)
    yield from _section("## A pointer: `pgbouncer`", PgBouncerConfig)
    yield from _section("## An address: a pooler's `blue` and `green`", Address)
    yield from _section("## A pointer: `dns`", DnsConfig)
    yield from _section("## A pointer: `route53`", Route53Config)
    yield from _section("## A pointer: `command`", CommandConfig)
    yield from _section("## A pointer: `haproxy`", HaproxyConfig)
    yield from _section("## The monitors: `monitor`", MonitorConfig)
    yield from _section("## A finding that is accepted: `accept`", AcceptConfig)
    yield "## Steps\n"
    yield _ORDER
    for step in STEPS:
        yield from _section(f"### `{step.model_fields['step'].default}`", step)
    yield from _section("## A bucket: `s3` of `backup` and `decommission`", S3Options)
    yield "## Hazards\n"
    yield from (f"- `{hazard}`: {hazard.meaning}" for hazard in Hazard)


def _section(title: str, model: type[BaseModel]) -> Iterator[str]:
    yield f"{title}\n"
    yield _flow(model.__doc__ or "") + "\n"
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, info in model.model_fields.items():
        meaning = _flow(info.description or "").replace("|", "\\|")
        yield f"| `{name}` | {_type(info)} | {_default(info)} | {meaning} |"
    yield ""


def _flow(text: str) -> str:
    return " ".join(text.split())


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    value = info.get_default(call_default_factory=True, validated_data={})
    assert value is not PydanticUndefined
    if value is None or value in ("", (), {}) or isinstance(value, BaseModel):
        return ""
    if isinstance(value, Size):
        return f"`{value}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{_short(value) if isinstance(value, timedelta) else value}`"


_UNITS_MS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}


def _short(span: timedelta) -> str:
    """As one writes it: `500ms`, `2s`, `24h`."""
    length = span // timedelta(milliseconds=1)
    unit = next(unit for unit, size in _UNITS_MS.items() if length % size == 0)
    return f"{length // _UNITS_MS[unit]}{unit}"


_NAMES: dict[object, str] = {
    str: "text",
    int: "number",
    bool: "true or false",
    timedelta: "time",
    Secret: "reference",
    Dsn: "DSN",
    Hazard: "hazard",
    SideConfig: "side",
    Address: "address",
    PgBouncerConfig: "pointer",
    Size: "size",
    MonitorConfig: "limits",
    AcceptConfig: "accepted finding",
}


def _type(info: FieldInfo) -> str:
    return _type_name(info.annotation)


def _type_name(annotation: Any) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation in _NAMES:
        return _NAMES[annotation]
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in args)
    if origin is tuple:
        return f"list of {_plural(_type_name(args[0]))}"
    if origin is dict:
        return "keys with text"
    named = [_type_name(arg) for arg in args if arg is not type(None)]
    return named[0] if named else "step"


def _plural(name: str) -> str:
    return name if name == "text" else f"{name}s"


def main() -> None:
    """Write both files, in the folder of a checkout."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    SCHEMA.write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
