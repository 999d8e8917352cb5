"""What an origin remembers of the requests that it received."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True, slots=True)
class Received:
    """One request, and what was answered to it."""

    method: str
    """The HTTP method."""
    path: str
    """The decoded path, without the query."""
    query: str
    """The query as it was sent, without the question mark."""
    headers: Mapping[str, str]
    """The request headers, with lower-case names; credentials that a client sends among them."""
    status: int
    """The status of the response; 0 where none was sent (yet)."""
    body_sent: int
    """Body bytes that were handed to the socket; so far, if the response is still going on.

    Over TLS this is what was handed to the encryption, up to some 100 KB more.
    """
    range: str | None
    """The request's `Range` header."""
    peer: str
    """The client's address and port: the same for the requests of one connection."""

    def to_line(self) -> str:
        """Returns the request as a line of NDJSON, without the line's end."""
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str | bytes) -> Received:
        """Returns the request that `to_line` wrote."""
        values: dict[str, Any] = json.loads(line)
        return cls(**values)


@dataclass(slots=True, eq=False)
class Ongoing:
    """A request whose response may still be going on; its owner is the origin's thread."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    peer: str
    status: int = 0
    body_sent: int = 0

    def received(self) -> Received:
        """Returns what there is to know at this moment."""
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
    """The requests in the order in which they came, and how many were in flight. Thread safe."""

    on_finished: Callable[[Received], None] | None = None
    in_flight: int = 0
    in_flight_max: int = 0
    _requests: list[Ongoing] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, request: Ongoing) -> None:
        """Notes a request, before anything is answered."""
        with self._lock:
            self._requests.append(request)
            self.in_flight += 1
            self.in_flight_max = max(self.in_flight_max, self.in_flight)

    def finish(self, request: Ongoing) -> None:
        """Notes that a response has ended, one way or another."""
        with self._lock:
            self.in_flight -= 1
        if self.on_finished is not None:
            self.on_finished(request.received())

    def requests(self) -> list[Received]:
        """Returns all that came since `forget`, those that are still going on included."""
        with self._lock:
            return [request.received() for request in self._requests]

    def forget(self) -> None:
        """Empties the log; the highest number in flight starts again from the present one."""
        with self._lock:
            self._requests.clear()
            self.in_flight_max = self.in_flight


def select(requests: list[Received], method: str, pattern: str | None) -> list[Received]:
    """Returns the requests of one method, and of one path or pattern unless that is None."""
    return [
        request
        for request in requests
        if request.method == method and (pattern is None or matches(request.path, pattern))
    ]


def matches(path: str, pattern: str) -> bool:
    """Whether a decoded path is meant by a pattern: the path itself, or wildcards (`/a/*`).

    A star stands for slashes too.
    """
    pattern = rooted(pattern)
    return path == pattern or fnmatchcase(path, pattern)


def rooted(pattern: str) -> str:
    """Returns a path or pattern with the leading slash that it may lack; `*.tif` stays."""
    return pattern if pattern.startswith(("/", "*")) else f"/{pattern}"
