"""The pooler's file is replaced whole: its folder, its owner, its mode, no link."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from bluegreen.model.errors import ServerRefused
from bluegreen.pointers.pgbouncer.file import ConfigFile


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pgbouncer.ini"
    path.write_text("[databases]\nshop = host=blue password=secret\n")
    path.chmod(0o640)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_a_draft_lies_beside_the_file_and_nobody_else_may_read_more_of_it(
    file: Path, mode: int
) -> None:
    file.chmod(mode)
    config = ConfigFile(file, "main")
    config.write_draft("new\n")
    [draft] = [path for path in file.parent.iterdir() if path != file]
    assert draft.name == ".pgbouncer.ini.bluegreen-main"
    assert stat.S_IMODE(draft.stat().st_mode) == mode
    config.put_draft()
    assert file.read_text() == "new\n"
    assert stat.S_IMODE(file.stat().st_mode) == mode
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_is_kept(file: Path) -> None:
    os.chown(file, 65_534, 65_534)
    config = ConfigFile(file, "main")
    config.write_draft("new\n")
    config.put_draft()
    assert (file.stat().st_uid, file.stat().st_gid) == (65_534, 65_534)


def test_it_is_on_disk_before_it_takes_the_place_and_the_name_after(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story: list[str] = []
    sync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        story.append(f"sync {Path(f'/proc/self/fd/{handle}').readlink().name}")
        sync(handle)

    def replaced(here: Path, there: Path) -> Path:
        story.append(f"rename {here.name}")
        return replace(here, there)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    config = ConfigFile(file, "main")
    config.write_draft("new\n")
    config.put_draft()
    draft = ".pgbouncer.ini.bluegreen-main"
    assert story == [f"sync {draft}", f"rename {draft}", f"sync {file.parent.name}"]


def test_a_link_is_refused_and_what_it_leads_to_stays(file: Path) -> None:
    link = file.with_name("link.ini")
    link.symlink_to(file)
    config = ConfigFile(link, "main")
    for attempt in (config.read, lambda: config.write_draft("x"), config.put_draft):
        with pytest.raises(ServerRefused) as caught:
            attempt()
        assert caught.value.problem == f"{link} is a link"
    assert link.is_symlink()
    assert "host=blue" in file.read_text()


def test_a_link_laid_in_the_place_of_the_draft_is_not_written_through(
    file: Path,
) -> None:
    trap = file.with_name(".pgbouncer.ini.bluegreen-main")
    prey = file.with_name("prey")
    prey.write_text("precious\n")
    trap.symlink_to(prey)
    ConfigFile(file, "main").write_draft("new\n")
    assert prey.read_text() == "precious\n"
    assert not trap.is_symlink()
