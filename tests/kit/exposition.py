"""Reading Prometheus' text form as strictly as its own parser does.

The grammar is that of the text exposition format, version 0.0.4: HELP and TYPE once
before a family's samples, a family's samples together, no series twice, escapes in
labels, numbers as Go reads them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_SAMPLE = re.compile(
    rf"({_NAME})(?:\{{(.*)\}})? (NaN|[+-]Inf|-?[0-9.]+(?:e[+-]?[0-9]+)?)"
)
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


@dataclass(frozen=True)
class Sample:
    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


def read(text: str) -> dict[str, list[Sample]]:
    """All families; AssertionError at the first thing that is not well formed."""
    assert text.endswith("\n"), "the last line must end"
    families: dict[str, list[Sample]] = {}
    kinds: dict[str, str] = {}
    helped: set[str] = set()
    current = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, current, *words = line.split(" ", 3)
            assert words, f"no help: {line}"
            assert current not in helped, f"twice: {line}"
            helped.add(current)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current, f"TYPE of another family: {line}"
            assert name not in kinds, f"twice: {line}"
            assert kind in {"gauge", "counter"}, line
            assert (kind == "counter") == name.endswith("_total"), line
            kinds[name] = kind
            families[name] = []
        else:
            sample = _sample(line)
            assert sample.name == current, f"not together with its family: {line}"
            assert sample.name in kinds, f"no TYPE before it: {line}"
            known = [one.labels for one in families[current]]
            assert sample.labels not in known, f"series twice: {line}"
            families[current].append(sample)
    assert all(families.values()), "a family without a sample"
    return families


def _sample(line: str) -> Sample:
    found = _SAMPLE.fullmatch(line)
    assert found, f"not a sample: {line!r}"
    labels, rest = [], found[2] or ""
    while rest:
        label = _LABEL.match(rest)
        assert label, f"not a label: {rest!r}"
        value = re.sub(r'\\["\\n]', lambda m: _ESCAPES[m[0]], label[2])
        labels.append((label[1], value))
        rest = rest[label.end() :]
    names = [name for name, _ in labels]
    assert len(names) == len(set(names)), f"label twice: {line}"
    return Sample(found[1], tuple(sorted(labels)), float(found[3]))
