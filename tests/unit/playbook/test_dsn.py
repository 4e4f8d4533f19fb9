"""Our reading of a DSN, held against libpq's own."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from bluegreen.model.secret import Secret
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


def test_every_key_word_of_libpq_is_known() -> None:
    theirs = {option.keyword.decode() for option in Conninfo.get_defaults()}
    assert theirs <= KEY_WORDS | SECRET_WORDS


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
