"""All bugs that `python -m tests.mutants` tries, in order."""

from __future__ import annotations

from tests.mutants.bug import Bug
from tests.mutants.of_the_pause import OF_THE_PAUSE
from tests.mutants.of_what_is_asked import OF_WHAT_IS_ASKED
from tests.mutants.of_what_is_known import OF_WHAT_IS_KNOWN

BUGS: tuple[Bug, ...] = (*OF_THE_PAUSE, *OF_WHAT_IS_ASKED, *OF_WHAT_IS_KNOWN)
