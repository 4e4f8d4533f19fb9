"""A TCP proxy between a client and a server that can be told to misbehave.

Owns the network's faults on loopback: nothing, delay, silence, refusal, reset. It
changes its mind while connections are open.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from enum import StrEnum
from typing import Any, Self

from psycopg.conninfo import make_conninfo

_CHUNK_BYTES = 65_536
_ANSWER_S = 10.0
# On, with no time to linger: closing then sends RST instead of FIN, see socket(7).
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Mode(StrEnum):
    """How the proxy behaves."""

    OK = "ok"
    DELAY = "delay"
    BLACK_HOLE = "black_hole"
    REFUSE = "refuse"
    RESET = "reset"


class Proxy:
    """One proxy, running in a thread of its own. Use it with `with`.

    - `ok`: bytes pass.
    - `delay`: each piece waits `delay_s` in each direction.
    - `black_hole`: connections are accepted and nothing passes, in neither direction;
      held bytes go on when the mode changes.
    - `refuse`: no server listens; open connections go on.
    - `reset`: open connections are reset, new ones as soon as they come.

    Attributes:
        host: an address of this machine.
        port: TCP port, the same for its life.
    """

    def __init__(
        self,
        target_host: str,
        target_port: int,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """Listen at `host`, and at a free port where none is named."""
        self.host = host
        self._target = (target_host, target_port)
        self._mode = Mode.OK
        self._delay_s = 0.0
        self._links: set[asyncio.StreamWriter] = set()
        self._pipes: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = port
        self._do(self._listen())

    @property
    def mode(self) -> Mode:
        """How it behaves now."""
        return self._mode

    def set(self, mode: Mode | str, *, delay_s: float = 0.0) -> None:
        """Change the behaviour; holds when this returns, for open connections too."""
        self._do(self._change(Mode(mode), delay_s))

    def conninfo(self, conninfo: str) -> str:
        """The same connection string, led through the proxy."""
        return make_conninfo(conninfo, host=self.host, port=self.port)

    def stop(self) -> None:
        """Close everything."""
        if not self._thread.is_alive():
            return
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_ANSWER_S)
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_ANSWER_S)

    async def _listen(self) -> None:
        self._open.set()
        self._listener = await asyncio.start_server(
            self._accept, self.host, self.port, reuse_address=True
        )
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _change(self, mode: Mode, delay_s: float) -> None:
        self._mode, self._delay_s = mode, delay_s
        if mode is Mode.BLACK_HOLE:
            self._open.clear()
        else:
            self._open.set()
        if mode is Mode.RESET:
            self._reset_all()
        if mode is Mode.REFUSE and self._listener is not None:
            self._listener.close()
            self._listener = None
        elif mode is not Mode.REFUSE and self._listener is None:
            await self._listen()
            await self._change(mode, delay_s)

    async def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self._reset_all()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._mode is Mode.RESET:
            _reset(writer)
            return
        self._links.add(writer)
        await self._open.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            self._drop(writer)
            return
        self._links.add(far_writer)
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            pipe = asyncio.create_task(self._pass(source, sink))
            self._pipes.add(pipe)
            pipe.add_done_callback(self._pipes.discard)

    async def _pass(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(_CHUNK_BYTES):
                await asyncio.sleep(self._delay_s)
                await self._open.wait()
                sink.write(piece)
                await sink.drain()
        await self._open.wait()
        self._drop(sink)

    def _reset_all(self) -> None:
        for writer in list(self._links):
            _reset(writer)
        self._links.clear()

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._links.discard(writer)
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    line: socket.socket = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
