"""The site of the docs: every link and anchor leads somewhere, no page is left out."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HAS_MKDOCS = importlib.util.find_spec("material") is not None

pytestmark = pytest.mark.skipif(
    not HAS_MKDOCS and os.environ.get("CI") != "true",
    reason="mkdocs-material is not installed: make install",
)


def build(config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", config, "-d", site],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        timeout=240,
    )


def test_it_builds_and_asks_for_no_font(tmp_path: Path) -> None:
    done = build(ROOT / "mkdocs.yml", tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    page = (tmp_path / "architecture.html").read_text()
    assert '<pre class="mermaid">' in page
    assert "fonts.g" not in page
    assert (tmp_path / "commands" / "drop-slot.html").is_file()


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ("[a](nowhere.md)", "'nowhere.md'"),
        ("[a](other.md#nowhere)", "does not contain an anchor '#nowhere'"),
        ("[a](#nowhere)", "there is no such anchor"),
        ("[a](/other.md)", "absolute link '/other.md'"),
    ],
)
def test_a_link_that_leads_nowhere_fails(tmp_path: Path, link: str, told: str) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text(f"# A\n\n{link}\n")
    (docs / "other.md").write_text("# B\n\n[back](index.md#a)\n")
    config = tmp_path / "mkdocs.yml"
    config.write_text(
        f"INHERIT: {ROOT / 'mkdocs.yml'}\ndocs_dir: {docs}\n"
        "nav: [index.md, other.md]\nhooks: []\n"
    )
    done = build(config, tmp_path / "site")
    assert done.returncode == 1
    assert told in done.stderr
