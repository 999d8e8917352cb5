"""The ways in which an origin misbehaves: frozen values, and their union `Fault`.

`after` counts the body bytes of one response, whatever range of the file it holds. Which requests a
fault meets is said where it is given, in `Origin.fault`; faults of different kinds combine in one
response.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


def _at_least(least: float, **values: float) -> None:
    for name, value in values.items():
        if value < least:
            raise ValueError(f"{name} must be at least {least}: {value}")


@dataclass(frozen=True, slots=True)
class Truncate:
    """Declares the whole length, sends a part of the body and closes the connection cleanly."""

    after: int
    """Body bytes that are sent."""

    def __post_init__(self) -> None:
        """Checks the values."""
        _at_least(0, after=self.after)


@dataclass(frozen=True, slots=True)
class Reset:
    """Sends a part of the body, then resets the connection (RST)."""

    after: int = 0
    """Body bytes that are sent before; -1 resets before any response header."""

    def __post_init__(self) -> None:
        """Checks the values."""
        _at_least(-1, after=self.after)


@dataclass(frozen=True, slots=True)
class Stall:
    """Sends a part of the body, is silent for a while, and then goes on.

    The silence ends early when the client goes or the origin stops.
    """

    after: int = 0
    """Body bytes that are sent before the silence; 0 is right after the response headers."""
    seconds: float = 3600
    """How long it is silent."""

    def __post_init__(self) -> None:
        """Checks the values."""
        _at_least(0, after=self.after, seconds=self.seconds)


@dataclass(frozen=True, slots=True)
class Status:
    """Answers with a status instead of the file."""

    status: int
    """The HTTP status, 200 to 599."""
    retry_after: str | int | None = None
    """The `Retry-After` header: seconds, or an HTTP date; None sends no such header."""
    headers: Mapping[str, str] | tuple[tuple[str, str], ...] = ()
    """More response headers."""
    body: bytes = b""
    """The body; text/plain unless the headers say otherwise."""

    def __post_init__(self) -> None:
        """Checks the values."""
        if not 200 <= self.status <= 599:
            raise ValueError(f"no HTTP status: {self.status}")

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The headers as pairs."""
        headers = self.headers
        return tuple(headers.items() if isinstance(headers, Mapping) else headers)


@dataclass(frozen=True, slots=True)
class Redirect:
    """Answers with a redirect."""

    location: str
    """The `Location` header as it is sent: an href or a path."""
    status: int = 302
    """The HTTP status, 300 to 399."""

    def __post_init__(self) -> None:
        """Checks the values."""
        if not 300 <= self.status <= 399:
            raise ValueError(f"no redirect: {self.status}")


@dataclass(frozen=True, slots=True)
class WrongType:
    """Answers with another `Content-Type` than the file's."""

    content_type: str
    """The header as it is sent."""


@dataclass(frozen=True, slots=True)
class WrongLength:
    """Answers with a `Content-Length` that isn't the body's.

    A header that says too little makes a short response without contradictions. One that says too
    much makes the origin close the connection after the last byte that there is.
    """

    delta: int
    """What is added to the right length, in bytes."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The file changes: from this request on it has other bytes, ETag and Last-Modified."""


@dataclass(frozen=True, slots=True)
class IgnoreRange:
    """Answers a `Range` request with 200 and the whole file, and doesn't offer ranges."""


@dataclass(frozen=True, slots=True)
class NoValidator:
    """Answers without `ETag` and `Last-Modified`; `If-Range` never holds."""


@dataclass(frozen=True, slots=True)
class WrongRange:
    """Answers a `Range` request with 206 and another range: its header, and its bytes."""

    shift: int
    """What is added to the first byte that was asked for; kept inside the file."""


@dataclass(frozen=True, slots=True)
class NoHead:
    """Refuses HEAD, as presigned hrefs do. GET is not affected."""

    status: int = 405
    """The HTTP status of the refusal."""


@dataclass(frozen=True, slots=True)
class Chunked:
    """Answers without `Content-Length`, in chunked transfer encoding."""


@dataclass(frozen=True, slots=True)
class Gzip:
    """Answers with `Content-Encoding: gzip`, whole and without ranges, if the client accepts it."""

    force: bool = False
    """Whether to do so too if the client doesn't accept it."""


@dataclass(frozen=True, slots=True)
class LoginPage:
    """Answers 200 with the HTML of a login page instead of the file."""


@dataclass(frozen=True, slots=True)
class Slow:
    """Sends the body slowly."""

    bytes_per_second: float
    """The rate; a smaller one of the origin stays."""

    def __post_init__(self) -> None:
        """Checks the values."""
        if self.bytes_per_second <= 0:
            raise ValueError(f"bytes_per_second must be positive: {self.bytes_per_second}")


@dataclass(frozen=True, slots=True)
class Delay:
    """Waits before the response begins."""

    seconds: float
    """How long it waits, in addition to the origin's latency."""

    def __post_init__(self) -> None:
        """Checks the values."""
        _at_least(0, seconds=self.seconds)


Fault: TypeAlias = (
    Truncate
    | Reset
    | Stall
    | Status
    | Redirect
    | WrongType
    | WrongLength
    | Changed
    | IgnoreRange
    | NoValidator
    | WrongRange
    | NoHead
    | Chunked
    | Gzip
    | LoginPage
    | Slow
    | Delay
)
"""Everything that `Origin.fault` takes."""

TRANSIENT: tuple[Fault, ...] = (
    Status(503),
    Status(429, retry_after=0),
    Reset(-1),
    Reset(),
    Truncate(0),
)
"""What a client may hope to survive by trying again: the default of `Origin(fault_kinds=…)`."""
