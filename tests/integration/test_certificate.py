"""Certificates of real moves: written, kept, verified, and what is refused."""

from __future__ import annotations

import json
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bluegreen.lab.ledger import LedgerClients
from bluegreen.model.certificate import hash_of, text_of
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.identity import read_identity
from tests.kit.arena import Arena, move, replicate
from tests.kit.cli import call, write_playbook
from tests.kit.databases import Database

STEPS = (
    {"step": "check"},
    {"step": "replicate"},
    {"step": "validate"},
    {"step": "cutover"},
    {"step": "hold", "window": "1h"},
)
PARTS = {
    "pause",
    "fence",
    "marker",
    "catch_up",
    "look",
    "read_sequences",
    "sequences",
    "stop_stream",
    "commit",
    "pointer",
    "resume",
}
TABLE = (
    "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY)",
    "INSERT INTO t SELECT FROM generate_series(1, 25)",
    'CREATE SEQUENCE "Odd"',
)


def ready(here: Arena, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    here.pair.blue.run(*TABLE)
    return write_playbook(here, folder, STEPS)


def file_of(playbook: Path, which: str) -> Path:
    [path] = playbook.parent.glob(f"certificates/*-{which}.json")
    return path


def alter_journal(database: Database, statement: str) -> None:
    """What only somebody with all rights can do, and no command of ours does."""
    database.run(
        "ALTER TABLE bluegreen.journal DISABLE TRIGGER append_only",
        statement,
        "ALTER TABLE bluegreen.journal ENABLE TRIGGER append_only",
    )


def refusal(*words: str | Path) -> str:
    return call("verify", *words).require(4).err


def test_a_cutover_and_a_rollback_end_in_certificates_that_hold(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    playbook = ready(here, tmp_path)
    call("run", playbook).require()
    call("rollback", playbook).require()
    there, back = file_of(playbook, "epoch-1-cutover"), file_of(playbook, "rollback")
    assert back.name == f"{here.name}-epoch-2-rollback.json"
    for path in (there, back):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        alone = call("verify", path).require().out
        assert alone.startswith(f"{path.name} holds: ")
        assert "the journals were not asked" in alone
        told = call("verify", path, playbook).require().out
        assert "both journals and both servers say the same" in told
    said = call("verify", there, playbook, "--json").require().json
    assert (said["held_against"], said["epoch"]) == (["green", "blue"], 1)

    world = here.world()
    content = json.loads(there.read_text())
    assert content["sides"] == {
        str(side): {
            "identity": read_identity(world.on(side)).id,
            "system": str(read_identity(world.on(side)).system),
            "database": getattr(here.pair, str(side)).name,
            "server_version": getattr(here.pair, str(side)).value(
                "SHOW server_version"
            ),
        }
        for side in Side
    }
    assert content["sequences"] == {
        "public.t_id_seq": {"last": 25, "called": True},
        'public."Odd"': {"last": 1, "called": False},
    }
    assert content["rows"]["tables"]["public.t"]["rows"] == 25
    assert content["rows"]["tables"]["public.t"]["checksum"] is not None
    assert json.loads(back.read_text())["rows"] is None
    for one in (content, json.loads(back.read_text())):
        pause = one["pause"]
        assert set(pause["parts_ms"]) == PARTS
        assert sum(pause["parts_ms"].values()) == pytest.approx(pause["total_ms"])
        assert pause["client_errors"] == []
        assert pause["longest_gap_ms"] > 0
        times = [one["times"][k] for k in ("begun", "moved", "way_back_open")]
        assert times == sorted(times)
        assert here.pair.green.value(
            "SELECT count(*) FROM bluegreen.marker WHERE id = %s::uuid", one["marker"]
        )

    wanted = back.read_text()
    back.unlink()
    call("rollback", playbook).require()
    assert back.read_text() == wanted
    acted = call("rollback", playbook, "--json").require().json["acted"]
    assert acted == []


def test_what_was_changed_or_belongs_to_others_does_not_hold(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here, other = arena(16, 18), arena(16, 18)
    for one, folder in ((here, "one"), (other, "other")):
        one.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
        (tmp_path / folder).mkdir()
        world = one.world(home=tmp_path / folder)
        replicate(world)
        move(world, Side.GREEN, probe=False)
    playbook = write_playbook(here, tmp_path / "one", STEPS)
    [mine] = tmp_path.glob("one/certificates/*.json")
    [theirs] = tmp_path.glob("other/certificates/*.json")
    call("verify", mine, playbook).require()

    strange = refusal(theirs, playbook)
    assert f"the playbook is {here.name}, the certificate is of {other.name}" in strange
    assert "the certificate names" in strange
    assert "both journals: journal.sha256: by its records" in strange

    content: dict[str, Any] = json.loads(mine.read_text())
    forged = {**content, "fence_position": "0/1"}
    file = tmp_path / "forged.json"
    file.write_text(text_of(forged))
    assert "was changed after it was written" in refusal(file)
    file.write_text(text_of({**forged, "hash": hash_of(forged)}))
    call("verify", file).require()
    told = content["fence_position"]
    assert refusal(file, playbook) == (
        "error BG-4008: forged.json does not hold\n"
        f'  seen:    both journals: fence_position: by its records "{told}", the '
        'certificate "0/1"\n'
        f'           both journals: fence_position: as it holds it "{told}", the '
        'certificate "0/1"\n'
        "  wanted:  what the journals of both databases and the servers themselves "
        "say\n"
        "  hint:    is it the certificate of these two databases? Was a journal cut "
        "short or a side made again? A side that only lacks the end gets it by "
        "`bluegreen run`\n"
    )
    assert (
        call("verify", tmp_path / "none.json")
        .require(2)
        .err.startswith(
            f"error BG-2001: {tmp_path}/none.json cannot be read\n"
            "  seen:    no such file or directory\n"
        )
    )

    alter_journal(
        here.pair.green,
        "UPDATE bluegreen.journal SET writer = 'x' WHERE kind = 'pausing'",
    )
    assert "green's journal: journal.sha256: by its records" in refusal(mine, playbook)
    alter_journal(here.pair.blue, "DELETE FROM bluegreen.journal WHERE seq > 5")
    rests_on = content["journal"]["records"]
    line = f"blue's journal: it ends at record 5; the certificate rests on {rests_on}"
    assert line in refusal(mine, playbook)
    here.pair.green.run("UPDATE bluegreen.identity SET id = gen_random_uuid()")
    assert "green (" in refusal(mine, playbook)


def test_a_folder_that_cannot_be_written_fails_no_move(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    playbook = ready(here, tmp_path)
    in_the_way = tmp_path / "certificates"
    in_the_way.write_text("a file")
    ended = call("run", playbook, "--log", "json").require()
    assert '"event": "certificate_not_written"' in ended.err
    assert call("status", playbook, "--json").require().json["serving"] == "green"
    records = here.world().journal.records()
    [kept] = [record for record in records if record.kind is Kind.CERTIFIED]
    in_the_way.unlink()
    call("run", playbook).require()
    path = file_of(playbook, "cutover")
    assert path.read_text() == text_of(kept.body)
    call("verify", path, playbook).require()


def test_a_released_blue_that_is_gone_is_not_asked(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    world = here.world(home=tmp_path)
    replicate(world)
    move(world, Side.GREEN, probe=False)
    playbook = write_playbook(here, tmp_path, STEPS)
    told = json.loads(playbook.read_text())
    told["blue"]["dsn"] = "host=127.0.0.1 port=1 dbname=gone user=postgres"
    away = tmp_path / "away.yml"
    away.write_text(json.dumps(told))
    path = file_of(playbook, "cutover")
    assert "BG-3001" in call("verify", path, away).require(3).err
    world.journal.append(Kind.RELEASED)
    said = call("verify", path, away).require().out
    assert "green says the same; blue was released and is gone" in said


@pytest.mark.sampled(1)
@pytest.mark.parametrize("verb", ["run", "rollback"])
def test_killed_right_behind_the_commit_point_it_still_ends_in_one(
    arena: Callable[..., Arena], tmp_path: Path, verb: str
) -> None:
    here = arena(16, 18)
    LedgerClients.prepare(here.conninfo(Side.BLUE))
    playbook = ready(here, tmp_path)
    fault = {"BLUEGREEN_FAULT": "move/committed:kill:1"}
    assert call("run", playbook, environ=fault).status == -signal.SIGKILL
    fault = {"BLUEGREEN_FAULT": "certificate/recorded:kill:1"}
    assert call(verb, playbook, environ=fault).status == -signal.SIGKILL
    assert not list(tmp_path.glob("certificates/*"))
    call(verb, playbook).require()
    last = file_of(playbook, "cutover" if verb == "run" else "rollback")
    call("verify", last, playbook).require()
    records = here.world().journal.records()
    kept = [r.body for r in records if r.kind is Kind.CERTIFIED]
    assert [body["epoch"] for body in kept] == [1, 2][: len(kept)]
    assert len(kept) == (1 if verb == "run" else 2)
    assert kept[0]["sequences"] is None
    assert kept[0]["pause"]["total_ms"] is None
