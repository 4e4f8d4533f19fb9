"""Which statement belongs to which half."""

from __future__ import annotations

from pathlib import Path

from bluegreen.migrators.halves import Halves

ONE = "SET search_path = s;\nALTER TABLE t ADD a int;\nALTER TABLE t RENAME b TO c;\n"


def texts(halves: Halves, name: str) -> list[str]:
    return [part.text for part in halves.read(name).parts]


def test_what_waits_runs_behind_with_the_settings_before_it(tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text(f"{ONE}-- bluegreen: contract\nSELECT 1;\n")
    halves = Halves(tmp_path, ["*.sql"], waiting={"1.sql": {2: "why"}})
    assert texts(halves, "1.sql") == [
        "SET search_path = s",
        "ALTER TABLE t ADD a int",
    ]
    assert texts(halves, "1.sql (contract)") == [
        "SET search_path = s",
        "ALTER TABLE t RENAME b TO c",
        "SELECT 1",
    ]


def test_a_file_that_waits_by_statements_as_a_whole_has_one_half(
    tmp_path: Path,
) -> None:
    (tmp_path / "1.sql").write_text("SELECT 1;\n")
    (tmp_path / "2.sql").write_text("SELECT 2;\n")
    (tmp_path / "3.sql").write_text("SELECT 3;\n")
    halves = Halves(tmp_path, ["*.sql"], ["3.sql"], {"2.sql": [0]})
    assert [one.name for one in halves.scripts("expand")] == ["1.sql"]
    later = [one.name for one in halves.scripts("contract")]
    assert later == ["2.sql (contract)", "3.sql (contract)"]


def test_the_halves_are_known_by_what_they_hold(tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text(ONE)
    whole, parted = Halves(tmp_path, ["*"]), Halves(tmp_path, ["*"], (), {"1.sql": [2]})
    digests = {
        whole.read("1.sql").digest,
        parted.read("1.sql").digest,
        parted.read("1.sql (contract)").digest,
    }
    assert len(digests) == 3
    before = parted.read("1.sql").digest
    (tmp_path / "1.sql").write_text(ONE.replace("TO c", "TO d"))
    assert parted.read("1.sql").digest == before
    assert parted.read("1.sql (contract)").digest not in digests


def test_a_build_that_cannot_share_a_transaction_takes_its_half_apart(
    tmp_path: Path,
) -> None:
    text = "ALTER TABLE t ADD a int;\nCREATE UNIQUE INDEX CONCURRENTLY i ON t (b);\n"
    (tmp_path / "1.sql").write_text(text)
    halves = Halves(tmp_path, ["*.sql"], (), {"1.sql": {1}})
    assert not halves.read("1.sql (contract)").together
    assert halves.read("1.sql (contract)").parts[0].alone
