"""What every part of the playbook's schema is made of.

Owns the base of its models, and the types that several of them share.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)

from bluegreen.model.codes import Code
from bluegreen.model.secret import Secret
from bluegreen.playbook import dsn as dsns
from bluegreen.playbook.references import Text, is_reference
from bluegreen.playbook.tree import Wrong


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


class Part(BaseModel):
    """Frozen, and no key beside its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
