"""The answer to a request, computed by pure functions from the request, the file and the faults."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

from multidict import CIMultiDict

from stac_asset.testing.faults import (
    Changed,
    Chunked,
    Delay,
    Fault,
    Gzip,
    IgnoreRange,
    LoginPage,
    NoHead,
    NoValidator,
    Redirect,
    Reset,
    Slow,
    Stall,
    Status,
    Truncate,
    WrongLength,
    WrongRange,
    WrongType,
)
from stac_asset.testing.resources import Resource

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_LOGIN = b"""<!DOCTYPE html>
<html><head><title>Log in</title></head>
<body><form action="/login" method="post"><input name="user"><button>Log in</button></form></body>
</html>
"""
_Pairs: TypeAlias = Iterable[tuple[str, str]]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Answer:
    """A description of a complete response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    """All headers except `Content-Length`, `Transfer-Encoding`, `Connection`, `Date`, `Server`."""
    source: Resource
    """The file that contains the body."""
    start: int
    """Position in `source` of the first byte to send."""
    send: int
    """Number of body bytes to send."""
    length: int | None
    """The `Content-Length`. If None, the header is not sent."""
    ending: Literal["keep", "close", "reset"] = "keep"
    """The state of the connection after the last byte."""
    silent: bool = False
    """Whether the connection is reset before the response."""
    delay: float = 0.0
    """Seconds to wait before the response."""
    pauses: tuple[tuple[int, float], ...] = ()
    """Pauses in order: the number of body bytes to send before a pause, and its seconds."""
    rate: float | None = None
    """Maximum bytes per second, if limited."""


@dataclass(frozen=True, slots=True)
class _Draft:
    status: int
    headers: CIMultiDict[str]
    source: Resource
    start: int = 0
    stop: int = 0


def answer(
    method: str,
    path: str,
    resource: Resource | None,
    headers: Mapping[str, str],
    faults: Sequence[Fault] = (),
) -> Answer:
    """Return the answer to a request.

    Args:
        method: The HTTP method.
        path: The decoded path.
        resource: The file at the path, or None if there is no file.
        headers: The request headers, with lower-case names.
        faults: The faults. Of two faults of the same kind, the later takes effect.

    Returns:
        The answer.
    """
    draft = _replacement(method, path, faults) or _file(method, path, resource, headers, faults)
    return _transfer(method, draft, faults)


def refusal(method: str, path: str, status: int) -> Answer:
    """Return the answer to a request that does not have a required header value.

    Args:
        method: The HTTP method.
        path: The decoded path.
        status: The HTTP status of the answer.
    """
    challenge = [("WWW-Authenticate", 'Bearer realm="origin"')] if status == 401 else []
    return _transfer(method, _text(path, status, b"refused\n", challenge), ())


def parse_range(value: str, size: int) -> range | None:
    """Return the bytes that a `Range` header requests.

    Args:
        value: The header.
        size: The size of the file in bytes.

    Returns:
        The range, limited to the file. The range is empty if the file has no such bytes (416). None
        if the origin does not support the header, for example several ranges, and ignores it.
    """
    found = _RANGE.fullmatch(value.strip())
    if found is None or found[0].strip() == "bytes=-":
        return None
    first, last = found[1], found[2]
    if not first:
        return range(max(size - int(last), 0), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size) if last else size)


def _find(faults: Sequence[Fault], kind: type[_T]) -> _T | None:
    return next((fault for fault in reversed(faults) if isinstance(fault, kind)), None)


def _text(path: str, status: int, body: bytes, headers: _Pairs = ()) -> _Draft:
    described = CIMultiDict(headers)
    if body:
        described.setdefault("Content-Type", "text/plain; charset=utf-8")
    return _Draft(status, described, Resource.given(path, body), 0, len(body))


def _replacement(method: str, path: str, faults: Sequence[Fault]) -> _Draft | None:
    """Return the answer of a fault that replaces the file, if there is such a fault."""
    if (status := _find(faults, Status)) is not None:
        later = [] if status.retry_after is None else [("Retry-After", str(status.retry_after))]
        return _text(path, status.status, status.body, [*status.pairs, *later])
    if (redirect := _find(faults, Redirect)) is not None:
        return _text(path, redirect.status, b"", [("Location", redirect.location)])
    if method == "HEAD" and (refused := _find(faults, NoHead)) is not None:
        return _text(path, refused.status, b"", [("Allow", "GET")] if refused.status == 405 else [])
    if _find(faults, LoginPage) is not None:
        return _text(path, 200, _LOGIN, [("Content-Type", "text/html; charset=utf-8")])
    return None


def _file(
    method: str,
    path: str,
    resource: Resource | None,
    headers: Mapping[str, str],
    faults: Sequence[Fault],
) -> _Draft:
    """Return the answer with the file, after evaluation of conditions and ranges."""
    if method not in ("GET", "HEAD"):
        return _text(path, 405, b"", [("Allow", "GET, HEAD")])
    if resource is None:
        return _text(path, 404, b"not found\n")
    etag, modified, size = resource.etag, resource.last_modified, resource.size
    known = _find(faults, NoValidator) is None
    described = CIMultiDict({"Content-Type": resource.content_type})
    if known:
        described.update({"ETag": etag, "Last-Modified": modified})
    if not _holds(headers.get("if-match"), etag, known):
        return _Draft(412, CIMultiDict(), resource)
    if "if-none-match" in headers and _holds(headers["if-none-match"], etag, known):
        return _Draft(304, described, resource)
    if (packed := _find(faults, Gzip)) and (packed.force or _accepts_gzip(headers)):
        smaller = Resource.given(path, gzip.compress(resource.read(), compresslevel=1, mtime=0))
        described.update({"Content-Encoding": "gzip", "Vary": "Accept-Encoding"})
        if known:
            described["ETag"] = smaller.etag
        return _Draft(200, described, smaller, 0, smaller.size)
    if _find(faults, IgnoreRange) is not None:
        return _Draft(200, described, resource, 0, size)
    described["Accept-Ranges"] = "bytes"
    current = known and headers.get("if-range") in (etag, modified)
    if method == "HEAD" or not ("if-range" not in headers or current):
        return _Draft(200, described, resource, 0, size)
    wanted = parse_range(headers.get("range", ""), size)
    if wanted is None:
        return _Draft(200, described, resource, 0, size)
    if not wanted:
        return _Draft(416, CIMultiDict({"Content-Range": f"bytes */{size}"}), resource)
    start, stop = wanted.start, wanted.stop
    if (wrong := _find(faults, WrongRange)) is not None:
        start = min(max(start + wrong.shift, 0), stop - 1)
    described["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return _Draft(206, described, resource, start, stop)


def _holds(condition: str | None, etag: str, known: bool) -> bool:
    if condition is None or condition.strip() == "*":
        return True
    return known and etag in (tag.strip() for tag in condition.split(","))


def _accepts_gzip(headers: Mapping[str, str]) -> bool:
    weights = {}
    for coding in headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = coding.partition(";")
        weights[name.strip()] = weight.strip()
    given = weights.get("gzip", weights.get("*"))
    return given is not None and re.fullmatch(r"q=0(\.0*)?", given) is None


def _transfer(method: str, draft: _Draft, faults: Sequence[Fault]) -> Answer:
    """Return the complete answer: the bytes to send, the pace, and the end of the connection."""
    if (wrong_type := _find(faults, WrongType)) is not None:
        draft.headers["Content-Type"] = wrong_type.content_type
    length = draft.stop - draft.start
    send = length if method != "HEAD" else 0
    declared: int | None = length
    ending: Literal["keep", "close", "reset"] = "keep"
    if draft.status in (204, 304):
        declared, send = None, 0
    elif _find(faults, Chunked) is not None:
        declared = None
    elif (wrong := _find(faults, WrongLength)) is not None:
        declared = max(length + wrong.delta, 0)
        send = min(send, declared)
        ending = "close" if declared > length else "keep"
    if (truncate := _find(faults, Truncate)) is not None:
        send, ending = min(send, truncate.after), "close"
    reset = _find(faults, Reset)
    if reset is not None and (truncate is None or reset.after < truncate.after):
        send, ending = min(send, max(reset.after, 0)), "reset"
    stalls = [fault for fault in faults if isinstance(fault, Stall) and fault.after <= send]
    slow, delay = _find(faults, Slow), _find(faults, Delay)
    return Answer(
        status=draft.status,
        headers=tuple(draft.headers.items()),
        source=draft.source,
        start=draft.start,
        send=send,
        length=declared,
        ending=ending,
        silent=reset is not None and reset.after < 0,
        delay=delay.seconds if delay is not None else 0.0,
        pauses=tuple(sorted((stall.after, stall.seconds) for stall in stalls)),
        rate=slow.bytes_per_second if slow is not None else None,
    )


def changes(faults: Sequence[Fault]) -> bool:
    """Return whether the faults change the file before the answer."""
    return _find(faults, Changed) is not None
