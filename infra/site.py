"""What `mkdocs.yml` cannot say: folders in the navigation, and a page from outside.

Owns that the site is made of `docs/` as it lies in the repository: links there lead to
files as they do on GitHub. Called by mkdocs.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
INFRA = "infra/README.md"


def on_config(config: Any) -> Any:
    """Put the pages of a folder where the navigation names `FOLDER/*.md`."""
    folder = Path(config.docs_dir)
    config.nav = [_expanded(entry, folder) for entry in config.nav]
    return config


def _expanded(entry: Any, folder: Path) -> Any:
    if isinstance(entry, dict):
        return {name: _expanded(inner, folder) for name, inner in entry.items()}
    if not isinstance(entry, list):
        return entry
    named = {one for one in entry if isinstance(one, str)}
    pages: list[Any] = []
    for one in entry:
        if isinstance(one, str) and one.endswith("/*.md"):
            found = (str(p.relative_to(folder)) for p in sorted(folder.glob(one)))
            pages += [page for page in found if page not in named]
        else:
            pages.append(_expanded(one, folder))
    return pages


def on_files(files: Any, config: Any) -> Any:
    """Take up the page on timers, which lies beside what it is about."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, INFRA, abs_src_path=str(ROOT / INFRA)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Let links from `docs/` to `infra/`, and those back, lead to where it is here."""
    if page.file.src_uri == INFRA:
        # A file that is not a page: it lies in the repository.
        plain = re.sub(r"\[([^\]]*)\]\((?!http|#|\.\./docs/)[^)]+\)", r"\1", markdown)
        return plain.replace("](../docs/", "](../")
    return re.sub(r"\]\(\.\./((?:\.\./)*)infra/", r"](\1infra/", markdown)
