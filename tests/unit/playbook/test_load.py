"""The door: files, digest, typed values, and what a reference may read."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from bluegreen.model.errors import PlaybookRefused
from bluegreen.model.hazard import Hazard
from bluegreen.model.secret import Secret
from bluegreen.playbook.load import load, require_files
from bluegreen.playbook.pointer_models import PgBouncerConfig
from bluegreen.playbook.source import MAX_BYTES, read_tree
from bluegreen.steps.cutover import Cutover

CASES = Path(__file__).parents[2] / "cases" / "playbooks"
TEXT = (CASES / "accepted" / "plain.yml").read_text()


def write(folder: Path, text: str | bytes, name: str = "shop.yml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(path: Path, **environ: str) -> str:
    with pytest.raises(PlaybookRefused) as caught:
        load(path, environ)
    return str(caught.value)


def with_password(reference: str) -> str:
    return TEXT.replace("green:", f"  password: {reference}\ngreen:", 1)


def test_values_are_typed() -> None:
    environ = dict.fromkeys(
        ("BLUE_PASSWORD", "GREEN_PASSWORD", "CONSOLE_PASSWORD", "APP_PASSWORD"), "x"
    )
    playbook = load(CASES / "accepted" / "all-keys.yml", environ).playbook
    (cutover,) = (step for step in playbook.steps if isinstance(step, Cutover))
    assert cutover.max_pause == timedelta(seconds=1.5)
    assert cutover.probe is False
    pointer = playbook.pointers[0]
    assert isinstance(pointer, PgBouncerConfig)
    assert pointer.blue.port == 5432
    assert playbook.blue.password == Secret("x")
    assert playbook.green.dsn.words["sslmode"] == "require"
    assert set(playbook.allow) == set(Hazard)
    assert [step.key for step in playbook.steps][:2] == ["first-look", "backup"]


def test_words_stay_words() -> None:
    path = CASES / "accepted" / "words-that-look-like-types.yml"
    steps = load(path, {}).playbook.steps
    assert steps[0].model_dump()["to"] == "no"
    assert steps[1].model_dump()["message"] == "1e3"
    left_out = steps[2].model_dump()["exclude"]
    assert left_out == ("on", "0x10", "2024-01-01", "null")


def test_an_escaped_reference_is_text() -> None:
    steps = load(CASES / "accepted" / "escaped-reference.yml", {}).playbook.steps
    assert steps[0].model_dump()["message"] == "costs ${HOME}"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.yml"
    assert refusal(path) == (
        f"error BG-2001: {path}: the playbook cannot be read: no such file\n"
        "  hint:    is the path right? `bluegreen init` writes a playbook to start from"
    )


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "cannot be read: not a file" in refusal(tmp_path)


def test_a_pipe_does_not_hold_us_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yml")
    assert "cannot be read: not a file" in refusal(tmp_path / "pipe.yml")


def test_a_path_that_is_none_is_refused() -> None:
    assert "cannot be read" in refusal(Path("a\0b"))
    assert "cannot be read" in refusal(Path("a" * 5000))


def test_size_is_bounded(tmp_path: Path) -> None:
    fits = TEXT + "#" * (MAX_BYTES - len(TEXT))
    load(write(tmp_path, fits), {})
    path = write(tmp_path, fits + "#")
    assert refusal(path) == (
        f"error BG-2001: {path}:1:1: the file is too large for a playbook\n"
        "  wanted:  262144 bytes or fewer\n"
        "  hint:    is it the right file?"
    )


@pytest.mark.parametrize("opened", ["[", "{a: ", "- ", "? "])
@pytest.mark.parametrize("depth", [21, 500, 50_000])
def test_depth_is_bounded(opened: str, depth: int) -> None:
    with pytest.raises(PlaybookRefused) as caught:
        read_tree(f"a:\n {opened * depth}".encode(), "deep.yml")
    assert caught.value.code == 2002


def test_twenty_levels_are_read() -> None:
    tree = read_tree(f"a: {'[' * 19}x{']' * 19}".encode(), "deep.yml")
    assert list(tree.entries) == ["a"]


def test_the_number_of_entries_is_bounded() -> None:
    with pytest.raises(PlaybookRefused, match="too many entries"):
        read_tree(b"a: [" + b"x," * 11_000 + b"]", "wide.yml")


def test_the_digest_follows_the_file_and_its_migrations(tmp_path: Path) -> None:
    text = TEXT.replace(
        "  - step: cutover",
        "  - step: migrate\n    files: [migrations/*.sql]\n  - step: cutover",
    )
    path, folder = write(tmp_path, text), tmp_path / "migrations"
    folder.mkdir()
    digests = [load(path, {}).digest]
    (folder / "1.sql").write_text("SELECT 1")
    digests.append(load(path, {}).digest)
    (folder / "1.sql").write_text("SELECT 2")
    digests.append(load(path, {}).digest)
    (folder / "1.sql").rename(folder / "2.sql")
    digests.append(load(path, {}).digest)
    (folder / "other.txt").write_text("not a migration")
    assert load(path, {}).digest == digests[-1]
    write(tmp_path, text + "# a comment\n")
    digests.append(load(path, {}).digest)
    assert len(set(digests)) == len(digests)
    assert all(len(digest) == 64 for digest in digests)


def test_a_lost_migration_stops_a_run_but_not_the_loading(tmp_path: Path) -> None:
    text = TEXT.replace(
        "  - step: cutover",
        "  - step: migrate\n    files: [a.sql, b/*.sql]\n  - step: cutover",
    )
    (tmp_path / "a.sql").write_text("SELECT 1")
    loaded = load(write(tmp_path, text), {})
    with pytest.raises(PlaybookRefused) as caught:
        require_files(loaded)
    assert str(caught.value) == (
        f"error BG-2009: {loaded.path}:16:20: entry 2 of "
        '"files" of step "migrate" names no file\n'
        f"  seen:    nothing fits it in {tmp_path}\n"
        "  wanted:  a file or a pattern, relative to the playbook"
    )
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "1.sql").write_text("SELECT 1")
    require_files(loaded)


def test_a_secret_comes_from_a_private_file(tmp_path: Path) -> None:
    secret = tmp_path / "secrets" / "blue"
    secret.parent.mkdir()
    secret.write_text("tiger\n")
    secret.chmod(0o600)
    path = write(tmp_path, with_password("${file:secrets/blue}"))
    assert load(path, {}).playbook.blue.password == Secret("tiger")
    secret.write_text("tiger \r\n")
    assert load(path, {}).playbook.blue.password == Secret("tiger ")


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "blue"
    secret.write_text("tiger\n")
    secret.chmod(0o644)
    path = write(tmp_path, with_password("${file:blue}"))
    assert refusal(path) == (
        f"error BG-2004: {path}:5:13: others than its owner can read the file blue\n"
        "  seen:    mode 0644\n"
        "  wanted:  mode 0600\n"
        "  hint:    chmod 600 blue"
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff", "is not UTF-8 text"),
        (b"a\0b", "holds a NUL"),
        (b"x" * 70_000, "is too large for a secret"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused(
    content: bytes, says: str, tmp_path: Path
) -> None:
    (tmp_path / "blue").write_bytes(content)
    (tmp_path / "blue").chmod(0o600)
    path = write(tmp_path, with_password("${file:blue}"))
    assert f":5:13: the file blue {says}" in refusal(path)


def test_a_secret_in_a_pipe_or_folder_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        path = write(tmp_path, with_password(f"${{file:{name}}}"))
        assert f"{name} is not a file" in refusal(path) or "directory" in refusal(path)


def test_a_reference_needs_no_quoting_in_a_dsn(tmp_path: Path) -> None:
    hard = "it's a \\ p@ss/w:rd%20 host=evil"
    text = TEXT.replace("user=bluegreen", "user=${env:WHO} password=${env:PW}", 1)
    side = load(write(tmp_path, text), {"WHO": "o'neil x", "PW": hard}).playbook.blue
    assert side.dsn.words["user"] == "o'neil x"
    assert side.dsn.words["host"] == "10.0.0.5"
    assert side.dsn.password == Secret(hard)
    assert "pass" not in str(side.dsn)


def test_the_first_complaint_in_the_file_is_told_first(tmp_path: Path) -> None:
    text = TEXT.replace("window: 24h", "window: soon").replace("shop", "Shop", 1)
    message = refusal(write(tmp_path, text))
    assert message.index(":2:7:") < message.index(":17:13:")
