"""Our reading of a DSN, held against libpq's own."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from bluegreen.model.secret import Secret
from bluegreen.playbook import dsn
from bluegreen.playbook.dsn import KEY_WORDS, SECRET_WORDS, Dsn, read_dsn
from bluegreen.playbook.tree import Wrong


def resolve(kind: str, name: str) -> str:
    return {"PW": "tiger", "DSN": "host=a password=tiger"}[name]


def libpq(text: str) -> dict[str, str] | None:
    try:
        return {key: str(value) for key, value in conninfo_to_dict(text).items()}
    except (psycopg.Error, UnicodeDecodeError):
        return None


def ours(text: str) -> Dsn | None:
    try:
        return read_dsn(text, resolve)
    except Wrong:
        return None


@pytest.mark.parametrize(
    "key",
    [
        *("password", "sslpassword", "oauth_client_secret"),
        *("scram_client_key", "scram_server_key"),
    ],
)
def test_a_secret_of_libpq_is_no_key_word(key: str) -> None:
    assert key in {option.keyword.decode() for option in Conninfo.get_defaults()}
    assert key in SECRET_WORDS - KEY_WORDS
    with pytest.raises(Wrong) as caught:
        read_dsn(f"host=a {key}=hunter2", resolve)
    assert caught.value.code == 2005
    assert "hunter2" not in str(vars(caught.value))


SAME = [
    "",
    "   ",
    "host=a",
    "host = a  port= 5432",
    "host='a b' dbname='it\\'s'",
    "host=a\\ b dbname=c\\\\d",
    "dbname=''",
    "host=a host=b",
    "application_name='x=y'",
    "postgres://",
    "postgresql://u@h:5433/d",
    "postgresql://u@/d?host=/tmp",
    "postgresql:///d",
    "postgresql://[::1]:5432/d",
    "postgresql://[::1]/d?sslmode=require&connect_timeout=3",
    "postgresql://a:1,b:2/d",
    "postgresql://a,b:2/d",
    "postgresql://u%40x@h/d%2Fe",
    "postgresql://h/d?ssl=true",
    "postgresql://h/d?port=1&",
    "postgresql://h?dbname=d",
    "postgresql://:5432/",
    "postgresql://h/d/e",
]


@pytest.mark.parametrize("text", SAME)
def test_we_read_what_libpq_reads(text: str) -> None:
    found = ours(text)
    assert found is not None
    assert {k: v for k, v in found.words.items() if v} == {
        k: v for k, v in (libpq(text) or {}).items() if v
    }


@pytest.mark.parametrize(
    "text",
    [
        "host",
        "=a",
        "host='a",
        "nonsense=1",
        "postgresql://[::1/d",
        "postgresql://[::1]x/d",
        "postgresql://[]/d",
        "postgresql://h/d?x",
        "postgresql://h/d?sslmode=a=b",
        "postgresql://h/d?nonsense=1",
        "postgresql://h/%zz",
        "postgresql://h/%00",
    ],
)
def test_we_refuse_what_libpq_refuses(text: str) -> None:
    assert libpq(text) is None
    assert ours(text) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("host=a dbname", "a key word without ="),
        ("host=a 'b c'", "a key word without ="),
        ("host=a =b", "a value without a key"),
        ("host='a", "a quote is not closed"),
        ("host='a\\'", "a quote is not closed"),
        ("postgresql://h/d e", "a URL holds no spaces"),
        ("postgresql://[::1/d", "something stands between the host"),
        ("postgresql://[::1]x/d", "something stands between the host"),
        ("postgresql://[]/d", "something stands between the host"),
        ("postgresql://a[b/d", "something stands between the host"),
        ("postgresql://a,[::1]:5432x[/d", "something stands between the host"),
        ("postgresql://h/d?x", "what follows the ? is not key=value"),
        ("postgresql://h/d?port=1&&", "what follows the ? is not key=value"),
        ("postgresql://h/d?hots=1&", 'the key word "hots" that libpq does not know'),
        ("postgresql://h/d?sslmode=a=b", "what follows the ? is not key=value"),
        ("postgresql://h/%zz", "not followed by two hexadecimal digits"),
        ("postgresql://h/%00", "not followed by two hexadecimal digits"),
        ("postgresql://h/%ff", "a %xx that is not UTF-8"),
        ("postgresql://h/d?hots=a", 'the key word "hots" that libpq does not know'),
        ("postgresql://h/d?h%6Fts=a", 'the key word "hots" that libpq does not know'),
        ("hots=a", 'the key word "hots" that libpq does not know'),
        ("host=a hunter2='b'", "a key word that libpq does not know"),
    ],
)
def test_the_reason_is_named(text: str, says: str) -> None:
    with pytest.raises(Wrong) as caught:
        read_dsn(text, resolve)
    assert says in caught.value.problem


def test_a_refusal_without_a_reason_that_we_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A newer libpq may refuse what ours takes; no cause is made up for it."""
    monkeypatch.setattr(dsn, "taken_apart", lambda _text: None)
    with pytest.raises(Wrong, match="cannot be read: libpq does not take it"):
        read_dsn("host=a", resolve)


@pytest.mark.parametrize(
    "text",
    [
        "password=hunter2 hots=a",
        "postgresql://u:hunter2@h/d?hots=a",
        "postgresql://h/d?p%61ssword=hunter2&hots=a",
    ],
)
def test_a_password_is_told_beside_a_word_that_libpq_refuses(text: str) -> None:
    with pytest.raises(Wrong) as caught:
        read_dsn(text, resolve)
    assert caught.value.code == 2005
    assert "hunter2" not in str(vars(caught.value))


PARTS = st.lists(
    st.sampled_from(
        [
            *("host", "port", "dbname", "user", "password", "sslmode", "=", " ", "'"),
            *("\\", "a", "5432", ":", "/", "@", "?", "&", ",", "[", "]", "%41", "%"),
            *("postgresql://", "postgres://", "::1", "\t", "\n", "é"),
        ]
    ),
    max_size=12,
).map("".join)


@settings(deadline=None, max_examples=300)
@given(PARTS)
@example("postgresql://a:b@c@d/e")
@example("postgres://@:a@/")
@example("host=a\\")
def test_no_password_that_libpq_sees_goes_unseen(text: str) -> None:
    """The one thing that must never differ: where libpq finds a password, we refuse."""
    theirs = libpq(text)
    if theirs is not None and theirs.get("password"):
        assert ours(text) is None


@settings(deadline=None, max_examples=300)
@given(PARTS)
def test_what_we_accept_libpq_reads_alike(text: str) -> None:
    found = ours(text)
    if found is not None:
        again = libpq(str(found))
        assert again is not None, str(found)
        assert again == dict(found.words)
        theirs = libpq(text)
        if theirs is not None:
            assert {k: v for k, v in theirs.items() if v} == {
                k: v for k, v in found.words.items() if v
            }


@pytest.mark.parametrize(
    "text",
    [
        "${env:DSN}",
        "host=a password=${env:PW}",
        "host=a password='${env:PW}'",
        "postgresql://:${env:PW}@a",
        "postgresql://a?password=${env:PW}",
    ],
)
def test_a_password_by_reference_is_kept_apart(text: str) -> None:
    found = read_dsn(text, resolve)
    assert found.words == {"host": "a"}
    assert found.password == Secret("tiger")
    assert "tiger" not in repr(found) + str(found)
