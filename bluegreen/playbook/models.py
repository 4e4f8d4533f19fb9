"""The playbook's schema.

Owns the keys, their types and their meaning; the docstrings below are the reference
and the editors' schema. Reading files is for `load.py`, a step's parameters are in
`steps/`, and what two keys mean together is for `rules.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal, Self, Union

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from bluegreen.model.accept import Accepted
from bluegreen.model.codes import Code
from bluegreen.model.duration import Size
from bluegreen.model.hazard import Hazard
from bluegreen.model.notice import Occasion
from bluegreen.model.secret import Secret
from bluegreen.playbook import dsn as dsns
from bluegreen.playbook.references import Text, is_reference
from bluegreen.playbook.tree import Wrong
from bluegreen.steps.contract import Step
from bluegreen.steps.fields import Duration, SizeText
from bluegreen.steps.monitors.limits import NEVER_ACCEPTED, WAL_LIMIT, Limits
from bluegreen.steps.registry import STEPS

if TYPE_CHECKING:
    AnyStep = Step
else:
    AnyStep = Annotated[Union[STEPS], Field(discriminator="step")]  # noqa: UP007


def _secret(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    if isinstance(value, Text) and is_reference(value.raw):
        return Secret(value)
    if not isinstance(value, str):
        raise Wrong("{subject} is not a reference", wanted="${env:NAME}")
    raise Wrong(
        "a password is written in {subject}",
        code=Code.PASSWORD_IN_PLAYBOOK,
        wanted="${env:NAME} or ${file:path}, and nothing beside it",
        hint="export it, e.g. BLUE_PASSWORD, and write ${env:BLUE_PASSWORD} here;\n"
        "or leave the key out and use ~/.pgpass",
    )


def _secret_url(value: object) -> Secret:
    if isinstance(value, Text) and is_reference(value.raw):
        return Secret(value)
    if isinstance(value, Secret):
        return value
    raise Wrong(
        "a URL is written in {subject}",
        code=Code.PASSWORD_IN_PLAYBOOK,
        wanted="${env:NAME} or ${file:path}, and nothing beside it",
        hint="such a URL is a secret: who has it may write there. Export it, e.g. "
        "NOTIFY_URL,\nand write ${env:NOTIFY_URL} here",
    )


def _dsn(value: object, info: ValidationInfo) -> dsns.Dsn:
    at = info.field_name or "dsn"
    beside = "password" if at == "dsn" else f"{at}_password"
    if isinstance(value, dsns.Dsn):
        return value
    if isinstance(value, Text):
        return dsns.read_dsn(value.raw, value.resolve, beside)
    if isinstance(value, str):
        return dsns.read_dsn(value, beside=beside)
    raise Wrong("{subject} is not text", wanted="a DSN: key words or a URL")


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


def _port(value: object) -> object:
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise Wrong("{subject} is no port", wanted="a whole number from 1 to 65535")
    return value


_REFERENCE = {
    "type": "string",
    "pattern": r"^\$\{(env:[A-Za-z_][A-Za-z0-9_]*|file:[^}]+)\}$",
}

SecretText = Annotated[
    Secret,
    PlainValidator(_secret),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {**_REFERENCE, "examples": ["${env:BLUE_PASSWORD}", "${file:secrets/blue}"]}
    ),
]
"""A secret by reference."""

SecretUrl = Annotated[
    Secret,
    PlainValidator(_secret_url),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({**_REFERENCE, "examples": ["${env:NOTIFY_URL}"]}),
]
"""A URL that is enough to write there, by reference."""

DsnText = Annotated[
    dsns.Dsn,
    PlainValidator(_dsn),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "examples": ["host=10.0.0.5 port=5432 dbname=shop user=bluegreen"],
        }
    ),
]
"""Where a database is: libpq's key words or a URL, never a password."""

Port = Annotated[int, Field(ge=1, le=65535), BeforeValidator(_port)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class SideConfig(_Part):
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


class Address(_Part):
    """A database as the pooler reaches it; what is left out comes from the side."""

    host: str = ""
    """Host name, address, or folder of a socket."""

    port: Port | None = None
    """Port."""

    dbname: str = ""
    """Database name on the server."""

    def filled(self, dsn: dsns.Dsn) -> dict[str, str]:
        """Host, port and dbname, from the side's DSN where they are left out."""
        words = dsn.words
        return {
            "host": self.host or words.get("host") or words.get("hostaddr", ""),
            "port": str(self.port or words.get("port") or 5432),
            "dbname": self.dbname or words.get("dbname", ""),
        }


class PgBouncerConfig(_Part):
    """One PgBouncer whose `[databases]` entry is moved."""

    pointer: Literal["pgbouncer"]
    """The kind of pointer."""

    id: str = Field(default="main", pattern="^[a-z][a-z0-9_-]{0,39}$")
    """A name of its own; messages and the journal use it."""

    console: DsnText
    """The admin console, e.g. `host=127.0.0.1 port=6432 user=pgbouncer`; `dbname` is
    `pgbouncer` where it is left out."""

    console_password: SecretText | None = None
    """The console's password by reference."""

    config_file: str = Field(min_length=1)
    """PgBouncer's own ini file, readable and writable here; relative to the
    playbook."""

    database: str = Field(min_length=1)
    """The entry in `[databases]` that is moved."""

    blue: Address = Address()
    """Blue as the pooler reaches it."""

    green: Address = Address()
    """Green as the pooler reaches it."""

    client: DsnText | None = None
    """How an application comes in, for the probe; no probe where it is left out."""

    client_password: SecretText | None = None
    """That application's password by reference."""


LONGEST_TRY = timedelta(seconds=10)
"""Of one way to tell people."""

_SLASHES = 2
"""Of `reverse/LOSSY/column-left-out`."""


class MonitorConfig(_Part):
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


class AcceptConfig(_Part):
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


class NotifyConfig(_Part):
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


class Playbook(_Part):
    """One move of one database from blue to green, and what may happen on the way."""

    version: Annotated[Literal[1], BeforeValidator(_version)]
    """The form of the file; always 1."""

    name: str = Field(pattern="^[a-z][a-z0-9_]{0,39}$")
    """Name of this move; slots, publications and subscriptions carry it."""

    blue: SideConfig
    """The database that serves today."""

    green: SideConfig
    """The database that will serve."""

    pointers: tuple[PgBouncerConfig, ...] = ()
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
