"""A pointer of programs: what is believed of them, and what they may not do."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path

import pytest

from bluegreen.model.errors import BluegreenError, StepError, TrafficUnknownError
from bluegreen.model.side import Side
from bluegreen.pointers.command.program import run_program
from bluegreen.pointers.handover import of_spec, require_guardable, spec_of
from tests.kit.programs import Programs, sh

BUDGET = timedelta(seconds=5)
NO_HOLD = {"pause": [], "resume": []}


@pytest.fixture
def here(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


def test_it_is_moved_paused_and_resumed_again_and_again(here: Programs) -> None:
    pointer = here.pointer()
    for side in (Side.GREEN, Side.GREEN, Side.BLUE):
        for _ in range(2):
            pointer.pause(BUDGET)
            assert pointer.observe().paused
        pointer.move(side)
        for _ in range(2):
            pointer.resume()
        facts = pointer.observe()
        assert (facts.names, facts.paused) == (side, False)
    assert pointer.check() == []


def test_a_guard_opens_the_same_pointer(here: Programs) -> None:
    spec = json.loads(json.dumps(spec_of(require_guardable(here.pointer()))))
    of_spec(spec).move(Side.GREEN)
    assert here.pointer().observe().names is Side.GREEN


@pytest.mark.parametrize(
    ("out", "seen"),
    [
        ("", "nothing"),
        ("blue", "blue"),
        ("BLUE", "BLUE"),
        ("blue green", "blue green"),
        ('{"names": "blue"}', '{"names": "blue"}'),
        ('{"names": "red", "paused": false}', '{"names": "red", "paused": false}'),
        ('{"names": "blue", "paused": 0}', '{"names": "blue", "paused": 0}'),
        ('{"names": ["blue"], "paused": true}', '{"names": ["blue"], "paused": true}'),
        ('["blue"]', '["blue"]'),
        ("null", "null"),
        ('log\n{"names": "blue", "paused": false}', 'log {"names": "blue"'),
    ],
)
def test_an_answer_that_is_none_is_never_a_side(
    here: Programs, out: str, seen: str
) -> None:
    pointer = here.pointer(get=sh('printf "%s" "$1"', out))
    with pytest.raises(StepError) as caught:
        pointer.observe()
    assert caught.value.code == 4009
    assert caught.value.seen.startswith(seen)
    assert [f.id for f in pointer.check()] == ["command-4009"]


@pytest.mark.parametrize(
    ("out", "names"),
    [
        ("blue\n", Side.BLUE),
        ("green", Side.GREEN),
        ("neither", None),
        ('{"names": "green"}', Side.GREEN),
        ('{"names": "neither", "paused": false}', None),
    ],
)
def test_without_a_pause_a_word_is_enough(
    here: Programs, out: str, names: Side | None
) -> None:
    pointer = here.pointer(get=sh('printf "%s" "$1"', out), **NO_HOLD)
    assert pointer.holds_clients is False
    assert pointer.observe().names is names
    pointer.pause(BUDGET)
    pointer.resume()
    blocking = [f.id for f in pointer.check() if f.is_blocking]
    assert blocking == ([] if names else ["command-3007"])
    assert "command-holds-no-client" in [f.id for f in pointer.check()]


@pytest.mark.parametrize("name", ["get", "set", "pause", "resume", "check"])
@pytest.mark.parametrize(
    ("program", "seen"),
    [
        (sh("echo out; echo sorry >&2; exit 3"), "it ended with status 3: sorry"),
        (["/nonexistent/program"], "it cannot be started: "),
        (sh("sleep 60 & sleep 60"), "it did not end within 0.2 s"),
    ],
)
def test_a_program_that_fails_is_named(
    here: Programs, name: str, program: list[str], seen: str
) -> None:
    pointer = here.pointer(**{name: program, "timeout_s": 0.2})
    acts = {
        "get": pointer.observe,
        "set": lambda: pointer.move(Side.GREEN),
        "pause": lambda: pointer.pause(BUDGET),
        "resume": pointer.resume,
        "check": lambda: pointer.prove(Side.GREEN),
    }
    if "within" not in seen:
        pointer._within_s = 10.0
    with pytest.raises(StepError) as caught:
        acts[name]()
    assert caught.value.problem == (
        f"pointer name: its program `{name}` did not do what it should"
    )
    assert caught.value.seen.startswith(seen)


def test_status_0_alone_proves_nothing(here: Programs) -> None:
    pointer = here.pointer(set=["true", "{side}"], pause=["true"])
    with pytest.raises(StepError) as caught:
        pointer.move(Side.GREEN)
    assert caught.value.seen == "`get` says blue after it"
    with pytest.raises(StepError) as caught:
        pointer.pause(BUDGET)
    assert caught.value.seen == "`get` does not say that it is paused"
    here.put("paused", "true")
    with pytest.raises(StepError) as caught:
        here.pointer(resume=["true"]).resume()
    assert caught.value.seen == "`get` says that it is paused"


def test_a_pause_that_fails_holds_no_client_back(here: Programs) -> None:
    pointer = here.pointer(pause=sh("printf true > paused; exit 1"))
    with pytest.raises(StepError):
        pointer.pause(BUDGET)
    assert pointer.observe().paused is False
    late = here.pointer(pause=sh("printf true > paused; sleep 60"))
    began = time.monotonic()
    with pytest.raises(StepError):
        late.pause(timedelta(milliseconds=300))
    assert time.monotonic() - began < 30, "the budget ends a program"
    assert late.observe().paused is False


def test_one_that_cannot_be_resumed_is_no_small_matter(here: Programs) -> None:
    pointer = here.pointer(
        pause=sh("printf true > paused; exit 1"), resume=sh("exit 2")
    )
    with pytest.raises(TrafficUnknownError) as caught:
        pointer.pause(BUDGET)
    assert caught.value.problem == "pointer name may hold clients back"
    assert caught.value.hint == "type `sh -c 'exit 2' sh`"


def test_one_that_was_moved_meanwhile_is_told_before_the_pause(here: Programs) -> None:
    pointer = here.pointer()
    pointer.stage(Side.GREEN)
    pointer.require_unchanged()
    here.put("names", "green")
    with pytest.raises(BluegreenError) as caught:
        pointer.require_unchanged()
    assert caught.value.code == 4011


def test_words_are_no_shells(here: Programs, tmp_path: Path) -> None:
    pointer = here.pointer(
        set=sh(
            'printf "$1" > names; printf "%s" "$2" > word',
            "{side}",
            "$(touch gone); `id`",
        )
    )
    pointer.move(Side.GREEN)
    assert (tmp_path / "word").read_text() == "$(touch gone); `id`"
    assert not (tmp_path / "gone").exists()
    assert pointer.by_hand(Side.BLUE).endswith("sh blue '$(touch gone); `id`'`")


def test_what_a_program_says_is_cut(tmp_path: Path) -> None:
    ended = run_program(sh("yes line | head -n 100000 >&2; exit 1"), tmp_path, 10)
    assert ended.why_not == "it ended with status 1: line\nline\nline"
