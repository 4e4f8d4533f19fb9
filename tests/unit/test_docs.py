"""The docs keep up with the code: pages, names, codes, links, verbs, words."""

from __future__ import annotations

import importlib
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from bluegreen.cli.app import VERBS
from bluegreen.model.codes import Code
from bluegreen.playbook.load import parse
from bluegreen.steps.contract import Action, Step
from bluegreen.steps.migrate import Migrate
from bluegreen.steps.registry import STEPS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "infra").rglob("*.md")]
)
STEP_NAMES = [step.model_fields["step"].default for step in STEPS]

# Words of the house's word list that have another word here, and words that praise.
FORBIDDEN = re.compile(
    r"""\b(
        master|slave|soak|seed(ed|ing)?|revert(ed|ing)?|tasks?|jobs?|stages?
        |cleanup|freeze\ window|sync\ points?|point\ of\ no\ return|full\ load
        |replication\ set|read-only\ mode|(source|target)\ database|(old|new)\ primary
        |seamless(ly)?|effortless(ly)?|blazing|powerful|simply|easily|robust|leverage
        |world-class|enterprise-grade|best\ practices?|zero[- ]downtime
    )\b""",
    re.VERBOSE,
)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _prose(text: str) -> str:
    """The text without what is code."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"(?ms)^```.*?^```", "", text))


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", text)


class TestSteps:
    @pytest.mark.parametrize("step", STEP_NAMES)
    def test_every_step_has_a_page(self, step: str) -> None:
        text = (DOCS / "steps" / f"{step}.md").read_text()
        assert re.match(rf"# .*`{step}`", text)

    @pytest.mark.parametrize("step", STEP_NAMES)
    def test_its_page_names_every_action_and_hazard(self, step: str) -> None:
        text = (DOCS / "steps" / f"{step}.md").read_text()
        for action in _actions(step):
            assert type(action).__name__ in text
            for hazard in action.hazards:
                assert str(hazard) in text, type(action).__name__

    @pytest.mark.parametrize("step", STEP_NAMES)
    def test_every_action_says_what_a_kill_leaves(self, step: str) -> None:
        for action in _actions(step):
            assert "Crash:" in (inspect.getdoc(type(action)) or ""), type(action)


class TestErrors:
    @pytest.mark.parametrize("code", Code)
    def test_every_code_is_explained(self, code: Code) -> None:
        text = (DOCS / "errors.md").read_text()
        assert f"### BG-{code}\n\n*{code.text}.*" in text or (
            code == 70001 and f"### BG-{code}\n" in text
        )

    def test_no_code_is_explained_that_is_none(self) -> None:
        text = (DOCS / "errors.md").read_text()
        assert {int(c) for c in re.findall(r"^### BG-(\d+)$", text, re.M)} == set(Code)

    @pytest.mark.parametrize("page", PAGES, ids=_name)
    def test_no_page_names_a_code_that_is_none(self, page: Path) -> None:
        assert {int(c) for c in re.findall(r"BG-(\d+)", page.read_text())} <= set(Code)


class TestLinks:
    @pytest.mark.parametrize("page", PAGES, ids=_name)
    def test_every_relative_link_leads_somewhere(self, page: Path) -> None:
        assert list(_broken_links(page, page.read_text())) == []

    def test_a_broken_link_is_seen(self) -> None:
        text = "[a](nowhere.md) [b](docs/errors.md#bg-1) [c](#here)\n# Here\n"
        broken = list(_broken_links(ROOT / "README.md", text))
        assert broken == ["nowhere.md", "docs/errors.md#bg-1"]

    def test_every_page_is_reached_from_the_readme(self) -> None:
        seen, ahead = set(), [ROOT / "README.md"]
        while ahead:
            page = ahead.pop()
            if page in seen or not page.is_file():
                continue
            seen.add(page)
            if page.suffix == ".md":
                links = _links(page.read_text())
                ahead += [
                    (page.parent / link.split("#")[0]).resolve() for link in links
                ]
        assert [_name(page) for page in PAGES if page not in seen] == []


class TestExamples:
    @pytest.mark.parametrize("page", PAGES, ids=_name)
    def test_a_whole_playbook_in_a_page_can_be_read(self, page: Path) -> None:
        for block in _blocks(page.read_text(), "yaml"):
            if block.startswith("version:"):
                names = re.findall(r"\$\{env:(\w+)\}", block)
                parse(block.encode(), ROOT / "playbook.yml", dict.fromkeys(names, "x"))

    def test_the_readme_has_one(self) -> None:
        blocks = _blocks((ROOT / "README.md").read_text(), "yaml")
        assert [block for block in blocks if block.startswith("version: 1\n")]

    @pytest.mark.parametrize("page", PAGES, ids=_name)
    def test_every_call_is_one_that_the_program_takes(self, page: Path) -> None:
        for verb, words in _calls(page.read_text()):
            assert verb in VERBS, f"bluegreen {verb}"
            options = {word.split("=")[0] for word in words if word.startswith("--")}
            assert options <= _options_of(verb) | {"--help"}, f"bluegreen {verb}"

    def test_the_readme_names_every_verb(self) -> None:
        text = (ROOT / "README.md").read_text()
        assert [verb for verb in VERBS if f"| `{verb}` |" not in text] == []


class TestWords:
    @pytest.mark.parametrize("page", PAGES, ids=_name)
    def test_one_word_for_each_thing(self, page: Path) -> None:
        prose = _prose(page.read_text()).lower()
        assert [found[0] for found in FORBIDDEN.finditer(prose)] == []

    @pytest.mark.parametrize("text", ["A Seamless Change", "the point of no return"])
    def test_a_forbidden_word_is_seen(self, text: str) -> None:
        assert FORBIDDEN.search(_prose(text).lower())
        assert not FORBIDDEN.search(_prose(f"`{text}`").lower())

    def test_every_failure_mode_is_told_of_once(self) -> None:
        text = (DOCS / "failure-modes.md").read_text()
        numbers = [int(n) for n in re.findall(r"^\| (\d+) \|", text, re.M)]
        assert sorted(numbers) == list(range(1, len(numbers) + 1))

    def test_every_finding_that_is_named_exists(self) -> None:
        source = "".join(
            path.read_text()
            for folder in ("steps/preflight", "steps/monitors", "pointers")
            for path in (ROOT / "bluegreen" / folder).rglob("*.py")
        )
        text = (DOCS / "failure-modes.md").read_text()
        named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", text))
        assert [name for name in sorted(named) if f'"{name}"' not in source] == []


def _actions(name: str) -> tuple[Action[object], ...]:
    """All actions that a step can have, whatever its parameters."""
    kind: type[Step] = STEPS[STEP_NAMES.index(name)]
    given: dict[str, object] = {}
    if "command" in kind.model_fields:
        given["command"] = ("true",)
    if "instance" in kind.model_fields:
        given["instance"] = "shop-blue"
    if "queries" in kind.model_fields:
        given["queries"] = {"nothing": "SELECT 1 WHERE false"}
    if issubclass(kind, Migrate):
        given["files"] = ("migrations/*.sql",)
        given["expand_blue"] = ("public.orders.note",)
        given["renamed"] = {"public.orders": "public.purchases"}
        given["mapping"] = {"public.people.given": {"forward": "name"}}
    actions = kind.model_validate(given).actions()
    assert actions
    return actions


def _links(text: str) -> list[str]:
    found = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", _prose_with_links(text))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def _prose_with_links(text: str) -> str:
    return re.sub(r"(?ms)^```.*?^```", "", text)


def _broken_links(page: Path, text: str) -> Iterator[str]:
    for link in _links(text):
        name, _, anchor = link.partition("#")
        there = page.parent / name if name else page
        if not there.exists():
            yield link
        elif anchor:
            target = there.read_text() if name else text
            if anchor not in _anchors(target):
                yield link


def _anchors(text: str) -> set[str]:
    """The anchors that a page's headings have on GitHub."""
    headings = re.findall(r"^#+ (.+)$", _prose_with_links(text), re.M)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


def _calls(text: str) -> Iterator[tuple[str, list[str]]]:
    """Every `bluegreen VERB …` in code of a page."""
    lines = [line for block in _blocks(text, r"\w*") for line in block.splitlines()]
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"(?ms)^```.*?^```", "", text))
    for line in [*lines, *spans]:
        found = re.match(r"\s*(?:\.venv/bin/)?bluegreen ([a-z][a-z-]*)(.*)$", line)
        if found:
            yield found[1], shlex.split(found[2], comments=True)


def _options_of(verb: str) -> set[str]:
    """Long options as the verb's own help lists them."""
    app = importlib.import_module("bluegreen.cli.app")
    command = app.command_of(verb)
    return {name for one in command.params for name in one.opts if name[:2] == "--"}
