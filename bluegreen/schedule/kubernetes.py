"""Kubernetes: a CronJob. The playbook and its secrets are mounted.

Source: the reference of batch/v1 CronJob.
"""

from __future__ import annotations

from bluegreen import __version__
from bluegreen.schedule.job import Files, Job, filled

IMAGE = f"example.com/bluegreen:{__version__}"

FILE = "PLAYBOOK"
"""Stands for the file on the machine where the command is typed."""

_VARIABLE = """\
                - name: {name}
                  valueFrom:
                    secretKeyRef:
                      name: {secret}
                      key: {name}
"""


def files_of(job: Job) -> Files:
    """The manifest. A CronJob's name has 52 characters at most."""
    unit = f"bluegreen-{job.label}"
    variables = (_VARIABLE.format(name=one, secret=unit) for one in job.variables)
    name = f"{unit}.yaml"
    text = filled(
        "kubernetes",
        {"unit": unit, "image": IMAGE, "variables": "".join(variables)},
    )
    literals = " ".join(f"--from-literal={one}=…" for one in job.variables)
    secret = f"kubectl create secret generic {unit} {literals}"
    install = (
        f"kubectl create configmap {unit} --from-file=playbook.yml={FILE}",
        *([secret] if job.variables else []),
        "# fill in the image and the claim, then:",
        f"kubectl apply -f {name}",
    )
    return Files({name: text}, install)
