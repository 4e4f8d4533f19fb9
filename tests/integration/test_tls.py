"""What leaves the machine must prove who it is: certificates, channel binding, words.

The names are not of this machine, the addresses are: `host=db.example
hostaddr=127.0.0.1` is verified as a server elsewhere would be.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from bluegreen.lab.account import Account
from bluegreen.lab.pooler import Pooler
from bluegreen.lab.server import Server
from bluegreen.model.clock import SystemClock
from bluegreen.model.errors import ServerRefused
from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.pointers.pgbouncer.console import Console
from bluegreen.postgres.database import Database
from bluegreen.postgres.replication.publication import PublishedTable, publish
from bluegreen.postgres.replication.stream import (
    create_slot,
    create_subscription,
    drop_slot,
    drop_subscription,
)
from tests.kit.canaries import scram_verifier
from tests.kit.cli import call
from tests.kit.databases import Database as OneDatabase

PASSWORD = "said only to a server that proved itself"


@dataclass(frozen=True)
class Authority:
    """A server with a certificate for db.example, and files that do or do not fit."""

    server: Server
    ca: Path
    other_ca: Path
    certificate: Path
    key: Path

    def dsn(self, host: str = "db.example", ca: Path | None = None, **more: str) -> str:
        words = {
            "host": host,
            "hostaddr": "127.0.0.1",
            "port": str(self.server.port),
            "dbname": "shop",
            "user": "mover",
            "sslrootcert": str(ca or self.ca),
            **more,
        }
        return " ".join(f"{key}={value}" for key, value in words.items())


@pytest.fixture(scope="module")
def authority(lab_root: Path) -> Iterator[Authority]:
    folder, who = lab_root / "tls", Account.here()
    folder.mkdir(mode=0o755)
    ca = trustme.CA()
    issued = ca.issue_cert("db.example", common_name="db.example")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    issued.private_key_pem.write_to_path(str(key))
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    key.chmod(0o600)
    who.own(key)
    for name, one in (("ca.pem", ca), ("other.pem", trustme.CA())):
        one.cert_pem.write_to_path(str(folder / name))
    tls = {"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)}
    with Server.start(15, folder / "server", settings=tls) as server:
        with server.connect() as session:
            session.execute("CREATE DATABASE shop")
            verifier = scram_verifier(session, "mover", PASSWORD)
            session.execute(
                sql.SQL("CREATE ROLE mover SUPERUSER LOGIN PASSWORD {}").format(
                    sql.Literal(verifier)
                )
            )
            session.execute("SET password_encryption = 'md5'")
            session.execute(
                sql.SQL("CREATE ROLE ancient LOGIN PASSWORD {}").format(
                    sql.Literal(PASSWORD)
                )
            )
        rules = "host all mover all scram-sha-256\nhost all ancient all md5\n"
        hba = server.data / "pg_hba.conf"
        hba.write_text(rules + hba.read_text())
        server.configure(log_connections="on")
        yield Authority(
            server, folder / "ca.pem", folder / "other.pem", certificate, key
        )


def open_(dsn: str, **words: object) -> Database:
    return Database(Side.BLUE, dsn, password=Secret(PASSWORD), **words)  # type: ignore[arg-type]


def refusal(dsn: str) -> str:
    with closing(open_(dsn)) as database, pytest.raises(ServerRefused) as caught:
        _ = database.session
    return str(caught.value)


def hint_of(binding: str) -> str:
    return (
        "  hint:    try the same with psql; is the address right, the server up, the "
        "password given by ${env:…}, ${file:…} or pgpass?\n"
        "           it is held to TLS: the host must be a name in the server's "
        "certificate,\n"
        "           and its CA be given by sslrootcert=FILE in the dsn, or "
        f"sslrootcert=system{binding}"
    )


BINDING = (
    ";\n           a role whose password is not kept by SCRAM needs "
    "channel_binding=prefer"
)


def test_a_server_that_proves_its_name_is_spoken_to_under_tls(
    authority: Authority,
) -> None:
    with closing(open_(authority.dsn())) as database:
        query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert database.value(sql.SQL(query)) is True
        said = database.session.info.get_parameters()
        assert said["sslmode"] == "verify-full"
        assert said["channel_binding"] == "require"


def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    assert refusal(authority.dsn("other.example")) == (
        "error BG-3001: blue cannot be reached\n"
        '  seen:    connection failed: connection to server at "127.0.0.1", port '
        f'{authority.server.port} failed: server certificate for "db.example" does '
        'not match host name "other.example"\n'
        f"  wanted:  a session on other.example:{authority.server.port}/shop\n"
        + hint_of(BINDING)
    )


def test_a_certificate_of_another_authority_is_refused(authority: Authority) -> None:
    assert refusal(authority.dsn(ca=authority.other_ca)) == (
        "error BG-3001: blue cannot be reached\n"
        '  seen:    connection failed: connection to server at "127.0.0.1", port '
        f"{authority.server.port} failed: SSL error: certificate verify failed\n"
        f"  wanted:  a session on db.example:{authority.server.port}/shop\n"
        + hint_of(BINDING)
    )


def test_no_password_is_sent_where_the_authority_is_not_known(
    authority: Authority, tmp_path: Path
) -> None:
    before = authority.server.log_text().count("connection authenticated")
    said = refusal(authority.dsn(ca=tmp_path / "nothing.pem"))
    assert f'root certificate file "{tmp_path}/nothing.pem" does not exist' in said
    assert said.endswith(hint_of(BINDING))
    after = authority.server.log_text().count("connection authenticated")
    assert after == before


def test_a_server_without_tls_is_refused(
    authority: Authority, database: Callable[[int], OneDatabase]
) -> None:
    port = database(15).server.port
    said = refusal(authority.dsn(port=str(port)))
    assert "server does not support SSL, but SSL was required" in said
    assert said.endswith(hint_of(BINDING))


def test_a_password_that_md5_keeps_needs_a_word_in_the_dsn(
    authority: Authority,
) -> None:
    said = refusal(authority.dsn(user="ancient"))
    assert "channel binding" in said
    assert said.endswith(hint_of(BINDING))
    dsn = authority.dsn(user="ancient", channel_binding="prefer")
    with closing(open_(dsn)) as database:
        assert database.value(sql.SQL("SELECT current_user::text")) == "ancient"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_needs_no_certificate(authority: Authority, host: str) -> None:
    dsn = f"host={host} port={authority.server.port} dbname=shop user=mover"
    with closing(open_(dsn)) as database:
        assert database.value(sql.SQL("SELECT 1")) == 1
        assert database.unverified == []


def test_the_subscription_is_held_to_the_same(
    authority: Authority, database: Callable[[int], OneDatabase]
) -> None:
    subscriber = database(17)
    subscriber.run("CREATE TABLE t (id int PRIMARY KEY)")
    with authority.server.connect("shop") as session:
        session.execute("CREATE TABLE t (id int PRIMARY KEY)")
    blue, green = open_(authority.dsn()), Database(Side.GREEN, subscriber.conninfo())
    stranger = open_(
        authority.dsn(), seen_from_peer={"sslrootcert": str(authority.other_ca)}
    )
    with closing(blue), closing(green), closing(stranger):
        publish(blue, "s", (PublishedTable("public", "t"),))
        with pytest.raises(ServerRefused) as caught:
            create_subscription(green, stranger, "s", copy_data=True, enabled=False)
        assert str(caught.value) == (
            "error BG-3001: green's server cannot reach blue\n"
            "  seen:    could not connect to the publisher: connection to server at "
            f'"127.0.0.1", port {authority.server.port} failed: SSL error: '
            "certificate verify failed\n"
            "  wanted:  a session from green's host on "
            f"db.example:{authority.server.port}/shop\n"
            "  hint:    try psql there. Where that host needs another name, port or "
            "path of a\n"
            "           certificate, say so in `seen_from_peer` of blue"
        )
        create_slot(blue, "s")
        create_subscription(green, blue, "s", copy_data=True, enabled=False)
        stored = conninfo_to_dict(
            str(subscriber.value("SELECT subconninfo FROM pg_subscription"))
        )
        drop_subscription(green, "s", SystemClock())
        drop_slot(blue, "s", SystemClock())
    assert stored["sslmode"] == "verify-full"
    assert stored["channel_binding"] == "require"


def test_a_console_is_held_to_tls_too(authority: Authority, lab_folder: Path) -> None:
    tls = {
        "client_tls_sslmode": "allow",
        "client_tls_key_file": str(authority.key),
        "client_tls_cert_file": str(authority.certificate),
    }
    with Pooler.start(lab_folder / "pooler", {"shop": authority.server}, settings=tls):
        pass
    with Pooler.start(
        lab_folder / "other", {"shop": authority.server}, settings=tls
    ) as pooler:
        words = f"hostaddr=127.0.0.1 port={pooler.port} user=postgres"
        good = Console(
            "eu", f"host=db.example {words} sslrootcert={authority.ca}", None
        )
        with closing(good):
            assert good.show("VERSION")
        bad = Console("eu", f"host=db.evil {words} sslrootcert={authority.ca}", None)
        with pytest.raises(ServerRefused) as caught:
            bad.show("VERSION")
    assert 'does not match host name "db.evil"' in caught.value.seen
    assert "sslrootcert=FILE" in caught.value.hint


def test_less_than_verified_is_allowed_by_name_and_written_down(
    authority: Authority, database: Callable[[int], OneDatabase], tmp_path: Path
) -> None:
    green = database(17)
    told = {
        "version": 1,
        "name": "shop",
        "blue": {
            "dsn": authority.dsn(sslmode="require"),
            "password": "${env:BLUE_PASSWORD}",
        },
        "green": {"dsn": green.conninfo()},
        "steps": [{"step": "backup"}],
    }
    playbook, environ = tmp_path / "playbook.yml", {"BLUE_PASSWORD": PASSWORD}
    playbook.write_text(json.dumps(told))
    ended = call("run", playbook, environ=environ)
    assert ended.status == 2, ended
    assert "BG-2006: " in ended.err
    assert "seen:    sslmode=require" in ended.err
    allow = ["UNVERIFIED_TLS", "LOADS_BLUE"]
    playbook.write_text(json.dumps({**told, "allow": allow}))
    ended = call("run", playbook, "--log", "json", environ=environ)
    events = [json.loads(line) for line in ended.err.splitlines() if line[0] == "{"]
    weak = "blue: sslmode=require; blue seen from green: sslmode=require"
    said = [e["text"] for e in events if e["event"] == "tls_unverified"]
    assert said == [f"TLS is not verified: {one}" for one in weak.split("; ")]
    query = "SELECT body->>'unverified_tls' FROM bluegreen.journal WHERE seq = 1"
    assert green.rows(query) == [(weak,)]
