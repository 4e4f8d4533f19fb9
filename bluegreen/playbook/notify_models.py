"""The keys of `notify`: whom to tell of what happens.

Owns their types and meaning, as `models.py` does for the rest of a playbook.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import Field, field_validator, model_validator

from bluegreen.model.notice import Occasion
from bluegreen.playbook.parts import Part, SecretUrl
from bluegreen.steps.fields import Duration

LONGEST_TRY = timedelta(seconds=10)
"""Of one way to tell people."""


class NotifyConfig(Part):
    """One way to tell people: a `command`, a `webhook` or an `apprise` URL."""

    when: tuple[Occasion, ...] = Field(default=tuple(Occasion), min_length=1)
    """What it is told of; everything where it is left out."""

    command: tuple[str, ...] = ()
    """A program that gets the notice as JSON on its standard input, without a shell."""

    webhook: SecretUrl | None = None
    """A URL by reference, to which the notice is sent as JSON."""

    apprise: SecretUrl | None = None
    """A URL by reference of any service that the package apprise speaks."""

    timeout: Duration = timedelta(seconds=5)
    """How long one try may take; there are three. 10s at most."""

    window_ends_in: Duration = timedelta(hours=1)
    """How long before its end an open window is told of, by the timer of
    `decommission --if-due`."""

    @field_validator("timeout")
    @classmethod
    def _is_short(cls, timeout: timedelta) -> timedelta:
        if not timedelta(0) < timeout <= LONGEST_TRY:
            raise ValueError("a time up to 10s: the end of a run waits for it")
        return timeout

    @model_validator(mode="after")
    def _is_one_way(self) -> Self:
        ways = (self.command, self.webhook, self.apprise)
        if sum(1 for way in ways if way) != 1:
            raise ValueError("exactly one of `command`, `webhook` and `apprise`")
        return self
