"""The certificate of one move of traffic: its form, its hash, reading it back.

Owns the form and the canonical JSON that is hashed. Drawing one up from the journal is
for `steps/switchover/draw_up.py`, holding one against the servers for `cli/verify.py`.

The hash shows that a certificate was changed, not who wrote it: a person who can change
it can hash it again. That it is the true one is shown by the journals in both
databases, which hold it too, and whose records it sums up.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    GetPydanticSchema,
    ValidationError,
)
from pydantic_core import core_schema

from bluegreen.model.codes import Code
from bluegreen.model.errors import StepError
from bluegreen.model.lsn import Lsn
from bluegreen.model.record import Record
from bluegreen.model.side import Side

FORMAT = 1
"""Raised when a reader of the former form would misread the new one."""

_MOST_SHOWN = 12
"""Lines that fit a screen at 3 a.m."""

_POSITION = core_schema.no_info_after_validator_function(
    Lsn.parse, core_schema.str_schema(pattern=r"^[0-9A-F]{1,8}/[0-9A-F]{1,8}$")
)
Position = Annotated[
    Lsn,
    GetPydanticSchema(
        lambda _type, _handler: core_schema.json_or_python_schema(
            json_schema=_POSITION,
            python_schema=core_schema.is_instance_schema(Lsn),
            serialization=core_schema.to_string_ser_schema(),
        )
    ),
]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        populate_by_name=True,
    )


class SideToldOf(_Part):
    """Who a side was when the certificate was drawn up."""

    identity: str
    """Its random identity row."""

    system: str
    """The cluster's system identifier; text, as it has more than 53 bits."""

    database: str
    server_version: str


class SequenceSet(_Part):
    """The value that a sequence was set to, and whether it counts as given out."""

    last: int
    called: bool


class TableProved(_Part):
    """What was proved alike of one table."""

    rows: int
    checksum: str | None
    """Hexadecimal; None where only counts were compared."""


class RowsProved(_Part):
    """The last comparison of rows since the move before this one."""

    action: str
    run: str
    at: AwareDatetime
    counted_on: Literal["blue"] = "blue"
    """Counts and checksums are those of blue at the first look; green was alike."""

    tables: dict[str, TableProved]


class Pause(_Part):
    """How long clients waited; None where the run that moved was cut short."""

    total_ms: float | None
    parts_ms: dict[str, float]
    longest_gap_ms: float | None
    """As a client felt it; None without the probe."""

    client_errors: tuple[str, ...] | None


class Times(_Part):
    """When; UTC by green's clock, but `committed` by the clock of the side `to`."""

    begun: AwareDatetime
    committed: AwareDatetime
    moved: AwareDatetime | None
    """None where the move was cut short, and undone before every pointer was seen."""

    way_back_open: AwareDatetime


class JournalTold(_Part):
    """The journal's records up to the one that says that traffic has moved.

    Where none says so, up to the one that says that the way back is open.
    """

    records: Annotated[int, Field(ge=1)]
    sha256: Digest


class Certificate(_Part):
    """What one cutover or rollback did, and what proves it."""

    format: Literal[1] = 1
    kind: Literal["cutover", "rollback"]
    playbook: str
    playbook_digest: str
    """The playbook's, as the run that committed read it."""

    run: str
    epoch: Annotated[int, Field(ge=1)]
    left: Annotated[Side, Field(alias="from")]
    to: Side
    sides: Annotated[dict[Side, SideToldOf], Field(min_length=2)]
    pointers: tuple[str, ...]
    fence_position: Position
    """Where the barrier stands: WAL of the side that was left, behind the marker."""

    marker: UUID
    """The marker row that was seen on the other side behind the fence."""

    origin_position: Position
    """Where the stream the other way starts: WAL of the side that serves."""

    sequences: dict[str, SequenceSet] | None
    """As they were set; None where the run that moved was cut short."""

    rows: RowsProved | None
    """None where none were compared since the move before."""

    left_behind: dict[str, int | None] | None = None
    """Rows by table that no stream carried and that stayed on the side that was left;
    a table whose count took too long has none. None where they were not counted, as
    before this was asked."""

    broken_keys: dict[str, int] | None = None
    """Foreign keys that stay NOT VALID as accepted, each with green's rows that name no
    parent. None where there are none."""

    left_out: tuple[str, ...] | None = None
    """Objects of blue's schema that the playbook leaves out of green, and materialized
    views of green that may stay empty. None where there are none."""

    pause: Pause
    times: Times
    way_back_marker_s: float
    """Seconds that a marker row took to come back the other way."""

    journal: JournalTold
    hash: str = ""
    """SHA-256 over the canonical JSON of all else."""

    def content(self) -> dict[str, Any]:
        """It all as JSON values."""
        return self.model_dump(mode="json", by_alias=True)

    def sealed(self) -> Certificate:
        """The same with its hash."""
        return self.model_copy(update={"hash": hash_of(self.content())})


def canonical(value: object) -> bytes:
    """JSON in the one form that is hashed: keys sorted, no spaces, ASCII."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()


def hash_of(content: Mapping[str, Any]) -> str:
    """SHA-256 over a certificate's content without its `hash`."""
    rest = {key: value for key, value in content.items() if key != "hash"}
    return hashlib.sha256(canonical(rest)).hexdigest()


def text_of(content: Mapping[str, Any]) -> str:
    """The file's text; the same content gives the same text."""
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def file_name(content: Mapping[str, Any]) -> str:
    """`shop-epoch-1-cutover.json`."""
    return f"{content['playbook']}-epoch-{content['epoch']}-{content['kind']}.json"


def journal_digest(records: Iterable[Record]) -> str:
    """SHA-256 over the records, a line of canonical JSON each; times in UTC."""
    digest = hashlib.sha256()
    for one in records:
        line = {
            "seq": one.seq,
            "at": one.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "kind": str(one.kind),
            "epoch": one.epoch,
            "run": one.run,
            "action": one.action,
            "body": dict(one.body),
            "writer": one.writer,
        }
        digest.update(canonical(line) + b"\n")
    return digest.hexdigest()


def read_certificate(data: bytes, name: str) -> Certificate:
    """Read one back; its form and its hash must hold.

    Args:
        data: the file's bytes.
        name: the file's name, for messages.

    Raises:
        StepError: 4008.
    """
    try:
        content = json.loads(data.decode(), object_pairs_hook=_no_key_twice)
        certificate = Certificate.model_validate_json(data)
    except ValidationError as error:
        if unknown := _unknown_to_us(content, error):
            raise _newer(name, unknown) from None
        raise _no_certificate(name, _faults(error)) from None
    except (ValueError, RecursionError) as error:
        raise _no_certificate(name, str(error)) from None
    found = hash_of(content)
    if found != certificate.hash:
        raise StepError(
            Code.CERTIFICATE_NOT_VALID,
            f"{name} was changed after it was written",
            seen=f"its content has the hash {found}",
            wanted=f"{certificate.hash or 'a hash'}, as it says itself",
            hint="the journal in both databases holds the true one: delete the file "
            "and run `bluegreen run` again, or look at `bluegreen journal --json`",
        )
    return certificate


def differences(one: Certificate, other: Certificate, where: str) -> list[str]:
    """Every value that differs, a line each; `where` names the other's origin. Pure."""
    here, there = dict(_leaves(one.content())), dict(_leaves(other.content()))
    return [
        f"{path}: {where} {_say(there, path)}, the certificate {_say(here, path)}"
        for path in sorted({*here, *there} - {"hash"})
        if _say(here, path) != _say(there, path)
    ]


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    if not parts:
        yield path, value
    for key, part in parts:
        yield from _leaves(part, f"{path}.{key}" if path else str(key))


def _say(leaves: Mapping[str, Any], path: str) -> str:
    if path not in leaves:
        return "nothing"
    return json.dumps(leaves[path], ensure_ascii=False)


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key that stands twice could show a person one value and us another."""
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key stands twice in it")
    return content


def _faults(error: ValidationError) -> str:
    faults = [
        f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}"
        for one in error.errors(include_url=False, include_input=False)
    ]
    more = [f"and {len(faults) - _MOST_SHOWN} more"] * (len(faults) > _MOST_SHOWN)
    return "\n".join([*faults[:_MOST_SHOWN], *more])


def _unknown_to_us(content: Any, error: ValidationError) -> str:
    """What only a newer version can have written; empty for nothing of the kind.

    Another format may be hashed otherwise. In ours a field that we do not know is a
    newer version's only where the hash counts it in; a forger can do that as well, so
    it is not called valid either.
    """
    if not isinstance(content, Mapping):
        return ""
    form = content.get("format")
    if isinstance(form, int) and form > FORMAT:
        return f"format {form}"
    found = error.errors(include_url=False, include_input=False)
    extra = [".".join(map(str, one["loc"])) for one in found]
    known = any(one["type"] != "extra_forbidden" for one in found)
    if known or hash_of(content) != content.get("hash"):
        return ""
    return f"fields that this version does not know: {', '.join(extra)}"


def _newer(name: str, unknown: str) -> StepError:
    return StepError(
        Code.CERTIFICATE_NOT_VALID,
        f"{name} cannot be judged by this version",
        seen=unknown,
        wanted=f"a certificate of format {FORMAT} without any other field",
        hint="nothing is said of whether it holds: verify it with the bluegreen that "
        "wrote it, or a newer one",
    )


def _no_certificate(name: str, seen: str) -> StepError:
    return StepError(
        Code.CERTIFICATE_NOT_VALID,
        f"{name} is no certificate that this version reads",
        seen=seen,
        wanted=f"a certificate of format {FORMAT}, whole and unchanged",
        hint="is it the right file? Was it cut short or edited? The journal in both "
        "databases holds the true one",
    )
