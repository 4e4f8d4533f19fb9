"""The playbook's schema.

Owns the keys, their types and their meaning; the docstrings below are the reference
and the editors' schema. Reading files is for `load.py`, a step's parameters are in
`steps/`, and what two keys mean together is for `rules.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal, Union

from pydantic import (
    BeforeValidator,
    Field,
    field_validator,
)

from bluegreen.model.accept import Accepted
from bluegreen.model.duration import Size
from bluegreen.model.hazard import Hazard
from bluegreen.playbook import dsn as dsns
from bluegreen.playbook.notify_models import NotifyConfig
from bluegreen.playbook.parts import DsnText, Part, SecretText
from bluegreen.playbook.pointer_models import AnyPointer
from bluegreen.playbook.tree import Wrong
from bluegreen.steps.contract import Step
from bluegreen.steps.fields import Duration, SizeText
from bluegreen.steps.monitors.limits import NEVER_ACCEPTED, WAL_LIMIT, Limits
from bluegreen.steps.registry import STEPS

if TYPE_CHECKING:
    AnyStep = Step
else:
    AnyStep = Annotated[Union[STEPS], Field(discriminator="step")]  # noqa: UP007


def _peer(words: object) -> object:
    if isinstance(words, dict):
        dsns.refuse_peer_words(words)
    return words


def _version(value: object) -> object:
    if value in ("1", 1):
        return 1
    raise Wrong(
        "{subject} is not 1",
        wanted="1, the only form of a playbook that this bluegreen reads",
        hint="a higher number asks for a newer bluegreen",
    )


class SideConfig(Part):
    """Where one side's database is, reached directly and never through a pooler."""

    dsn: DsnText
    """libpq's key words or a URL, without the password, e.g.
    `host=10.0.0.5 port=5432 dbname=shop user=bluegreen`; `service=NAME` works too."""

    password: SecretText | None = None
    """The password by reference, `${env:NAME}` or `${file:path}`; leave it out to use
    `~/.pgpass`, a service file or a certificate."""

    seen_from_peer: Annotated[dict[str, str], BeforeValidator(_peer)] = Field(
        default_factory=dict
    )
    """Key words in which the other side's server must reach this one differently, e.g.
    `{host: blue.internal}`."""


_SLASHES = 2
"""Of `reverse/LOSSY/column-left-out`."""


class MonitorConfig(Part):
    """How much is too much for the monitors."""

    wal_limit: SizeText = Size(WAL_LIMIT)
    """How much WAL a slot of ours may keep on a server: less than its free disk, which
    SQL cannot see. A lower `max_slot_wal_keep_size` of the server counts instead. With
    ABANDONS_GREEN in `allow`, blue's slot is dropped when it keeps more."""

    max_lag: Duration = timedelta(minutes=1)
    """A heartbeat that is on its way for longer is told."""

    long_transaction: Duration = timedelta(minutes=5)
    """A transaction that is open for longer is told."""

    def limits(self) -> Limits:
        """The same as the monitors take it."""
        return Limits(
            self.wal_limit.bytes,
            self.max_lag,
            self.long_transaction,
        )


class AcceptConfig(Part):
    """A finding that is known and meant."""

    id: str = Field(min_length=1)
    """Of a finding of `check`, `status` or `validate`, e.g. `large-objects`, or of a
    verdict of `compat`, e.g. `reverse/LOSSY/column-left-out`. Lost rows cannot be
    accepted."""

    object: str = Field(default="*", min_length=1)
    """What it was found on, where not all are meant: a side, a table, a thing of the
    schema; a `*` matches anything."""

    reason: str = Field(pattern=r"\S")
    """Why it may be; the next person wants to know."""

    @field_validator("id")
    @classmethod
    def _is_acceptable(cls, finding: str) -> str:
        if finding in NEVER_ACCEPTED:
            raise ValueError(
                f"another finding: {finding} finds lost rows, which no word brings back"
            )
        if "/" in finding and finding.count("/") != _SLASHES:
            raise ValueError(
                "a verdict's id has a direction, an answer and a rule, and its table "
                "stands in `object`"
            )
        return finding

    def accepted(self) -> Accepted:
        """The same for what looks it up."""
        return Accepted(self.id, self.reason, self.object)


class Playbook(Part):
    """One move of one database from blue to green, and what may happen on the way."""

    version: Annotated[Literal[1], BeforeValidator(_version)]
    """The form of the file; always 1."""

    name: str = Field(pattern="^[a-z][a-z0-9_]{0,39}$")
    """Name of this move; slots, publications and subscriptions carry it."""

    blue: SideConfig
    """The database that serves today."""

    green: SideConfig
    """The database that will serve."""

    pointers: tuple[AnyPointer, ...] = ()
    """What sends clients to a side; all of them move at once or none does."""

    steps: tuple[AnyStep, ...] = Field(min_length=1)
    """What is done, in order."""

    monitor: MonitorConfig = MonitorConfig()
    """Limits of the monitors, which look as long as a run goes on and in `status`."""

    accept: tuple[AcceptConfig, ...] = ()
    """Findings that are known and meant; each needs a reason."""

    notify: tuple[NotifyConfig, ...] = ()
    """Whom to tell of what happens; what cannot be told stops nothing."""

    allow: tuple[Hazard, ...] = ()
    """The hazards that may come about without asking; `bluegreen plan` names them."""

    def __str__(self) -> str:
        return f"playbook {self.name}"
