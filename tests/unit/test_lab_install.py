"""Getting the servers onto a machine: what is pinned, and what npm cannot store."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

import bluegreen

ROOT = Path(bluegreen.__file__).parent.parent
SERVERS = ROOT / "tests" / "servers"


@pytest.fixture
def install() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", ROOT / "infra/install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_links_of_libraries_are_made_once(
    install: ModuleType, tmp_path: Path
) -> None:
    lib = tmp_path / "native" / "lib"
    lib.mkdir(parents=True)
    (lib / "libpq.so.5.17").write_text("library")
    (tmp_path / "native" / "pg-symlinks.json").write_text(
        json.dumps(
            [
                {
                    "source": "native/lib/libpq.so.5.17",
                    "target": "native/lib/sub/libpq.so.5",
                }
            ]
        )
    )
    for _ in range(2):
        install.link_libraries(tmp_path)
        link = lib / "sub" / "libpq.so.5"
        assert link.is_symlink()
        assert not link.readlink().is_absolute()
        assert link.read_text() == "library"


def test_servers_are_pinned_by_version_and_hash() -> None:
    wanted = json.loads((SERVERS / "package.json").read_text())["dependencies"]
    locked = json.loads((SERVERS / "package-lock.json").read_text())["packages"]
    for alias, version in wanted.items():
        package = locked[f"node_modules/{alias}"]
        assert version.endswith(f"@{package['version']}")
        assert package["integrity"].startswith("sha512-")
        assert "resolved" not in package, "a lock names no registry"
    assert set(wanted) == {"pg13", "pg14", "pg15", "pg17"}


def test_a_program_that_fails_is_shown(
    install: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="failed: ls /no/such/folder"):
        install.run("ls", "/no/such/folder")
    assert "/no/such/folder" in capsys.readouterr().err


def test_a_missing_package_is_named_where_nothing_can_install_it(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SystemExit, match=r"missing here: pgbouncer\n.*as root"):
        install.apt_install("pgbouncer")


def test_an_unknown_part_is_refused(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["install.py", "everything"])
    with pytest.raises(SystemExit, match=r"usage: .*venv.*pgbouncer.*servers"):
        install.main()
