"""cron: one file for /etc/cron.d. Source: crontab(5), "The command field"."""

from __future__ import annotations

import shlex

from bluegreen.schedule.job import Files, Job, filled


def files_of(job: Job) -> Files:
    """The one file. Its name has no dot, or cron would pass over it."""
    command = shlex.join(job.words).replace("%", r"\%")
    values = {"user": job.user, "unit": job.unit, "command": command}
    return Files(
        {job.unit: filled("cron", values)},
        (
            f"install -d -o {job.user} -m 0750 /var/log/bluegreen",
            f"install -m 0644 {job.unit} /etc/cron.d/",
            *(
                f"# cron sets no ${name}: give the playbook ${{file:…}} for it"
                for name in job.variables
            ),
        ),
    )
