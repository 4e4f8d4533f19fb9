"""The pointers of the playbook's schema: one model a kind.

Owns the keys of each kind, their types and their meaning; the docstrings below are the
reference and the editors' schema. What two keys mean together is for
`pointer_rules.py`.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal, Union

from pydantic import BeforeValidator, Field

from bluegreen.playbook import dsn as dsns
from bluegreen.playbook.parts import DsnText, Part, Port, SecretText
from bluegreen.playbook.tree import Wrong
from bluegreen.pointers.names.values import RecordType
from bluegreen.steps.fields import Duration


class Address(Part):
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


class PointerConfig(Part):
    """What every pointer has."""

    pointer: str
    """The kind of pointer."""

    id: str = Field(default="main", pattern="^[a-z][a-z0-9_-]{0,39}$")
    """A name of its own; messages and the journal use it."""

    client: DsnText | None = None
    """How an application comes in, for the probe; no probe where it is left out."""

    client_password: SecretText | None = None
    """That application's password by reference."""


class PgBouncerConfig(PointerConfig):
    """One PgBouncer whose `[databases]` entry is moved."""

    pointer: Literal["pgbouncer"]
    """The kind of pointer."""

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


_AT = re.compile(r"[0-9A-Za-z:][0-9A-Za-z:.-]{0,253}(@([1-9][0-9]{0,4}))?")
_LAST_PORT = 65535


def _nameserver(value: object) -> object:
    found = _AT.fullmatch(value) if isinstance(value, str) else None
    if isinstance(value, str) and (not found or int(found[2] or 53) > _LAST_PORT):
        raise Wrong(
            "{subject} is no DNS server",
            wanted="an address or a name, with @PORT where it is not 53",
        )
    return value


NameserverText = Annotated[str, BeforeValidator(_nameserver)]
"""Where a DNS server is, `10.0.0.53` or `10.0.0.53@5353`."""


class NameConfig(PointerConfig):
    """What every pointer has that is a name which clients look up."""

    name: str = Field(min_length=1)
    """The record's whole name, e.g. `db.shop.internal`."""

    type: RecordType = RecordType.A
    """Its type."""

    blue: tuple[str, ...] = Field(min_length=1)
    """The record's values while blue serves, as a list."""

    green: tuple[str, ...] = Field(min_length=1)
    """The record's values while green serves, as a list."""

    max_ttl: Duration = timedelta(seconds=60)
    """A longer TTL of the record is refused."""

    lower_ttl: bool = False
    """Whether the cutover lowers a longer TTL to that, and waits the former one out."""


class DnsConfig(NameConfig):
    """A record on a DNS server that takes updates (RFC 2136)."""

    pointer: Literal["dns"]
    """The kind of pointer."""

    server: NameserverText
    """The zone's primary, `10.0.0.53` or `10.0.0.53@5353`."""

    key: str | None = Field(default=None, min_length=1)
    """Name of the TSIG key that may update the record."""

    key_algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"] = "hmac-sha256"
    """How the key signs."""

    key_secret: SecretText | None = None
    """The key's secret in base64, by reference."""

    authorities: tuple[NameserverText, ...] = ()
    """Servers that must give the new value after a move; the zone's NS records where
    none is named."""

    resolvers: tuple[NameserverText, ...] = ()
    """Resolvers that applications ask: `check` compares them, and the probe asks the
    first; by the system's where none is named."""


class Route53Config(NameConfig):
    """A record in a hosted zone of Amazon Route 53.

    Credentials come as for the aws command: environment, profile, the machine's role.
    """

    pointer: Literal["route53"]
    """The kind of pointer."""

    hosted_zone: str = Field(min_length=1)
    """Id of the zone, e.g. `Z08399521EXAMPLE`."""

    set_identifier: str | None = Field(default=None, min_length=1)
    """Which of several record sets of that name, where they are weighted or the
    like."""


ProgramWords = Annotated[tuple[str, ...], Field(min_length=1)]
"""A program and its arguments; no shell reads them."""


class CommandConfig(PointerConfig):
    """Whatever programs of yours read and move: a load balancer, a service registry."""

    pointer: Literal["command"]
    """The kind of pointer."""

    get: ProgramWords
    """Prints which side it names: `blue`, `green` or `neither`; or
    `{"names": "blue", "paused": false}`, which it must where there is `pause`."""

    set: ProgramWords
    """Moves it; `{side}` in it becomes `blue` or `green`. Twice must be as once."""

    pause: ProgramWords | None = None
    """Holds clients back; only together with `resume`."""

    resume: ProgramWords | None = None
    """Lets clients go on. What is not paused stays so, and it ends with status 0."""

    check: ProgramWords | None = None
    """Ends with status 0 where a move would do. Changes nothing."""

    timeout: Duration = timedelta(seconds=10)
    """A program that takes longer is killed, and has failed."""


class HaproxyConfig(PointerConfig):
    """A backend of HAProxy with a server for each side."""

    pointer: Literal["haproxy"]
    """The kind of pointer."""

    socket: str = Field(min_length=1)
    """The runtime socket, of level admin: a path, or `host:port`."""

    backend: str = Field(pattern=r"^[A-Z0-9a-z_.:-]+$")
    """The backend that is moved."""

    blue: str = Field(pattern=r"^[A-Z0-9a-z_.:-]+$")
    """Name of blue's server in it."""

    green: str = Field(pattern=r"^[A-Z0-9a-z_.:-]+$")
    """Name of green's server in it."""

    config_file: str | None = Field(default=None, min_length=1)
    """HAProxy's configuration, readable here, so that `check` sees whether states
    outlive a reload; relative to the playbook."""


POINTERS: tuple[type[PointerConfig], ...] = (
    PgBouncerConfig,
    DnsConfig,
    Route53Config,
    CommandConfig,
    HaproxyConfig,
)
"""The kinds of pointers, in the order in which they are told."""

if TYPE_CHECKING:
    AnyPointer = PointerConfig
else:
    AnyPointer = Annotated[Union[POINTERS], Field(discriminator="pointer")]  # noqa: UP007
