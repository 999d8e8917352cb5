"""An HTTP server for tests, on a real socket in a separate thread, that injects faults."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import quote

from yarl import URL

from stac_asset.testing.answers import Answer, answer, changes, parse_range, refusal
from stac_asset.testing.content import absolute
from stac_asset.testing.faults import TRANSIENT, Fault
from stac_asset.testing.hosting import ServerThread
from stac_asset.testing.received import Received, RequestLog, select
from stac_asset.testing.resources import Resources
from stac_asset.testing.rules import Rules
from stac_asset.testing.serving import Server


class Origin:
    """An HTTP server for tests, used as a context manager.

    Every path has content that is derived from the path, so tests register only files with other
    content. All methods can be called from any thread while the origin serves. Paths are not
    percent-encoded. In patterns, `*`, `?` and `[…]` are wildcards, and `*` also matches slashes.

    Args:
        host: The address to listen on.
        port: The port to listen on. 0 chooses a free port.
        ssl_context: TLS context for https. Default: http.
        bytes_per_second: Maximum rate of each connection. Default: no limit.
        latency: Seconds of delay before every response.
        fault_rate: Share of GET requests, 0 to 1, that get a random fault if no counted fault
            applies. The choice depends on the seed, the path and the number of GET requests to the
            path, but not on the order of requests to different paths.
        fault_kinds: The random faults to choose from. If a fault ends or pauses a body, its
            position is random too, within the requested bytes.
        seed: Seed of the random faults.
        strict: Answer 404 for paths that `put` has not registered. Otherwise, such paths have a
            size derived from the path, or given by the query (`?size=1000`).
        on_finished: Called with each request after the end of the response, on the origin's thread.

    Raises:
        ValueError: `fault_rate` is not 0 to 1, or `bytes_per_second` is not positive.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
        bytes_per_second: float | None = None,
        latency: float = 0.0,
        fault_rate: float = 0.0,
        fault_kinds: Sequence[Fault] = TRANSIENT,
        seed: int = 0,
        *,
        strict: bool = False,
        on_finished: Callable[[Received], None] | None = None,
    ) -> None:
        if bytes_per_second is not None and bytes_per_second <= 0:
            raise ValueError(f"`bytes_per_second` must be positive: {bytes_per_second}")
        self._host, self._port, self._ssl = host, port, ssl_context
        self._rate, self._latency = bytes_per_second, latency
        self._resources = Resources(strict)
        self._rules = Rules(fault_rate, fault_kinds, seed)
        self._log = RequestLog(on_finished)
        self._lock = threading.Lock()
        self._thread = ServerThread(self._serve, ssl_context)
        self._serving = False

    def __enter__(self) -> Self:
        """Start serving.

        Raises:
            OSError: The origin cannot listen on this address and port.
            RuntimeError: The context was entered before.
        """
        self._port = self._thread.start(self._host, self._port)
        self._serving = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop serving."""
        self.close()

    def close(self) -> None:
        """Stop serving, and abort all connections. A second call has no effect.

        The log of requests stays available.
        """
        self._thread.close()

    @property
    def host(self) -> str:
        """The address of the server."""
        return self._host

    @property
    def port(self) -> int:
        """The port of the server."""
        if not self._serving:
            raise RuntimeError("the origin is not serving. Use the origin in a `with` statement.")
        return self._port

    @property
    def url(self) -> str:
        """The root URL, without a trailing slash: `http://127.0.0.1:1234`."""
        scheme = "https" if self._ssl is not None else "http"
        return str(URL.build(scheme=scheme, host=self.host, port=self.port).origin())

    def href(self, path: str) -> str:
        """Return the percent-encoded href of a path.

        Args:
            path: The decoded path. A query (`?size=10`) may follow.
        """
        path, query = self._split(path)
        return self.url + quote(path) + (f"?{query}" if query else "")

    def put(
        self,
        path: str,
        data: bytes | None = None,
        *,
        size: int | None = None,
        content_type: str | None = None,
    ) -> str:
        """Register the file of a path.

        Args:
            path: The decoded path.
            data: The content. Default: content derived from the path.
            size: Size in bytes of derived content. Default: derived from the path.
            content_type: The `Content-Type`. Default: derived from the suffix.

        Returns:
            The href.

        Raises:
            ValueError: Both `data` and `size` are given, or the size is negative.
        """
        path = absolute(path)
        with self._lock:
            self._resources.put(path, data, size, content_type)
        return self.href(path)

    def content(self, path: str) -> bytes:
        """Return the content that a GET request receives now, without faults.

        Args:
            path: The decoded path. A query (`?size=10`) may follow.

        Raises:
            FileNotFoundError: The path has no file, and GET requests receive 404.
        """
        path, query = self._split(path)
        with self._lock:
            resource = self._resources.find(path, query)
        if resource is None:
            raise FileNotFoundError(path)
        return resource.read()

    def remove(self, path: str) -> None:
        """Remove the file of a path. Requests get 404 until the next `put`.

        Args:
            path: The decoded path.
        """
        with self._lock:
            self._resources.remove(absolute(path))

    def fault(self, path: str, *faults: Fault, times: int = 1, method: str | None = None) -> None:
        """Inject a combination of faults into the next requests to a path.

        Calls queue up. A request gets the faults of the first counted call that applies to the
        request. In addition, the request gets the faults of all calls with `times=0`. The faults
        apply to these methods:

        - Truncate, Reset, Stall, Slow, WrongLength, WrongRange and Changed, and faults in the same
          combination, apply to GET requests.
        - NoHead applies to HEAD requests.
        - All other faults apply to every request.

        Args:
            path: The decoded path, or a pattern. Requests to all paths of a pattern are counted
                together.
            faults: The faults.
            times: Number of requests that get the faults. 0 means all requests.
            method: The only method that gets the faults. Default: depends on the faults, as above.

        Raises:
            ValueError: `faults` is empty, or `times` is negative.
        """
        with self._lock:
            self._rules.add(path, faults, times, method)

    def heal(self, path: str | None = None) -> None:
        """Remove faults.

        Args:
            path: The path or pattern exactly as given to `fault`. Default: all faults.
        """
        with self._lock:
            self._rules.drop(path)

    def require(self, header: str, value: str, path: str = "*", status: int = 401) -> None:
        """Refuse requests without a header of this value. Refused requests do not get faults.

        Args:
            header: The name of the header.
            value: The required value.
            path: A path or pattern. Default: all paths.
            status: The HTTP status of the refusal.
        """
        with self._lock:
            self._rules.require(header, value, path, status)

    @property
    def requests(self) -> list[Received]:
        """The requests in order of arrival, including those in progress."""
        self._thread.settle()
        return self._log.requests()

    def gets(self, path: str | None = None) -> list[Received]:
        """Return the GET requests.

        Args:
            path: A path or pattern. Default: all paths.
        """
        return select(self.requests, "GET", path)

    def heads(self, path: str | None = None) -> list[Received]:
        """Return the HEAD requests.

        Args:
            path: A path or pattern. Default: all paths.
        """
        return select(self.requests, "HEAD", path)

    @property
    def bytes_sent(self) -> int:
        """Number of body bytes sent in answers to GET requests."""
        return sum(request.body_sent for request in self.gets())

    @property
    def connections(self) -> int:
        """Number of accepted connections."""
        self._thread.settle()
        return self._thread.accepted

    @property
    def in_flight(self) -> int:
        """Number of requests in progress."""
        self._thread.settle()
        return self._log.in_flight

    @property
    def in_flight_max(self) -> int:
        """Maximum number of requests in progress at the same time."""
        return self._log.in_flight_max

    def forget(self) -> None:
        """Clear the log of requests, and reset `in_flight_max` to the requests in progress."""
        self._log.forget()

    def _split(self, path: str) -> tuple[str, str]:
        path = absolute(path)
        with self._lock:
            if path in self._resources:
                return path, ""
        path, _, query = path.partition("?")
        return path, query

    def _decide(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> Answer:
        with self._lock:
            refused = self._rules.refused(path, headers)
            if refused is not None:
                return refusal(method, path, refused)
            resource = self._resources.find(path, query)
            size = resource.size if resource is not None else 0
            wanted = parse_range(headers.get("range", ""), size)
            faults = self._rules.take(method, path, len(wanted) if wanted else size)
            if changes(faults):
                self._resources.change(path)
                resource = self._resources.find(path, query)
        return answer(method, path, resource, headers, faults)

    def _serve(self) -> Server:
        return Server(self._decide, self._log, self._rate, self._latency)
