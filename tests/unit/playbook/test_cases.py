"""Playbooks as data: what is refused, word for word, and what is accepted."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from bluegreen.model.errors import PlaybookRefused
from bluegreen.playbook.load import load
from bluegreen.playbook.reference import schema

CASES = Path(__file__).parents[2] / "cases" / "playbooks"
REFUSED = sorted((CASES / "refused").glob("*.yml"))
ACCEPTED = sorted((CASES / "accepted").glob("*.yml"))
SECRETS = ("hunter2", "s3cret")
ENVIRON = {
    "BLUE_PASSWORD": "s3cret",
    "GREEN_PASSWORD": "s3cret",
    "CONSOLE_PASSWORD": "s3cret",
    "APP_PASSWORD": "s3cret",
    "EMPTY": "",
    "FOUR": "4",
    "SHOP_DSN": "postgresql://bluegreen:s3cret@10.0.0.5:5432/shop",
    "BAD_DSN": "host=10.0.0.5 passwort s3cret",
}


def test_there_are_enough_cases() -> None:
    assert len(REFUSED) >= 100
    assert len(ACCEPTED) >= 12
    written = {path.stem for path in (CASES / "refused").glob("*.txt")}
    assert written == {path.stem for path in REFUSED}


@pytest.mark.parametrize("path", REFUSED, ids=lambda p: p.stem)
def test_a_wrong_playbook_is_refused_word_for_word(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    with pytest.raises(PlaybookRefused) as caught:
        load(Path(path.name), ENVIRON)
    message = str(caught.value)
    assert message + "\n" == path.with_suffix(".txt").read_text()
    assert caught.value.exit_status == 2
    for secret in SECRETS:
        assert secret not in message
        assert secret not in repr(caught.value)


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda p: p.stem)
def test_a_right_playbook_is_accepted_and_hides_its_secrets(path: Path) -> None:
    loaded = load(path, ENVIRON)
    for shown in (
        repr(loaded),
        str(loaded.playbook),
        loaded.playbook.model_dump_json(),
        str(loaded.playbook.model_dump()),
    ):
        assert "s3cret" not in shown


@pytest.mark.parametrize(
    # An editor's YAML guesses types that ours does not.
    "path",
    [path for path in ACCEPTED if path.stem != "words-that-look-like-types"],
    ids=lambda p: p.stem,
)
def test_the_schema_for_editors_accepts_it_too(path: Path) -> None:
    _validate(yaml.safe_load(path.read_text(encoding="utf-8-sig")))


def _validate(value: object) -> None:
    jsonschema.validate(value, schema())


@pytest.mark.parametrize(
    "name",
    [
        "unknown-key-at-top",
        "unknown-parameter",
        "unknown-step",
        "step-without-kind",
        "files-missing",
        "files-is-text",
        "time-without-unit",
        "number-too-large",
        "number-quoted",
        "port-too-large",
        "hazard-unknown",
        "password-literal",
        "name-with-capital",
        "no-steps",
    ],
)
def test_the_schema_for_editors_refuses_it_too(name: str) -> None:
    text = (CASES / "refused" / f"{name}.yml").read_text()
    with pytest.raises(jsonschema.ValidationError):
        _validate(yaml.safe_load(text))
