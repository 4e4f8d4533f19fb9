"""The ini's grammar: what PgBouncer reads, and what an edit leaves alone."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluegreen.pointers.pgbouncer.ini import (
    IniError,
    change_pairs,
    edit_values,
    find_entries,
    quote,
    read_ini,
    read_pairs,
)

MAIN = Path("/etc/pgbouncer/pgbouncer.ini")


def settings(text: str, **included: str) -> list[tuple[str, str, str]]:
    files = {MAIN: text}
    files |= {MAIN.parent / f"{name}.ini": body for name, body in included.items()}
    return [
        (s.section, s.key, s.value) for s in read_ini(MAIN, files.__getitem__).settings
    ]


def edited(text: str, **wanted: str | None) -> str:
    [entry] = find_entries(read_ini(MAIN, lambda _: text).settings, "shop")
    return edit_values(text, [(entry, change_pairs(entry.value, wanted))])


def test_sections_comments_and_space() -> None:
    text = (
        "; shop = host=comment\n# too\r\n\n  [databases]  shop = host=a ; not a comment"
        " \t\r\n\tx-1.b_* =\n[pgbouncer]\nlisten_addr=*\n"
    )
    assert settings(text) == [
        ("databases", "shop", "host=a ; not a comment"),
        ("databases", "x-1.b_*", ""),
        ("pgbouncer", "listen_addr", "*"),
    ]


def test_a_quoted_key() -> None:
    assert settings("[databases]\n'my shop' = host=a") == [
        ("databases", "my shop", "host=a")
    ]


def test_an_included_file_takes_the_section_and_hands_its_own_back() -> None:
    text = "[databases]\n%include dbs.ini\nafter = 1"
    assert settings(text, dbs="shop = host=a\n[users]\nu = pool_mode=session") == [
        ("databases", "shop", "host=a"),
        ("users", "u", "pool_mode=session"),
        ("users", "after", "1"),
    ]


def test_an_include_that_includes_itself_ends() -> None:
    with pytest.raises(IniError, match="goes deeper than 10"):
        settings("%include pgbouncer.ini")


@pytest.mark.parametrize(
    "text", ["[databases\nx=1", "no equals", "'open = 1", "ä = host=a", "a'b = 1"]
)
def test_where_pgbouncer_stops_we_stop(text: str) -> None:
    with pytest.raises(IniError, match=r"pgbouncer\.ini:2: "):
        settings("[databases]\n" + text)


def test_pairs_with_quotes_and_space() -> None:
    assert [(p.key, p.value) for p in read_pairs(" host = 'a b''c'  port=1")] == [
        ("host", "a b'c"),
        ("port", "1"),
    ]


@pytest.mark.parametrize(
    "value", ["host", "host=", "host=''", "a='b'c=1", "=b", "a='b"]
)
def test_a_connection_string_that_would_surprise_is_refused(value: str) -> None:
    with pytest.raises(IniError):
        read_pairs(value)


def test_a_password_that_breaks_the_string_is_not_told() -> None:
    with pytest.raises(IniError) as caught:
        read_pairs("host=h port=1 password=x'hunter2 y")
    assert str(caught.value) == (
        "not a connection string from character 34 on, behind password="
    )


def test_only_the_named_pairs_change() -> None:
    text = (
        "[databases]\nother = host=a port=1\n"
        "shop  =  pool_size=5   host='a'  port=1 password='p''w' dbname=x \t\r\n"
        "[pgbouncer]\n; host=a\n"
    )
    assert edited(text, host="b", port="2", dbname="y z") == text.replace(
        "host='a'  port=1 password='p''w' dbname=x",
        "host=b  port=2 password='p''w' dbname='y z'",
    )


def test_what_is_missing_is_added_and_what_is_not_wanted_goes() -> None:
    assert change_pairs("pool_size=5", {"host": "b", "port": None}) == (
        "pool_size=5 host=b"
    )
    assert change_pairs("host=a pool_size=5", {"host": None}) == "pool_size=5"
    assert change_pairs("pool_size=5 host=a", {"host": None}) == "pool_size=5"
    assert change_pairs("", {"host": "b"}) == "host=b"
    assert change_pairs("host=a", {"host": None}) == ""


def test_every_one_of_two_equal_keys_changes() -> None:
    assert change_pairs("host=a host=c", {"host": "b"}) == "host=b host=b"


@pytest.mark.parametrize("value", ["", "a\nb", "a\rb", "a\0b"])
def test_a_value_that_no_line_can_hold_is_refused(value: str) -> None:
    with pytest.raises(IniError):
        quote(value)


VALUES = st.text(
    st.characters(exclude_characters="\0\n\r", exclude_categories=["Cs"]), min_size=1
)
KEYS = st.sampled_from(["host", "port", "dbname", "user", "password", "pool_size"])


@given(st.dictionaries(KEYS, VALUES), st.dictionaries(KEYS, VALUES))
def test_what_is_written_is_what_is_read(
    present: dict[str, str], wanted: dict[str, str]
) -> None:
    value = " ".join(f"{k}={quote(v)}" for k, v in present.items())
    text = f"[databases]\nshop = {value}\nother = host=a\n"
    [entry, _] = read_ini(MAIN, lambda _: edited(text, **wanted)).settings
    assert {p.key: p.value for p in read_pairs(entry.value)} == {**present, **wanted}
    assert edited(edited(text, **wanted), **wanted) == edited(text, **wanted)


@given(st.text())
def test_no_text_is_read_for_ever_or_with_another_error(text: str) -> None:
    with suppress(IniError):
        for setting in read_ini(MAIN, lambda _: text).settings:
            assert text.startswith(setting.value, setting.start)
