"""A DSN taken apart: libpq's key words, without the password.

Owns reading both of libpq's forms and keeping passwords out. Connecting is for
`postgres/`, which hands the key words to libpq itself. The grammar is that of
`conninfo_parse` and `conninfo_uri_parse` in PostgreSQL's fe-connect.c; a test holds it
against libpq.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from bluegreen.model.codes import Code
from bluegreen.model.secret import Secret
from bluegreen.playbook.references import Resolve, fill, is_reference
from bluegreen.playbook.refusal import Wrong, did_you_mean, one_of

KEY_WORDS = frozenset(
    re.findall(
        r"\w+",
        "application_name channel_binding client_encoding connect_timeout dbname "
        "fallback_application_name gssdelegation gssencmode gsslib host hostaddr "
        "keepalives keepalives_count keepalives_idle keepalives_interval krbsrvname "
        "load_balance_hosts max_protocol_version min_protocol_version oauth_client_id "
        "oauth_issuer oauth_scope options passfile port replication require_auth "
        "requirepeer service servicefile ssl_max_protocol_version "
        "ssl_min_protocol_version sslcert sslcertmode sslcompression sslcrl sslcrldir "
        "sslkey sslkeylogfile sslmode sslnegotiation sslrootcert sslsni "
        "target_session_attrs tcp_user_timeout user",
    )
)
"""What libpq 18 takes, less the key words that carry a secret."""

SECRET_WORDS = frozenset(
    {
        "password",
        "sslpassword",
        "oauth_client_secret",
        "scram_client_key",
        "scram_server_key",
    }
)

COMMON = ("host", "port", "dbname", "user", "sslmode", "service", "passfile")

_URL = re.compile(r"postgres(?:ql)?://")
_LOOKS_SECRET = re.compile(r"pass(?!file)|pwd|secret|scram_", re.IGNORECASE)
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
        return " ".join(f"{key}={_quote(value)}" for key, value in self.words.items())


def _literal_password(key: str) -> Wrong:
    return Wrong(
        "a password is written in {subject}",
        code=Code.PASSWORD_IN_PLAYBOOK,
        hint=f"take it out and write `{key}: ${{env:NAME}}` or "
        f"`{key}: ${{file:path}}`;\na libpq service file or ~/.pgpass works too",
    )


def read_dsn(raw: str, resolve: Resolve, beside: str = "password") -> Dsn:
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
    words = _split_url(text) if _URL.match(text) else _split_words(text)
    plain, password = {}, None
    for key, value in words:
        written = _STAND_IN.sub(lambda m: stand_ins.get(m.group(), m.group()), value)
        _refuse_word(key, beside, referred=whole or is_reference(written))
        filled = written if whole else fill(written, resolve)
        if key == "password":
            password = Secret(filled)
        else:
            plain[key] = filled
    _refuse_ports(plain.get("port", ""))
    return Dsn(plain, password)


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


# libpq's isspace() knows ASCII's spaces only.
_WORD = re.compile(r"\s*([^\s=]+)\s*(=?)\s*", re.ASCII)
_BARE = re.compile(r"(?:[^\s\\]|\\.)*\\?", re.DOTALL | re.ASCII)
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)


def _split_words(text: str) -> list[tuple[str, str]]:
    words: dict[str, str] = {}
    at, end = 0, len(text.rstrip(" \t\n\v\f\r"))
    while at < end:
        found = _WORD.match(text, at)
        if found is None or not found.group(2):
            raise _broken("a key word without =" if found else "a value without a key")
        if text[found.end() : found.end() + 1] == "'":
            value = _QUOTED.match(text, found.end())
            if value is None:
                raise _broken("a quote is not closed")
            inner = value.group(1)
        else:
            value = _BARE.match(text, found.end())
            assert value is not None
            inner = value.group()
        words[found.group(1)] = re.sub(r"\\(.?)", r"\1", inner, flags=re.DOTALL)
        at = value.end()
    return list(words.items())


def _split_url(text: str) -> list[tuple[str, str]]:
    if re.search(r"\s", text):
        raise _broken("a URL holds no spaces; a space is written %20")
    rest = _URL.sub("", text, count=1)
    words: dict[str, str] = {}
    login = re.match(r"([^/@]*)@", rest)
    if login:
        user, colon, password = login.group(1).partition(":")
        words["user"], words["password"] = user, password
        if not colon or not password:
            del words["password"]
        rest = rest[login.end() :]
    rest, hosts, ports = _split_hosts(rest)
    words["host"], words["port"] = hosts, ports
    path, _, query = rest.partition("?")
    words["dbname"] = path.removeprefix("/")
    decoded = {key: _decode(value) for key, value in words.items() if value}
    for pair in query.split("&") if query else ():
        key, value = _split_parameter(pair)
        decoded[key] = value
    return list(decoded.items())


def _split_hosts(rest: str) -> tuple[str, str, str]:
    hosts, ports = [], []
    while True:
        found = re.match(r"(?:\[([^\]]+)\]|([^:/?,\[]*))(?::([^/?,]*))?", rest)
        if found is None:
            raise _broken("a bracket of an IPv6 address is not closed")
        hosts.append(found.group(1) or found.group(2) or "")
        ports.append(found.group(3) or "")
        rest = rest[found.end() :]
        if not rest.startswith(","):
            break
        rest = rest[1:]
    if rest and rest[0] not in "/?":
        raise _broken("something stands between the host and the database")
    return rest, ",".join(hosts), ",".join(ports)


def _split_parameter(pair: str) -> tuple[str, str]:
    key, equals, value = pair.partition("=")
    if not equals or "=" in value:
        raise _broken("what follows the ? is not key=value")
    key, value = _decode(key), _decode(value)
    # libpq takes JDBC's form too.
    return ("sslmode", "require") if (key, value) == ("ssl", "true") else (key, value)


def _decode(text: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})|%00", text):
        raise _broken("a % that is not followed by two hexadecimal digits")
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise _broken("a %xx that is not UTF-8") from None


def _quote(value: str) -> str:
    if value and not re.search(r"[\s'\\]", value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
