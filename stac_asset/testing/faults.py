"""The faults that an origin can inject: frozen values, and the union type `Fault`.

`after` counts the body bytes of a response, also if the response is only a range of the file.
`Origin.fault` documents which requests get a fault. Faults of different kinds can be combined in
a response.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


def _check_at_least(least: float, **values: float) -> None:
    for name, value in values.items():
        if value < least:
            raise ValueError(f"`{name}` must be at least {least}: {value}")


@dataclass(frozen=True, slots=True)
class Truncate:
    """Declare the full length, send a part of the body, and close the connection cleanly."""

    after: int
    """Number of body bytes to send."""

    def __post_init__(self) -> None:
        """Validate the values."""
        _check_at_least(0, after=self.after)


@dataclass(frozen=True, slots=True)
class Reset:
    """Send a part of the body, then reset the connection (RST)."""

    after: int = 0
    """Number of body bytes to send before the reset. -1 resets before any response header."""

    def __post_init__(self) -> None:
        """Validate the values."""
        _check_at_least(-1, after=self.after)


@dataclass(frozen=True, slots=True)
class Stall:
    """Send a part of the body, pause, and then continue.

    The pause ends early if the client disconnects or the origin stops.
    """

    after: int = 0
    """Number of body bytes to send before the pause. 0 pauses after the response headers."""
    seconds: float = 3600
    """Length of the pause in seconds."""

    def __post_init__(self) -> None:
        """Validate the values."""
        _check_at_least(0, after=self.after, seconds=self.seconds)


@dataclass(frozen=True, slots=True)
class Status:
    """Answer with a status instead of the file."""

    status: int
    """The HTTP status, 200 to 599."""
    retry_after: str | int | None = None
    """The `Retry-After` header: seconds or an HTTP date. By default, the header is not sent."""
    headers: Mapping[str, str] | tuple[tuple[str, str], ...] = ()
    """Additional response headers."""
    body: bytes = b""
    """The response body. The default content type is text/plain."""

    def __post_init__(self) -> None:
        """Validate the values."""
        if not 200 <= self.status <= 599:
            raise ValueError(f"`status` must be an HTTP status from 200 to 599: {self.status}")

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The headers as pairs."""
        headers = self.headers
        return tuple(headers.items() if isinstance(headers, Mapping) else headers)


@dataclass(frozen=True, slots=True)
class Redirect:
    """Answer with a redirect."""

    location: str
    """The `Location` header as sent: an href or a path."""
    status: int = 302
    """The HTTP status, 300 to 399."""

    def __post_init__(self) -> None:
        """Validate the values."""
        if not 300 <= self.status <= 399:
            raise ValueError(f"`status` must be a redirect from 300 to 399: {self.status}")


@dataclass(frozen=True, slots=True)
class WrongType:
    """Answer with a `Content-Type` that differs from the file."""

    content_type: str
    """The header as sent."""


@dataclass(frozen=True, slots=True)
class WrongLength:
    """Answer with a `Content-Length` that differs from the size of the body.

    With a smaller length, the response is short but consistent. With a larger length, the origin
    closes the connection after the last byte of the body.
    """

    delta: int
    """Number of bytes to add to the correct length."""


@dataclass(frozen=True, slots=True)
class Changed:
    """Change the file: from this request on, bytes, `ETag` and `Last-Modified` are different."""


@dataclass(frozen=True, slots=True)
class IgnoreRange:
    """Answer a `Range` request with 200 and the complete file, without `Accept-Ranges`."""


@dataclass(frozen=True, slots=True)
class NoValidator:
    """Answer without `ETag` and `Last-Modified`. `If-Range` never matches."""


@dataclass(frozen=True, slots=True)
class WrongRange:
    """Answer a `Range` request with 206 and another range, in header and body."""

    shift: int
    """Number of bytes to add to the requested start. The result stays inside the file."""


@dataclass(frozen=True, slots=True)
class NoHead:
    """Refuse HEAD requests, as presigned hrefs do. GET requests are not affected."""

    status: int = 405
    """The HTTP status of the refusal."""


@dataclass(frozen=True, slots=True)
class Chunked:
    """Answer without `Content-Length`, in chunked transfer encoding."""


@dataclass(frozen=True, slots=True)
class Gzip:
    """Answer with the complete file in `Content-Encoding: gzip` if the client accepts gzip."""

    force: bool = False
    """Whether to use gzip although the client does not accept gzip."""


@dataclass(frozen=True, slots=True)
class LoginPage:
    """Answer 200 with the HTML of a login page instead of the file."""


@dataclass(frozen=True, slots=True)
class Slow:
    """Send the body slowly."""

    bytes_per_second: float
    """The rate. A smaller rate of the origin takes precedence."""

    def __post_init__(self) -> None:
        """Validate the values."""
        if self.bytes_per_second <= 0:
            raise ValueError(f"`bytes_per_second` must be positive: {self.bytes_per_second}")


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait before the response starts."""

    seconds: float
    """Seconds to wait, in addition to the latency of the origin."""

    def __post_init__(self) -> None:
        """Validate the values."""
        _check_at_least(0, seconds=self.seconds)


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
"""The faults that `Origin.fault` accepts."""

TRANSIENT: tuple[Fault, ...] = (
    Status(503),
    Status(429, retry_after=0),
    Reset(-1),
    Reset(),
    Truncate(0),
)
"""Faults that a retry can overcome. Default of `Origin(fault_kinds=…)`."""
