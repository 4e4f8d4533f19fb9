"""The reference of the commands, made from the verbs themselves.

Owns the form of `docs/commands/`. Run `python -m bluegreen.cli.reference` in a
checkout after a change to a verb's options or help; a test says when that was
forgotten. What typer does not know about a verb is in `reference_notes.py`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bluegreen.cli.app import VERBS, command_of
from bluegreen.cli.examples import calls
from bluegreen.cli.reference_notes import (
    EXIT_STATUSES,
    FURTHER,
    STATUSES_OF,
    VARIABLES,
    VARIABLES_OF,
)

FOLDER = Path("docs/commands")

_MADE = (
    "<!-- Made from the program by `python -m bluegreen.cli.reference`; "
    "edit the verb, not this page. -->"
)

_ABOUT = """
`bluegreen VERB --help` prints the options of a verb, `bluegreen --version` the version,
and `bluegreen --install-completion` makes the shell complete verbs and options. The
result goes to stdout; progress, questions and errors go to stderr.
"""
_CODES = """
The thousands of an error's code are the exit status: `BG-5003` ends with 5. What each
code means and what to do: [errors](../errors.md), or `bluegreen explain CODE`.
"""


def pages() -> dict[str, str]:
    """Text by file name."""
    made = {f"{verb}.md": "\n".join(_page(verb)) for verb in VERBS}
    return {"README.md": "\n".join(_index()), **made}


def _index() -> Iterator[str]:
    yield f"# Commands\n\n{_MADE}\n"
    yield "| command | what it does |\n|---|---|"
    yield from (f"| [`{verb}`]({verb}.md) | {line} |" for verb, line in VERBS.items())
    yield _ABOUT
    yield "## Exit statuses\n\n| status | means |\n|---|---|"
    yield from (f"| {status} | {means} |" for status, means in EXIT_STATUSES.items())
    yield _CODES
    yield "## Environment\n\n| variable | means |\n|---|---|"
    yield from (f"| `{name}` | {means} |" for name, means in VARIABLES.items())
    yield ""


def _page(verb: str) -> Iterator[str]:
    command = command_of(verb)
    yield f"# `bluegreen {verb}`\n\n{_MADE}\n"
    yield f"{_markdown(command.help)}\n"
    yield f"## Synopsis\n\n```\n{_synopsis(command)}\n```\n"
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    if arguments:
        yield "## Arguments\n\n| argument | meaning |\n|---|---|"
        yield from map(_argument, arguments)
        yield ""
    yield "## Options\n\n| option | value | default | meaning |\n|---|---|---|---|"
    options = [one for one in command.params if one.param_type_name == "option"]
    yield from map(_option, options)
    yield "| `-h`, `--help` | | | Show the help and exit. |\n"
    yield from _statuses(verb)
    yield from _variables(verb)
    yield from _examples(verb)
    yield from _further(verb)


def _markdown(text: str) -> str:
    """The help with each paragraph on one line, and its options as code."""
    flat = "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))
    return re.sub(r"(?<![`\w-])(--[a-z][a-z-]*)(?![`\w])", r"`\1`", flat)


def _synopsis(command: Any) -> str:
    names = [
        _metavar(one) for one in command.params if one.param_type_name == "argument"
    ]
    return " ".join(["bluegreen", command.name, "[OPTIONS]", *names])


def _metavar(param: Any) -> str:
    name = str(param.metavar or f"{param.name.upper()}").strip("[]")
    many = "..." if param.nargs == -1 else ""
    return f"{name}{many}" if param.required else f"[{name}{many}]"


def _argument(param: Any) -> str:
    return f"| `{_metavar(param)}` | {_cell(param.help)} |"


def _option(param: Any) -> str:
    names = ", ".join(f"`{name}`" for name in param.opts)
    again = " May be given again." if param.multiple else ""
    meaning = f"{_cell(param.help)}{again}"
    return f"| {names} | {_value(param)} | {_default(param)} | {meaning} |"


def _value(param: Any) -> str:
    if param.is_flag:
        return ""
    if param.metavar:
        return f"`{param.metavar}`"
    choices = getattr(param.type, "choices", None)
    if choices:
        return ", ".join(f"`{getattr(one, 'value', one)}`" for one in choices)
    return _WORDS.get(param.type.name, "text")


_WORDS = {
    "integer": "number",
    "integer range": "number",
    "int": "number",
    "int range": "number",
    "str": "text",
    "text": "text",
    "path": "path",
}


def _default(param: Any) -> str:
    value = param.default
    if param.is_flag or value is None or callable(value) or value in ("", [], ()):
        return ""
    return f"`{getattr(value, 'value', value)}`"


def _cell(text: str | None) -> str:
    return _markdown(text or "").replace("|", "\\|")


def _statuses(verb: str) -> Iterator[str]:
    yield "## Exit status\n\n| status | when |\n|---|---|"
    for status, when in STATUSES_OF.get(verb, {0: "done"}).items():
        yield f"| {status} | {when} |"
    yield "\nAny other: [exit statuses](README.md#exit-statuses).\n"


def _variables(verb: str) -> Iterator[str]:
    names = VARIABLES_OF.get(verb, ())
    if names:
        yield "## Environment\n\n| variable | means |\n|---|---|"
        yield from (f"| `{name}` | {VARIABLES[name]} |" for name in names)
        yield ""


def _examples(verb: str) -> Iterator[str]:
    module = importlib.import_module(f"bluegreen.cli.{verb.replace('-', '_')}")
    found = calls(module.EXAMPLE)
    heading = "Example" if len(found) == 1 else "Examples"
    yield f"## {heading}\n\n```\n" + "\n".join(found) + "\n```\n"


def _further(verb: str) -> Iterator[str]:
    links = [f"[{title}]({page})" for title, page in FURTHER.get(verb, {}).items()]
    yield f"See also: {', '.join([*links, '[all commands](README.md)'])}.\n"


def write(folder: Path) -> None:
    """Write every page; a page of a verb that is no more is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    for stale in {path.name for path in folder.glob("*.md")} - made.keys():
        (folder / stale).unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(FOLDER)
