"""AWS EventBridge Scheduler: Terraform for a schedule that starts a task of ECS.

Sources: the EventBridge Scheduler user guide, "Schedule types" (a rate counts from its
start date); the Terraform resource aws_scheduler_schedule.
"""

from __future__ import annotations

import json

from bluegreen.schedule.job import Files, Job, filled


def files_of(job: Job) -> Files:
    """The module of one file."""
    words = ", ".join(map(_text, job.words[1:]))
    name = f"{job.unit}.tf"
    start = ""
    if job.end is not None:
        start = f'\n  start_date          = "{job.end:%Y-%m-%dT%H:%M:%SZ}"'
    values = {
        "unit": job.unit,
        "place": job.unit.replace("-", "_"),
        "words": words,
        "start": start,
    }
    return Files(
        {name: filled("eventbridge", values)}, ("terraform init", "terraform apply")
    )


def _text(text: str) -> str:
    """A string of HCL: as in JSON, and `${` and `%{` begin templates."""
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")
