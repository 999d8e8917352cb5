"""A thread that runs a server in a separate event loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import ssl
import threading
from collections.abc import Callable

from aiohttp import web

from stac_asset.testing.serving import AbortableServer


class ServerThread:
    """A thread that serves from `start` to `close`.

    Args:
        make: Creates the server. Called in the thread while its event loop is running.
        ssl_context: TLS context for https. Default: http.
    """

    def __init__(
        self, make: Callable[[], AbortableServer], ssl_context: ssl.SSLContext | None
    ) -> None:
        self._make, self._ssl = make, ssl_context
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._server: AbortableServer | None = None

    @property
    def accepted(self) -> int:
        """Number of accepted connections."""
        return self._server.accepted if self._server is not None else 0

    def start(self, host: str, port: int) -> int:
        """Start serving, and return the port.

        Args:
            host: The address to listen on.
            port: The port to listen on. 0 chooses a free port.

        Raises:
            OSError: The server cannot listen on this address and port.
            RuntimeError: The thread was started before.
        """
        if self._thread is not None:
            raise RuntimeError("an origin can be started only once. Create a new `Origin`.")
        ready: concurrent.futures.Future[int] = concurrent.futures.Future()
        self._thread = threading.Thread(
            target=self._run, args=(host, port, ready), name="stac-asset-origin", daemon=True
        )
        self._thread.start()
        return ready.result()

    def close(self) -> None:
        """Abort all connections, and wait until the thread ends."""
        if self._thread is None:
            return
        if (loop := self._loop) is not None:
            with contextlib.suppress(RuntimeError):  # The loop was closed in the meantime.
                loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def settle(self) -> None:
        """Wait until the thread has logged all bytes sent so far.

        A client can receive the last byte shortly before the thread counts it.
        """
        loop = self._loop
        if loop is None or threading.current_thread() is self._thread:
            return
        turns = _turns()
        try:
            logged = asyncio.run_coroutine_threadsafe(turns, loop)
        except RuntimeError:  # The loop was closed in the meantime.
            turns.close()
            return
        with contextlib.suppress(TimeoutError, concurrent.futures.CancelledError):
            logged.result(timeout=10)

    def _run(self, host: str, port: int, ready: concurrent.futures.Future[int]) -> None:
        try:
            # `Server` counts bytes by the write buffers of this loop's transports.
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
            await _turns()  # Connections that were just accepted still need to be registered.
            await site.stop()
            await server.abort()
        finally:
            self._loop = None
            await runner.cleanup()


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
