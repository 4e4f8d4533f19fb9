"""An arena on servers of its own, for tests that kill them or set them up otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bluegreen.lab.pooler import Pooler
from bluegreen.lab.server import Server
from tests.kit.arena import Arena, open_arena
from tests.kit.databases import DatabasePair, create_database


@contextmanager
def own_arena(
    folder: Path, pooler: Callable[..., Pooler], **settings: Mapping[str, str]
) -> Iterator[Arena]:
    """Blue 16 and green 18; `blue` and `green` name settings of each."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(
                Server.start(major, folder / side, settings=settings.get(side))
            )
            for major, side in ((16, "blue"), (18, "green"))
        ]
        pair = DatabasePair(
            *(
                create_database(server, side)
                for server, side in zip(servers, ("blue", "green"), strict=True)
            )
        )
        yield stack.enter_context(open_arena(pair, pooler))
