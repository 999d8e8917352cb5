"""A HTTP origin on a real socket, in a thread of its own, that misbehaves on request."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import quote

from yarl import URL

from stac_asset.testing.answers import Answer, answer, changes, parse_range, refusal
from stac_asset.testing.faults import TRANSIENT, Fault
from stac_asset.testing.hosting import ServerThread
from stac_asset.testing.received import Received, RequestLog, select
from stac_asset.testing.resources import Resources
from stac_asset.testing.rules import Rules
from stac_asset.testing.serving import Server


class Origin:
    """A HTTP server for tests: a context manager that serves while it is entered.

    Every path has bytes that come from the path itself, so a test says only what matters to it. Its
    methods may be called from any thread, also while it serves. They take paths without
    percent-encoding; where a path is a pattern, `*`, `?` and `[…]` are wildcards, and a star stands
    for slashes too.

    Args:
        host: The address to listen on.
        port: The port to listen on; 0 chooses a free one.
        ssl_context: Makes it serve https.
        bytes_per_second: The rate of each connection; None is as fast as it goes.
        latency: Seconds before every response.
        fault_rate: The share of GET requests, 0 to 1, that meet a random fault where no other was
            asked for. The seed, the path and how many GETs the path has had decide, not the order
            between paths.
        fault_kinds: What the random faults are drawn from. Where one of them ends or stops a body,
            the place is drawn too, inside what the request asks for.
        seed: Another seed draws other faults.
        strict: Answers 404 for paths that were not put. Otherwise they have a size that comes from
            the path, or that the query says (`?size=1000`).
        on_finished: Is called with every request whose response has ended, on the origin's thread.

    Raises:
        ValueError: If `fault_rate` is not 0 to 1, or `bytes_per_second` is not positive.
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
            raise ValueError(f"bytes_per_second must be positive: {bytes_per_second}")
        self._host, self._port, self._ssl = host, port, ssl_context
        self._rate, self._latency = bytes_per_second, latency
        self._resources = Resources(strict)
        self._rules = Rules(fault_rate, fault_kinds, seed)
        self._log = RequestLog(on_finished)
        self._lock = threading.Lock()
        self._thread = ServerThread(self._serve, ssl_context)
        self._serving = False

    def __enter__(self) -> Self:
        """Starts serving.

        Raises:
            OSError: If it can't listen there.
            RuntimeError: If it was entered before.
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
        """Stops serving."""
        self.close()

    def close(self) -> None:
        """Stops serving and breaks off what is going on; does nothing the second time.

        What was received can still be asked for.
        """
        self._thread.close()

    @property
    def host(self) -> str:
        """The address that it listens on."""
        return self._host

    @property
    def port(self) -> int:
        """The port that it listens on."""
        if not self._serving:
            raise RuntimeError("the origin is not serving: use it in a with statement")
        return self._port

    @property
    def url(self) -> str:
        """Its root, without a slash at the end: `http://127.0.0.1:1234`."""
        scheme = "https" if self._ssl is not None else "http"
        return str(URL.build(scheme=scheme, host=self.host, port=self.port).origin())

    def href(self, path: str) -> str:
        """Returns the href of a path, percent-encoded; a query (`?size=10`) may follow the path."""
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
        """Registers what a path has.

        Args:
            path: The decoded path.
            data: The bytes; None takes those that come from the path.
            size: Their number, if there are no `data`; None takes the one that comes from the path.
            content_type: The `Content-Type`; None guesses it from the suffix.

        Returns:
            The href.

        Raises:
            ValueError: If both data and a size are given, or the size is negative.
        """
        path = _absolute(path)
        with self._lock:
            self._resources.put(path, data, size, content_type)
        return self.href(path)

    def content(self, path: str) -> bytes:
        """Returns what a GET of the path answers now, if no fault is in its way.

        Raises:
            FileNotFoundError: If it would be 404.
        """
        path, query = self._split(path)
        with self._lock:
            resource = self._resources.find(path, query)
        if resource is None:
            raise FileNotFoundError(path)
        return resource.read()

    def remove(self, path: str) -> None:
        """Makes the path answer 404 from now on, until it is put."""
        with self._lock:
            self._resources.remove(_absolute(path))

    def fault(self, path: str, *faults: Fault, times: int = 1, method: str | None = None) -> None:
        """Makes the next requests to a path meet a combination of faults.

        Calls queue up: a request uses up one of the first that is meant for it, and meets in
        addition all that hold always. Truncate, Reset, Stall, Slow, WrongLength, WrongRange and
        Changed, and what is combined with them, meet GET; NoHead meets HEAD; the others meet
        whatever comes.

        Args:
            path: The decoded path, or a pattern; the requests to all paths of a pattern are counted
                together.
            faults: What goes wrong.
            times: For how many requests; 0 is always.
            method: The only method that they meet, whatever the kinds of faults.

        Raises:
            ValueError: If there is no fault, or `times` is negative.
        """
        with self._lock:
            self._rules.add(path, faults, times, method)

    def heal(self, path: str | None = None) -> None:
        """Drops the faults that were given for this very path or pattern; None drops all."""
        with self._lock:
            self._rules.drop(path)

    def require(self, header: str, value: str, path: str = "*", status: int = 401) -> None:
        """Refuses requests to a path or pattern that don't have this header with this value.

        A request that is refused uses up no fault.
        """
        with self._lock:
            self._rules.require(header, value, path, status)

    @property
    def requests(self) -> list[Received]:
        """The requests in the order in which they came, those that are still answered included."""
        self._thread.settle()
        return self._log.requests()

    def gets(self, path: str | None = None) -> list[Received]:
        """Returns the GET requests, of a path or pattern if one is given."""
        return select(self.requests, "GET", path)

    def heads(self, path: str | None = None) -> list[Received]:
        """Returns the HEAD requests, of a path or pattern if one is given."""
        return select(self.requests, "HEAD", path)

    @property
    def bytes_sent(self) -> int:
        """Body bytes that GET requests were sent."""
        return sum(request.body_sent for request in self.gets())

    @property
    def connections(self) -> int:
        """Connections that were accepted so far."""
        self._thread.settle()
        return self._thread.accepted

    @property
    def in_flight(self) -> int:
        """Requests that are being answered now."""
        self._thread.settle()
        return self._log.in_flight

    @property
    def in_flight_max(self) -> int:
        """The highest number of requests that were being answered at the same time."""
        return self._log.in_flight_max

    def forget(self) -> None:
        """Empties the log of requests; `in_flight_max` starts again from those in flight."""
        self._log.forget()

    def _split(self, path: str) -> tuple[str, str]:
        path = _absolute(path)
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


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"
