"""The docs of the rules, out of their records.

`python -m bluegreen.lint.pages docs/lint` writes them; a test holds that they are
what the records say.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bluegreen.lint.registry import RULES, SUBJECTS
from bluegreen.lint.rule import Rule, level_of
from bluegreen.lint.tracking.state import FIRST_VERSION, LAST_VERSION


def pages() -> dict[str, str]:
    """Text by file name."""
    made = {f"{rule.id}.md": _page(rule) for rule in RULES.values()}
    return {"index.md": _index(), **made}


def _index() -> str:
    lines = [
        "# Rules of `bluegreen lint`",
        "",
        (
            f"What is said of locks, rewrites and scans was measured on PostgreSQL "
            f"{FIRST_VERSION} to {LAST_VERSION}. How to configure and ignore: "
            "[configuration](configuration.md)."
        ),
    ]
    for subject, rules in SUBJECTS.items():
        lines += ["", f"## {subject}", "", "| rule | level | what |", "|---|---|---|"]
        for rule in rules:
            level = f"{level_of(rule.severity)}{' (off)' if rule.off else ''}"
            lines.append(f"| [{rule.id}]({rule.id}.md) | {level} | {rule.name} |")
    return "\n".join(lines) + "\n"


def _page(rule: Rule) -> str:
    asked = f'`enable = ["{rule.id}"]`'
    level = f"Level: {level_of(rule.severity)}."
    if rule.off:
        level += f" Off until asked for: {asked}."
    if rule.sized:
        level += " Less on a small table, more on a large one, where sizes are known."
    parts = [
        f"# {rule.name}",
        f"`{rule.id}`. {level}",
        f"**Effect.** {rule.effect}",
        f"**Why.** {rule.why}",
        f"**Instead.** {rule.workaround}",
    ]
    if rule.rows is not None:
        parts.append("It speaks where a database is asked, with `--dsn`.")
    if rule.known:
        parts += ["Before it there is:", _sql(rule.known)]
    parts += ["Found:", _sql(rule.bad), "Not found:", _sql(rule.good)]
    if rule.fix:
        parts.append("The safe form is printed, and `--fix` writes it where it can.")
    return "\n\n".join(parts) + "\n"


def _sql(text: str) -> str:
    shown = text.encode("utf-8", "backslashreplace").decode()
    return f"```sql\n{shown.rstrip()}\n```"


def write(folder: Path) -> None:
    """Write every page."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
