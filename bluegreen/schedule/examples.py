"""The examples in `infra/`: what `bluegreen schedule` writes for a playbook `shop`.

`python -m bluegreen.schedule.examples FOLDER` writes them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bluegreen.schedule import cron, eventbridge, kubernetes, systemd
from bluegreen.schedule.job import Job

JOB = Job(
    name="shop",
    program="/usr/local/bin/bluegreen",
    playbook=Path("/etc/bluegreen/shop.yml"),
    variables=("BLUE_PASSWORD", "GREEN_PASSWORD"),
)


def examples() -> dict[str, str]:
    """Their texts, by path within `infra/`."""
    made = {}
    for kind in (systemd, cron, kubernetes, eventbridge):
        folder = kind.__name__.rpartition(".")[2]
        for name, text in kind.files_of(JOB).texts.items():
            made[f"{folder}/{name}"] = text
    return made


def main() -> None:
    """Write them below the folder that is named."""
    for path, text in examples().items():
        file = Path(sys.argv[1]) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
