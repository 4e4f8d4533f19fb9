"""An action: one wanted state of one system, as the engine runs it.

Owns the shape of an action, apart from that of a step so that the guard process
needs no pydantic. What an action does is in the files of the steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Generic, TypeVar

from bluegreen.model.hazard import Hazard
from bluegreen.model.verdict import Verdict
from bluegreen.steps.world import World

F = TypeVar("F")

Result = Mapping[str, Any]
"""What an act leaves in the journal: JSON values, never a secret."""


class Action(ABC, Generic[F]):
    """One wanted state of one system.

    `observe` and `judge` together answer *is it done*, *did it work*, `plan` and
    `status`, so these cannot disagree. Each class's docstring ends with `Crash:` and
    says what a kill half way leaves.

    Attributes:
        id: unique in a plan, `step-id/verb_object`.
        title: the wanted state in plain words, e.g. "green has blue's schema".
        hazards: what a person must allow.
        no_undo: why there is no undo; empty where there is one.
        waits_for_timer: a run ends well while it says NotYet; a timer comes back.
        waits_for_person: it waits for a word, and does nothing by itself.
        critical: a Ctrl-C waits until its act has ended.
        patience: how long the runner waits on NotYet; None waits without end.
    """

    hazards: ClassVar[frozenset[Hazard]] = frozenset()
    no_undo: ClassVar[str] = ""
    waits_for_timer: ClassVar[bool] = False
    waits_for_person: ClassVar[bool] = False
    critical: ClassVar[bool] = False
    title: str = ""
    patience: timedelta | None = None

    def __init__(self, step_id: str) -> None:
        self.id = f"{step_id}/{self.name()}"

    @classmethod
    def name(cls) -> str:
        """`CreateFence` is `create_fence` in plans, the journal and the docs."""
        return "".join(
            "_" + letter.lower() if letter.isupper() else letter
            for letter in cls.__name__
        ).lstrip("_")

    @abstractmethod
    def observe(self, world: World) -> F:
        """Read the world; change nothing; raise when it could not be seen."""

    @abstractmethod
    def judge(self, facts: F) -> Verdict:
        """Say what the facts mean. Pure."""

    @abstractmethod
    def act(self, world: World, facts: F) -> Result:
        """Bring the wanted state about. Only after Needed; safe to repeat."""

    def undo(self, world: World, facts: F) -> None:
        """Reverse `act`; may be called when only a part of it happened."""
        raise NotImplementedError(self.no_undo or type(self).__name__)


class Waiting(Action[F]):
    """An action that never acts: it waits for what others do, or proves.

    Its `judge` never says Needed.
    """

    no_undo = "it only looks"

    def act(self, world: World, facts: F) -> Result:
        """Nothing is left to do."""
        return {}
