"""Runs a server in a thread with an event loop of its own, and stops both without a trace."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import ssl
import threading
from collections.abc import Callable

from aiohttp import web

from stac_asset.testing.serving import Server


class ServerThread:
    """A thread that serves from `start` to `close`.

    Args:
        make: Makes the server; called in the thread, with its loop running.
        ssl_context: Makes it serve https.
    """

    def __init__(self, make: Callable[[], Server], ssl_context: ssl.SSLContext | None) -> None:
        self._make, self._ssl = make, ssl_context
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._server: Server | None = None

    @property
    def accepted(self) -> int:
        """Connections that were accepted so far."""
        return self._server.accepted if self._server is not None else 0

    def start(self, host: str, port: int) -> int:
        """Starts serving and returns the port.

        Raises:
            OSError: If it can't listen there.
            RuntimeError: If it was started before.
        """
        if self._thread is not None:
            raise RuntimeError("an origin serves once: make another one")
        ready: concurrent.futures.Future[int] = concurrent.futures.Future()
        self._thread = threading.Thread(
            target=self._run, args=(host, port, ready), name="stac-asset-origin", daemon=True
        )
        self._thread.start()
        return ready.result()

    def close(self) -> None:
        """Breaks off what is going on and waits for the thread to end."""
        if self._thread is None:
            return
        if (loop := self._loop) is not None:
            with contextlib.suppress(RuntimeError):  # closed in the meantime
                loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def settle(self) -> None:
        """Lets the thread note what it has done up to now.

        A client may have the last byte a moment before the thread has counted it.
        """
        loop = self._loop
        if loop is None or threading.current_thread() is self._thread:
            return
        turns = _turns()
        try:
            noted = asyncio.run_coroutine_threadsafe(turns, loop)
        except RuntimeError:  # closed in the meantime
            turns.close()
            return
        with contextlib.suppress(TimeoutError, concurrent.futures.CancelledError):
            noted.result(timeout=10)

    def _run(self, host: str, port: int, ready: concurrent.futures.Future[int]) -> None:
        try:
            # The selector loop wherever it runs: `Server` counts by what its transports report.
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(self._serve(host, port, ready))
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    async def _serve(self, host: str, port: int, ready: concurrent.futures.Future[int]) -> None:
        self._server = server = self._make()
        runner = web.ServerRunner(server, shutdown_timeout=1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port, ssl_context=self._ssl, backlog=1024)
            await site.start()
            self._loop = asyncio.get_running_loop()
            ready.set_result(int(runner.addresses[0][1]))
            await self._stop.wait()
            await _turns()  # What was accepted a moment ago would be lost if we stopped now.
            await site.stop()
            await server.abort()
        finally:
            self._loop = None
            await runner.cleanup()


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
