"""What a playbook's words become: handles, opened by nobody yet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from bluegreen.model.errors import PlaybookRefused
from bluegreen.model.side import Side
from bluegreen.playbook.load import load
from bluegreen.playbook.pointer_models import PgBouncerConfig
from bluegreen.playbook.resolve import (
    databases_from_dsns,
    open_databases,
    open_pointers,
)
from bluegreen.pointers.dns.pointer import DnsPointer
from bluegreen.pointers.route53.pointer import Route53Pointer

CASES = Path(__file__).parents[2] / "cases" / "playbooks" / "accepted"
ENVIRON = {
    "BLUE_PASSWORD": "b1",
    "GREEN_PASSWORD": "g1",
    "CONSOLE_PASSWORD": "c1",
    "APP_PASSWORD": "a1",
    "SHOP_DSN": "postgresql://bluegreen:d1@10.0.0.5:5433/shop",
}


def test_databases_get_their_words_and_passwords() -> None:
    blue, green = open_databases(load(CASES / "all-keys.yml", ENVIRON), "run 7")
    assert (blue.side, green.side) == (Side.BLUE, Side.GREEN)
    assert blue.describe() == "blue (10.0.0.5:5432/shop)"
    assert blue.label == "run 7"
    dsn, env = blue.conninfo_for_tools()
    assert env == {"PGPASSWORD": "b1"}
    assert "b1" not in dsn
    peer = conninfo_to_dict(blue.conninfo_for_peer().reveal())
    assert (peer["host"], peer["port"], peer["password"]) == (
        "blue.internal",
        "5433",
        "b1",
    )
    assert green.conninfo_for_tools()[1] == {"PGPASSWORD": "g1"}


@pytest.mark.parametrize(
    ("case", "password"),
    [
        ("dsn-by-reference", "d1"),
        ("password-in-dsn-by-reference", "b1"),
        ("password-in-url-by-reference", "b1"),
    ],
)
def test_a_password_inside_a_dsn_leaves_it(case: str, password: str) -> None:
    blue, _ = open_databases(load(CASES / f"{case}.yml", ENVIRON))
    dsn, env = blue.conninfo_for_tools()
    assert env == {"PGPASSWORD": password}
    assert password not in dsn


def test_pointers_get_the_sides_addresses_where_none_are_given() -> None:
    loaded = load(CASES / "plain.yml", {})
    (pointer,) = open_pointers(loaded)
    assert pointer.id == "main"
    config = loaded.playbook.pointers[0]
    assert isinstance(config, PgBouncerConfig)
    assert config.blue.filled(loaded.playbook.blue.dsn) == {
        "host": "10.0.0.5",
        "port": "5432",
        "dbname": "shop",
    }


def test_a_name_gets_its_words_and_secrets() -> None:
    (pointer,) = open_pointers(load(CASES / "dns.yml", ENVIRON))
    assert isinstance(pointer, DnsPointer)
    assert pointer.values == {Side.BLUE: ("10.0.0.5",), Side.GREEN: ("10.0.0.6",)}
    assert (pointer.record, pointer.max_ttl.seconds) == ("db.shop.internal. A", 30)
    assert (pointer.lower_ttl, pointer.holds_clients) == (True, False)
    spec = pointer.spec()
    assert (spec["key_secret"], spec["client_password"]) == ("c1", "a1")
    assert DnsPointer.from_spec(json.loads(json.dumps(spec))).spec() == spec


def test_a_record_of_route_53_gets_its_words() -> None:
    (pointer,) = open_pointers(load(CASES / "route53.yml", ENVIRON))
    assert isinstance(pointer, Route53Pointer)
    assert (pointer.zone.id, pointer.record) == (
        "Z08399521EXAMPLE",
        "db.shop.internal. A (main)",
    )


def test_pointers_are_opened_in_the_playbooks_order() -> None:
    pointers = open_pointers(load(CASES / "two-pools.yml", {}))
    assert [pointer.id for pointer in pointers] == ["main", "second"]


def test_databases_of_a_call_take_references_for_passwords() -> None:
    blue, green = databases_from_dsns(
        "host=a dbname=x password=${env:BLUE_PASSWORD}",
        "postgresql://b/y",
        environ=ENVIRON,
    )
    dsn, env = blue.conninfo_for_tools()
    assert conninfo_to_dict(dsn) == {
        "host": "a",
        "dbname": "x",
        "sslmode": "verify-full",
        "channel_binding": "require",
    }
    assert env == {"PGPASSWORD": "b1"}
    assert green.describe() == "green (b:5432/y)"


def test_a_password_in_a_call_is_refused() -> None:
    with pytest.raises(PlaybookRefused) as caught:
        databases_from_dsns("host=a", "host=b password=hunter2", environ={})
    assert str(caught.value) == (
        "error BG-2005: a password is written in --green\n"
        "  hint:    a command line is seen by every user of this machine; write\n"
        "           'password=${env:NAME}' in single quotes, or use ~/.pgpass or a "
        "service file"
    )


def test_a_wrong_word_in_a_call_is_refused() -> None:
    with pytest.raises(PlaybookRefused) as caught:
        databases_from_dsns("hots=a", "host=b", environ={})
    assert str(caught.value) == (
        'error BG-2003: --blue has the key word "hots" that libpq does not know\n'
        "  wanted:  libpq's key words: host, port, dbname, user, sslmode, service, "
        "passfile …\n"
        '  hint:    did you mean "host"?'
    )
