"""A DSN taken apart: libpq's key words, without the password.

Owns keeping passwords out, and why libpq refuses a DSN. Reading both of its forms is
libpq's own; connecting is for `postgres/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused
from bluegreen.model.secret import Secret
from bluegreen.playbook.references import Resolve, fill, is_reference, resolver
from bluegreen.playbook.tree import Wrong, did_you_mean, one_of
from bluegreen.postgres.conninfo import OPTIONS, SECRETS, joined, taken_apart

SECRET_WORDS = SECRETS | {"scram_client_key", "scram_server_key"}
KEY_WORDS = OPTIONS - SECRET_WORDS

COMMON = ("host", "port", "dbname", "user", "sslmode", "service", "passfile")

_ON_A_CALL = (
    "a command line is seen by every user of this machine; write\n"
    "'password=${env:NAME}' in single quotes, or use ~/.pgpass or a service file"
)
_LOOKS_SECRET = re.compile(r"pass(?!file)|pwd|secret|scram_", re.IGNORECASE)
_NOWHERE = resolver({}, Path())
_STAND_IN = re.compile("\ue000(\\d+)\ue001")
_REFERENCE = re.compile(r"\$\{[^}]*\}")


@dataclass(frozen=True)
class Dsn:
    """Where a database is.

    Attributes:
        words: libpq's key words and their values, never a password.
        password: one that a reference brought along.
    """

    words: Mapping[str, str]
    password: Secret | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return joined(self.words)


def _literal_password(key: str) -> Wrong:
    return Wrong(
        "a password is written in {subject}",
        code=Code.PASSWORD_IN_PLAYBOOK,
        hint=f"take it out and write `{key}: ${{env:NAME}}` or "
        f"`{key}: ${{file:path}}`;\na libpq service file or ~/.pgpass works too",
    )


def read_dsn(raw: str, resolve: Resolve = _NOWHERE, beside: str = "password") -> Dsn:
    """Read a DSN, key words or URL, and fill its references.

    A reference is filled after the DSN is taken apart, so a value needs no quoting.
    Only where the whole DSN is one reference is it filled first. `beside` is the key
    that holds a password by reference, for the hint.

    Raises:
        Wrong: 2005 for a password that is written out, 2003 for what libpq would not
            take, 2004 for a reference without a value. No message shows a value.
    """
    whole = is_reference(raw)
    text, stand_ins = (fill(raw, resolve), {}) if whole else _set_aside(raw)
    _refuse_odd_url(text)
    words = taken_apart(text)
    plain: dict[str, str] = {}
    password = None
    for key, value in _suspected(text) if words is None else words.items():
        written = _STAND_IN.sub(lambda m: stand_ins.get(m.group(), m.group()), value)
        _refuse_word(key, beside, referred=whole or is_reference(written))
        plain[key] = written if whole else fill(written, resolve)
    if words is None:
        raise _broken("libpq does not take it")
    if "password" in plain:
        password = Secret(plain.pop("password"))
    _refuse_ports(plain.get("port", ""))
    return Dsn(plain, password)


def dsn_from_call(option: str, text: str, resolve: Resolve) -> Dsn:
    """Read a DSN that came on the command line.

    Raises:
        PlaybookRefused: 2003 to 2005; the option's name stands where a playbook's error
            has the line.
    """
    try:
        return read_dsn(text, resolve)
    except Wrong as wrong:
        raise PlaybookRefused(
            wrong.code,
            wrong.problem.replace("{subject}", option),
            seen=wrong.seen,
            wanted=wrong.wanted,
            hint=_ON_A_CALL if wrong.code == Code.PASSWORD_IN_PLAYBOOK else wrong.hint,
        ) from None


def _set_aside(raw: str) -> tuple[str, dict[str, str]]:
    """Put each reference out of the grammar's way."""
    stand_ins: dict[str, str] = {}

    def stand_in(found: re.Match[str]) -> str:
        token = f"\ue000{len(stand_ins)}\ue001"
        stand_ins[token] = found.group()
        return token

    return _REFERENCE.sub(stand_in, raw), stand_ins


def _refuse_word(key: str, beside: str, *, referred: bool) -> None:
    if key in KEY_WORDS or (key == "password" and referred):
        return
    if key in SECRET_WORDS and referred:
        raise Wrong(
            f"{{subject}} takes no {key}",
            hint="put it into a libpq service file and name that: service=NAME",
        )
    if key in SECRET_WORDS or _LOOKS_SECRET.search(key):
        raise _literal_password(beside)
    near = did_you_mean(key, KEY_WORDS)
    # What resembles no key word may be a piece of a password, so it is not shown.
    shown = f'the key word "{key}"' if near else "a key word"
    raise Wrong(
        f"{{subject}} has {shown} that libpq does not know",
        wanted="libpq's key words: " + ", ".join(COMMON) + " …",
        hint=near or "quote a value that holds spaces: 'two words'",
    )


def refuse_peer_words(words: Mapping[str, str]) -> None:
    """Look at key words that are given as a table.

    Raises:
        Wrong: a key word carries a secret, or libpq does not know it.
    """
    for key, value in words.items():
        if key == "password" and is_reference(getattr(value, "raw", value)):
            raise Wrong(
                "{subject} takes no password",
                wanted=one_of(COMMON),
                hint="the side's own `password` is used",
            )
        _refuse_word(key, "password", referred=False)


def _refuse_ports(ports: str) -> None:
    for port in filter(None, ports.split(",")):
        if not (re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536):
            raise Wrong(
                "{subject} has a port that is no port",
                wanted="a whole number from 1 to 65535",
            )


def _broken(what: str) -> Wrong:
    return Wrong(
        f"{{subject}} cannot be read: {what}",
        wanted="host=10.0.0.5 port=5432 dbname=shop user=bluegreen, or\n"
        "postgresql://bluegreen@10.0.0.5:5432/shop",
    )


# One key word with its value; libpq's isspace() knows ASCII's spaces only.
_WORD = re.compile(
    r"([^\s=]*)\s*(=?)\s*('(?:[^'\\]|\\.)*('?)|(?:[^\s\\]|\\.?)*)\s*",
    re.DOTALL | re.ASCII,
)
# Password, hosts, and what follows the question mark.
_URL = re.compile(
    r"postgres(?:ql)?://(?:[^/@:]*(?::([^/@]*))?@)?([^/?]*)[^?]*\??(.*)", re.DOTALL
)
_NO_HOST = re.compile(r"\[(?![^\[\]]+\](?:[:,]|$))")
_NO_BYTE = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")


def _refuse_odd_url(text: str) -> None:
    """Look for what libpq, in some versions, takes for a part of a name."""
    url = _URL.fullmatch(text)
    if url and re.search(r"\s", text):
        raise _broken("a URL holds no spaces; a space is written %20")
    if url and _NO_HOST.search(url[2]):
        raise _broken("something stands between the host and the database")


def _suspected(text: str) -> list[tuple[str, str]]:
    """The key words of a DSN that libpq does not take, one of which may be why.

    Raises:
        Wrong: it cannot even be taken apart into words.
    """
    url = _URL.fullmatch(text)
    if not url:
        return list(_words(text.strip()))
    password, _, query = url.groups(default="")
    pairs = query.removesuffix("&").split("&") if query else []
    if _NO_BYTE.search(text):
        raise _broken("a % that is not followed by two hexadecimal digits")
    if any(pair.count("=") != 1 for pair in pairs):
        raise _broken("what follows the ? is not key=value")
    try:
        unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise _broken("a %xx that is not UTF-8") from None
    login = [("password", password)] if password else []
    split = (unquote(pair).partition("=") for pair in pairs)
    return login + [(key, value) for key, _, value in split]


def _words(text: str) -> Iterator[tuple[str, str]]:
    for key, equals, value, closed in _WORD.findall(text):
        if not equals and (key or value):
            raise _broken("a key word without =")
        if equals and not key:
            raise _broken("a value without a key")
        if value.startswith("'") and not closed:
            raise _broken("a quote is not closed")
        if key:
            yield key, value.strip("'")
