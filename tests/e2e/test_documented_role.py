"""The role of the quick start is enough: no superuser moves the database and back."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bluegreen.lab.ledger import LedgerClients, audit
from bluegreen.model.side import Side
from tests.kit.arena import Arena
from tests.kit.cli import call, write_playbook
from tests.kit.databases import Database
from tests.kit.own_servers import own_arena
from tests.kit.wait import wait_until

PAGE = Path(__file__).parents[2] / "docs" / "quick-start.md"
PASSWORD = "word-of-a-test"
STEPS = (
    {"step": "check"},
    {"step": "backup", "to": "backups", "workers": 1},
    {"step": "replicate"},
    {
        "step": "migrate",
        "files": ["*.sql"],
        "mapping": {
            "public.ledger.twice": {
                "type": "integer",
                "forward": "amount * 2",
                "reverse": "twice / 2",
            }
        },
    },
    {"step": "validate"},
    {"step": "cutover"},
    {"step": "hold", "window": "1s"},
    {"step": "decommission", "final_backup": "backups"},
)


def statements(database: str) -> list[str]:
    """The SQL of the page's section on the role, for this database."""
    text = PAGE.read_text().split("## 2. A role")[1]
    block = re.search(r"```sql\n(.*?)```", text, re.DOTALL)
    assert block is not None
    plain = re.sub(r"--.*", "", block[1])
    named = plain.replace("DATABASE shop", f"DATABASE {database}")
    return [s for s in named.replace("…", PASSWORD).split(";") if s.strip()]


def make_role(database: Database) -> None:
    """As the page says, and asked for its password as on a real server."""
    database.run(
        "CREATE ROLE app_owner LOGIN",
        f"ALTER DATABASE {database.name} OWNER TO app_owner",
        *statements(database.name),
    )
    hba = database.server.data / "pg_hba.conf"
    asked = "".join(
        f"host {what} bg_admin 127.0.0.1/32 scram-sha-256\n"
        for what in ("all", "replication")
    )
    hba.write_text(asked + hba.read_text())
    database.run("SELECT pg_reload_conf()")


@pytest.mark.timeout(600)
def test_it_moves_the_database_and_back_and_lets_blue_go(
    lab_folder: Path, pooler: Callable[..., object], tmp_path: Path
) -> None:
    with own_arena(lab_folder, pooler) as here:
        for database in (here.pair.blue, here.pair.green):
            make_role(database)
        LedgerClients.prepare(here.pair.blue.conninfo("app_owner"))
        (tmp_path / "1.sql").write_text(
            "CREATE INDEX ledger_amount ON public.ledger (amount);"
        )
        playbook = playbook_of(here, tmp_path)
        environ = {"BG_PASSWORD": PASSWORD}
        with LedgerClients(here.client, 4) as clients:
            clients.start()
            for verb in ("run", "rollback", "run"):
                call(verb, playbook, environ=environ).require()
            result = clients.stop()
        assert (result.errors, result.unknown) == (0, 0), result.error_texts
        assert audit(here.conninfo(Side.GREEN), result).ok
        wait_until(
            lambda: (
                call("decommission", "--if-due", playbook, environ=environ)
                .require()
                .out
            ),
            "the window",
        )


def playbook_of(here: Arena, folder: Path) -> Path:
    words = {
        str(side): {
            "dsn": getattr(here.pair, str(side)).conninfo("bg_admin"),
            "password": "${env:BG_PASSWORD}",
        }
        for side in Side
    }
    return write_playbook(here, folder, STEPS, **words)
