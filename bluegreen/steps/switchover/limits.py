"""The limits of a switchover, as the step `cutover` takes them. Values only.

Owns each limit, its default and its meaning; both directions keep to the same ones.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from bluegreen.steps.fields import Duration


class SwitchoverLimits(BaseModel):
    """What one switchover may take, and what it does when it takes longer."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    max_pause: Duration = timedelta(seconds=2)
    """Clients wait at most this long; then everything backs out and blue serves."""

    drain: Duration = timedelta(milliseconds=500)
    """How long open transactions that write on blue may hold up the fence."""

    after_drain: Literal["abort", "terminate"] = "abort"
    """What happens to them then: back out, or end those that block."""

    max_lag: Duration = timedelta(seconds=1)
    """Two marker rows in a row must make the way within this time right before the
    pause."""

    wait_for_lag: Duration = timedelta(seconds=15)
    """How long they are sent again where one is late; clients are served meanwhile."""

    end_sessions: Duration | None = None
    """How long after the move client sessions on the side that was left are ended, each
    second. For pointers that hold no client back, such as a DNS name: as long as its
    TTL, and some more for pools and runtimes that keep addresses."""

    probe: bool = True
    """Measure the pause as clients feel it, through the first pointer with a
    `client`."""
