"""Going on with a whole run of the tests that was cut short.

Owns the file that names what has passed: its first line is a digest of the code, and
with other code all is tried again. `--resume FILE` uses it; `make test-all` does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]


def digest_of_code(root: Path = ROOT) -> str:
    """SHA-256 over the package, the tests and what pins their versions."""
    digest = hashlib.sha256()
    files = [root / "pyproject.toml", root / "requirements.lock"]
    for folder in ("bluegreen", "tests"):
        kept = (p for p in (root / folder).rglob("*") if "__pycache__" not in p.parts)
        files += sorted(p for p in kept if p.is_file())
    for path in files:
        digest.update(str(path.relative_to(root)).encode() + b"\0")
        digest.update(path.read_bytes())
    return digest.hexdigest()


def read_passed(file: Path, code: str) -> frozenset[str]:
    """The node ids that passed with this very code."""
    if not file.exists():
        return frozenset()
    first, *passed = file.read_text().splitlines() or [""]
    return frozenset(passed) if first == code else frozenset()


def begin(file: Path, code: str, passed: Iterable[str]) -> None:
    """Write the file again unless it is of this code."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join([code, *sorted(passed)]) + "\n")


def add_passed(file: Path, node_id: str) -> None:
    """One more; a run that is killed keeps it."""
    with file.open("a") as lines:
        lines.write(node_id + "\n")
