"""Where a step's backup goes: the fields that `backup` and `decommission` share.

Owns reading them and the rules between them; the value that comes of it is in
`backups/places.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from bluegreen.backups.places import (
    Bucket,
    Folder,
    Place,
    find_endpoint_fault,
    is_bucket,
    split_bucket,
)
from bluegreen.steps.fields import Duration

SHORTEST_LOCK = timedelta(days=1)
"""AWS counts locks in days; a shorter one is a slip of the unit."""


def _endpoint(url: str) -> str:
    if fault := find_endpoint_fault(url):
        raise ValueError(fault)
    return url


def _address(text: str) -> str:
    if is_bucket(text):
        split_bucket(text)
    return text


def _recipient(given: str) -> str:
    # It imports pyrage, which a playbook without recipients does not pay for.
    from bluegreen.backups.sealing import find_recipient_fault

    if fault := find_recipient_fault(given):
        raise ValueError(fault)
    return given


Address = Annotated[str, Field(min_length=1), AfterValidator(_address)]
"""A folder, or `s3://bucket/prefix`."""

Recipients = tuple[Annotated[str, AfterValidator(_recipient)], ...]
"""Recipients of age, `age1…`."""


class S3Options(BaseModel):
    """How a bucket is reached, and what an object in it is given."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    region: str = ""
    """The bucket's region; what AWS's own configuration says where it is left out."""

    endpoint_url: Annotated[str, AfterValidator(_endpoint)] = ""
    """URL of a service that speaks S3 and is not AWS's own."""

    encryption: Literal["AES256", "aws:kms"] | None = None
    """Server-side encryption; the bucket's own rule where it is left out."""

    kms_key: str = ""
    """The key's id or ARN for `encryption: aws:kms`; AWS's own key where left out."""

    lock: Duration | None = None
    """How long object lock keeps an archive from being deleted or changed, e.g. `30d`.
    The bucket must have been made with object lock."""

    lock_mode: Literal["GOVERNANCE", "COMPLIANCE"] = "GOVERNANCE"
    """`COMPLIANCE` binds the account's owner as well."""

    @model_validator(mode="after")
    def _fits_together(self) -> S3Options:
        if self.kms_key and self.encryption != "aws:kms":
            raise ValueError("`encryption: aws:kms` beside `kms_key`")
        if self.lock is not None and self.lock < SHORTEST_LOCK:
            raise ValueError("a `lock` of one day or more")
        if self.lock is None and "lock_mode" in self.model_fields_set:
            raise ValueError("`lock` beside `lock_mode`")
        return self


def require_bucket(
    address: str, s3: S3Options | None, spool: str | None, *, key: str
) -> None:
    """Refuse what is only for a bucket where the address is a folder.

    Raises:
        ValueError: says what is wanted.
    """
    for name, given in (("s3", s3), ("spool", spool)):
        if given is not None and not is_bucket(address):
            raise ValueError(f"`{key}: s3://…` beside `{name}`, or no `{name}`")


def place_of(address: str, s3: S3Options | None, home: Path) -> Place:
    """The place that a step's fields mean."""
    if not is_bucket(address):
        return Folder((home / address).absolute())
    name, prefix = split_bucket(address)
    given = s3 or S3Options()
    return Bucket(
        name,
        prefix,
        given.region,
        given.endpoint_url,
        given.encryption or "",
        given.kms_key,
        given.lock,
        given.lock_mode,
    )


def draft_folder(address: str, spool: str | None, home: Path) -> Path:
    """Where the archive is written first: its folder, or one beside the playbook."""
    return home / (spool or "backups" if is_bucket(address) else address)


def is_stored(address: str, recipients: Sequence[str]) -> bool:
    """Whether the archive goes on from where it was written."""
    return is_bucket(address) or bool(recipients)
