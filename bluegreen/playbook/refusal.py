"""What is wrong with a playbook, as values, and the error that says so.

Owns the form of a complaint, the place it points at and the nearest right word. What
counts as wrong is for the files that complain.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused
from bluegreen.playbook.tree import Mark

SHOWN = 4
"""Further complaints that one error lists; the rest comes with the next try."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong.

    Attributes:
        mark: where in the file.
        problem: one sentence, lower case, no full stop, never a secret.
    """

    mark: Mark
    code: Code
    problem: str
    seen: str = ""
    wanted: str = ""
    hint: str = ""


class Wrong(ValueError):
    """A value that a model's own check will not take; the loader adds the place.

    `problem` may hold `{subject}`, which becomes the field's name in words.
    """

    def __init__(
        self,
        problem: str,
        *,
        code: Code = Code.PLAYBOOK_NOT_VALID,
        seen: str = "",
        wanted: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.code = code
        self.seen = seen
        self.wanted = wanted
        self.hint = hint

    def at(self, mark: Mark, subject: str) -> Complaint:
        """The complaint once the place and the name are known."""
        problem = self.problem.replace("{subject}", subject)
        return Complaint(mark, self.code, problem, self.seen, self.wanted, self.hint)


def refuse(file: str, complaints: Sequence[Complaint]) -> PlaybookRefused:
    """The error for the first complaint in the file; it lists the next ones."""
    first, *others = sorted(complaints, key=lambda found: found.mark)
    seen = [first.seen] if first.seen else []
    if others:
        seen.append(f"{len(others)} more to fix:")
        seen += [f"{file}:{o.mark}: {o.problem}" for o in others[:SHOWN]]
    return PlaybookRefused(
        first.code,
        f"{file}:{first.mark}: {first.problem}",
        seen="\n".join(seen),
        wanted=first.wanted,
        hint=first.hint,
    )


def nearest(wrong: str, right: Iterable[str], likeness: float = 0.6) -> str:
    """The right word that resembles `wrong` most; empty where none does."""
    by_shape = {_shape(name): name for name in right}
    # difflib is slow on long texts, and no right word is long.
    near = difflib.get_close_matches(_shape(wrong[:80]), by_shape, n=1, cutoff=likeness)
    return by_shape[near[0]] if near else ""


def did_you_mean(wrong: str, right: Iterable[str], likeness: float = 0.6) -> str:
    """A hint with the nearest right word; empty where none is near."""
    near = nearest(wrong, right, likeness)
    return f'did you mean "{near}"?' if near else ""


def _shape(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")


def one_of(names: Iterable[str]) -> str:
    """`one of: a, b, c`, in order of the alphabet."""
    return "one of: " + ", ".join(sorted(names))


def quoted(text: str, limit: int = 60) -> str:
    """Text from the file for a message: in quotes, on one line, cut when long."""
    line = " ".join(text.split())
    return f'"{line}"' if len(line) <= limit else f'"{line[:limit]}…"'
