"""Write the texts beside the refused playbooks again, from what is said now."""

from __future__ import annotations

import os
from pathlib import Path

from bluegreen.model.errors import PlaybookRefused
from bluegreen.playbook.load import load
from tests.unit.playbook.test_cases import ENVIRON, REFUSED


def main() -> None:
    for path in REFUSED:
        os.chdir(path.parent)
        try:
            load(Path(path.name), ENVIRON)
        except PlaybookRefused as error:
            path.with_suffix(".txt").write_text(f"{error}\n")
        else:
            raise SystemExit(f"{path} is accepted")


if __name__ == "__main__":
    main()
