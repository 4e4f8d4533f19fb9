"""One arena for a whole file of tests, where none of them changes what others see."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bluegreen.lab.pooler import Pooler
from bluegreen.lab.server import Server
from tests.kit.arena import Arena, open_arena
from tests.kit.databases import DatabasePair, create_database, drop_databases


@contextmanager
def shared_arena(
    servers: Callable[..., Server],
    root: Path,
    schema: str = "CREATE TABLE t (id int PRIMARY KEY)",
) -> Iterator[Arena]:
    """A pair, 16 and 18, blue with a schema, and a pooler before it."""
    with ExitStack() as stack:

        def pooler(databases: Any, **words: Any) -> Pooler:
            folder = Path(tempfile.mkdtemp(dir=root))
            folder.chmod(0o755)
            return stack.enter_context(Pooler.start(folder, databases, **words))

        pair = DatabasePair(
            create_database(servers(16), "blue"), create_database(servers(18), "green")
        )
        stack.callback(drop_databases, pair.blue, pair.green)
        pair.blue.run(schema)
        yield stack.enter_context(open_arena(pair, pooler))
