"""Fixtures that every tier may use: servers by major, database pairs, poolers.

Servers are shared by all tests of one worker process and started when first asked
for. A test that kills or reconfigures a server starts one of its own.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bluegreen.lab.pooler import Pooler
from bluegreen.lab.server import Server
from tests.kit.arena import Arena, open_arena
from tests.kit.bucket import KEYS, Service, serving
from tests.kit.databases import (
    Database,
    DatabasePair,
    create_database,
    drop_databases,
)

pytest_plugins = ["tests.plugin"]


@pytest.fixture(scope="session")
def lab_root() -> Iterator[Path]:
    """A short folder that servers under another account can reach."""
    root = Path(tempfile.mkdtemp(prefix="bluegreen-lab-"))
    root.chmod(0o755)
    yield root
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def lab_folder(lab_root: Path) -> Path:
    """A fresh folder for the servers that one test starts for itself."""
    folder = Path(tempfile.mkdtemp(dir=lab_root))
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def servers(lab_root: Path) -> Iterator[Callable[..., Server]]:
    """`servers(16)`: the shared server; another role gives a second of that major."""
    running: dict[tuple[int, str], Server] = {}

    def get(major: int, role: str = "blue") -> Server:
        key = (major, role)
        if key not in running:
            running[key] = Server.start(major, lab_root / f"pg{major}-{role}")
        running[key].start_again()
        return running[key]

    yield get
    for server in running.values():
        server.stop("immediate")
        server.remove()


@pytest.fixture
def database(servers: Callable[..., Server]) -> Iterator[Callable[[int], Database]]:
    """`database(16)`: one fresh database."""
    made: list[Database] = []

    def make(major: int) -> Database:
        made.append(create_database(servers(major), "one"))
        return made[-1]

    yield make
    drop_databases(*made)


@pytest.fixture
def database_pair(
    servers: Callable[..., Server],
) -> Iterator[Callable[[int, int], DatabasePair]]:
    """`database_pair(15, 18)`: two fresh databases on two servers."""
    made: list[Database] = []

    def make(blue_major: int, green_major: int) -> DatabasePair:
        role = "green" if blue_major == green_major else "blue"
        made.append(create_database(servers(blue_major), "blue"))
        made.append(create_database(servers(green_major, role), "green"))
        return DatabasePair(*made[-2:])

    yield make
    drop_databases(*made)


@pytest.fixture
def pooler(lab_folder: Path) -> Iterator[Callable[..., Pooler]]:
    """`pooler({"app": server})`: a PgBouncer, with the words of `Pooler.start`."""
    with ExitStack() as stack:

        def start(databases: Any, **words: Any) -> Pooler:
            folder = Path(tempfile.mkdtemp(dir=lab_folder))
            folder.chmod(0o755)
            return stack.enter_context(Pooler.start(folder, databases, **words))

        yield start


@pytest.fixture
def arena(
    database_pair: Callable[[int, int], DatabasePair],
    pooler: Callable[..., Pooler],
) -> Iterator[Callable[..., Arena]]:
    """`arena(16, 18)`: a pair, a pooler before blue, and our handles to them."""
    with ExitStack() as stack:

        def make(blue_major: int = 16, green_major: int = 18) -> Arena:
            pair = database_pair(blue_major, green_major)
            return stack.enter_context(open_arena(pair, pooler))

        yield make


@pytest.fixture
def arena_on_one_server(
    servers: Callable[..., Server], pooler: Callable[..., Pooler]
) -> Iterator[Callable[[int], Arena]]:
    """`arena_on_one_server(16)`: blue and green are two databases of one server."""
    made: list[Database] = []
    with ExitStack() as stack:
        stack.callback(lambda: drop_databases(*made))

        def make(major: int) -> Arena:
            server = servers(major)
            made.append(create_database(server, "blue"))
            made.append(create_database(server, "green"))
            return stack.enter_context(open_arena(DatabasePair(*made[-2:]), pooler))

        yield make


@pytest.fixture(scope="session")
def s3_service() -> Iterator[Service]:
    """One S3 for all tests of a worker; each makes buckets of its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        with serving() as service:
            yield service


@pytest.fixture
def s3(s3_service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The S3 of the worker, with keys for it in the environment."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return s3_service
