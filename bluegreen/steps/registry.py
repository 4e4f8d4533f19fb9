"""The steps that a playbook may name. Owns the list, in the order they are used."""

from __future__ import annotations

from bluegreen.steps.approve import Approve
from bluegreen.steps.backup import Backup
from bluegreen.steps.check import Check
from bluegreen.steps.compat import Compat
from bluegreen.steps.contract import Step
from bluegreen.steps.cutover import Cutover
from bluegreen.steps.decommission import Decommission
from bluegreen.steps.hold import Hold
from bluegreen.steps.migrate import Migrate
from bluegreen.steps.replicate import Replicate
from bluegreen.steps.snapshot import Snapshot
from bluegreen.steps.validate import Validate

STEPS: tuple[type[Step], ...] = (
    Check,
    Backup,
    Snapshot,
    Replicate,
    Migrate,
    Compat,
    Validate,
    Approve,
    Cutover,
    Hold,
    Decommission,
)
