"""The request log of an origin."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True, slots=True)
class Received:
    """A request, with the status and the number of body bytes of the response."""

    method: str
    """The HTTP method."""
    path: str
    """The decoded path, without the query."""
    query: str
    """The query as sent, without the question mark."""
    headers: Mapping[str, str]
    """The request headers, with lower-case names, including credentials."""
    status: int
    """The status of the response, or 0 while no response was sent."""
    body_sent: int
    """Number of body bytes passed to the socket so far.

    Over TLS, this is the number of bytes passed to the encryption: up to about 100 KB more.
    """
    range: str | None
    """The request's `Range` header."""
    peer: str
    """Address and port of the client, the same for all requests of a connection."""

    def to_line(self) -> str:
        """Return the request as a line of NDJSON, without the line break."""
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str | bytes) -> Received:
        """Return the request of a line that `to_line` wrote.

        Args:
            line: The line.
        """
        values: dict[str, Any] = json.loads(line)
        return cls(**values)


@dataclass(slots=True, eq=False)
class Ongoing:
    """A request with a response in progress. Only the thread of the origin changes requests."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    peer: str
    status: int = 0
    body_sent: int = 0

    def received(self) -> Received:
        """Return a snapshot of the request."""
        return Received(
            method=self.method,
            path=self.path,
            query=self.query,
            headers=dict(self.headers),
            status=self.status,
            body_sent=self.body_sent,
            range=self.headers.get("range"),
            peer=self.peer,
        )


@dataclass(slots=True)
class RequestLog:
    """The requests in order of arrival, and the number of requests in flight. Thread safe."""

    on_finished: Callable[[Received], None] | None = None
    in_flight: int = 0
    in_flight_max: int = 0
    _requests: list[Ongoing] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, request: Ongoing) -> None:
        """Record a request before the response starts."""
        with self._lock:
            self._requests.append(request)
            self.in_flight += 1
            self.in_flight_max = max(self.in_flight_max, self.in_flight)

    def finish(self, request: Ongoing) -> None:
        """Record the end of a response, whether complete or not."""
        with self._lock:
            self.in_flight -= 1
        if self.on_finished is not None:
            self.on_finished(request.received())

    def requests(self) -> list[Received]:
        """Return the requests since the last `forget`, including those in progress."""
        with self._lock:
            return [request.received() for request in self._requests]

    def forget(self) -> None:
        """Clear the log, and reset `in_flight_max` to the current number in flight."""
        with self._lock:
            self._requests.clear()
            self.in_flight_max = self.in_flight


def select(requests: list[Received], method: str, pattern: str | None) -> list[Received]:
    """Return the requests of a method, and of a path if given.

    Args:
        requests: The requests to select from.
        method: The HTTP method.
        pattern: A path or pattern. Default: all paths.
    """
    return [
        request
        for request in requests
        if request.method == method and (pattern is None or matches(request.path, pattern))
    ]


def matches(path: str, pattern: str) -> bool:
    """Return whether a path matches a pattern.

    Args:
        path: The decoded path.
        pattern: A path, or a pattern with wildcards (`/a/*`). `*` also matches slashes.
    """
    pattern = rooted(pattern)
    return path == pattern or fnmatchcase(path, pattern)


def rooted(pattern: str) -> str:
    """Add a missing leading slash to a path or pattern. Patterns such as `*.tif` stay."""
    return pattern if pattern.startswith(("/", "*")) else f"/{pattern}"
