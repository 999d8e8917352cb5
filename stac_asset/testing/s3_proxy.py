"""A proxy in front of an S3 service that injects faults. The counterpart of `Origin` for stores.

    with S3Proxy(endpoint) as proxy:
        proxy.fault("UploadPart", SLOW_DOWN, times=2)
        proxy.fault("CompleteMultipartUpload", Lost())
        upload(proxy.url)
        assert len(proxy.received("UploadPart")) == 5

The proxy keeps the header `Host`, so the service can verify signatures. It reads a body as a whole
before it forwards it.
"""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Self, TypeAlias
from urllib.parse import parse_qs, unquote

import aiohttp
from aiohttp import web
from yarl import URL

from stac_asset.testing.faults import Delay, Reset, Status
from stac_asset.testing.hosting import ServerThread
from stac_asset.testing.serving import AbortableServer, Handler, reset

_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "expect"}
)
"""Headers that the proxy sets itself."""

_CONDITIONS = frozenset({"if-match", "if-none-match"})


def error_body(code: str) -> bytes:
    """Return the body of an error response of S3.

    Args:
        code: The error code, such as `SlowDown`.
    """
    return f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode()


@dataclass(frozen=True, slots=True)
class Lost:
    """Carry the request out, and lose the response."""

    status: int | None = 500
    """The status of the answer. With None, the connection is reset."""


S3Fault: TypeAlias = Status | Reset | Delay | Lost
"""The faults that `S3Proxy.fault` accepts. `Reset` always comes before any work is done."""

SLOW_DOWN = Status(503, body=error_body("SlowDown"))
"""The answer of a service that limits the rate of requests."""


@dataclass(frozen=True, slots=True)
class S3Request:
    """A request that the proxy received."""

    operation: str
    """The operation, such as `UploadPart`."""

    key: str
    """The key of the object; empty for requests to a bucket."""

    part: int | None
    """The number of the part, if any."""

    size: int
    """Size of the body in bytes."""

    status: int | None
    """The status that the client received, or None for a reset."""

    headers: dict[str, str] = field(repr=False)
    """The headers, with lower-case names."""

    began: float = 0.0
    """Time of the arrival in seconds, by a clock that starts at any time."""

    ended: float = 0.0
    """Time just before the response, by the same clock."""


@dataclass(slots=True)
class _ProxyRule:
    operation: str
    key: str
    fault: S3Fault
    left: int | None


class _ProxyServer(AbortableServer):
    """A server that also closes the connections to the service at the end."""

    def __init__(self, handler: Handler, disconnect: Callable[[], Awaitable[None]]) -> None:
        super().__init__(handler)
        self._disconnect = disconnect

    async def abort(self) -> None:
        await super().abort()
        await self._disconnect()


class S3Proxy:
    """A proxy in front of an S3 service with path-style addresses, used as a context manager.

    All methods can be called from any thread.

    Args:
        endpoint: The URL of the service.
        host: The address to listen on.
        conditional: Whether the service sees the conditions `If-Match` and `If-None-Match`. Some
            services ignore them.
        on_request: Called with each request, on the proxy's thread.
    """

    def __init__(
        self,
        endpoint: str,
        host: str = "127.0.0.1",
        conditional: bool = True,
        on_request: Callable[[S3Request], None] | None = None,
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._host, self._port = host, 0
        self._hidden = _HOP_BY_HOP if conditional else _HOP_BY_HOP | _CONDITIONS
        self._on_request = on_request
        self._rules: list[_ProxyRule] = []
        self._requests: list[S3Request] = []
        self._lock = threading.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._thread = ServerThread(lambda: _ProxyServer(self._handle, self._disconnect), None)

    def __enter__(self) -> Self:
        """Start the proxy."""
        self._port = self._thread.start(self._host, 0)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the proxy, and abort all connections."""
        self._thread.close()

    @property
    def url(self) -> str:
        """The endpoint URL of the proxy."""
        return f"http://{self._host}:{self._port}"

    def fault(self, operation: str, fault: S3Fault, key: str = "*", times: int = 1) -> None:
        """Inject a fault into requests.

        Args:
            operation: The operation, such as `UploadPart`; `*` means all.
            fault: The fault.
            key: A pattern of keys with the wildcards `*`, `?` and `[…]`.
            times: Number of requests that get the fault. 0 means all requests.
        """
        with self._lock:
            self._rules.append(_ProxyRule(operation, key, fault, times or None))

    def received(self, operation: str = "*", key: str = "*") -> list[S3Request]:
        """Return the requests so far.

        Args:
            operation: The operation; `*` means all.
            key: A pattern of keys.
        """
        with self._lock:
            return [
                one
                for one in self._requests
                if operation in ("*", one.operation) and fnmatchcase(one.key, key)
            ]

    def clear(self) -> None:
        """Forget all requests and faults."""
        with self._lock:
            self._requests.clear()
            self._rules.clear()

    def _take(self, operation: str, key: str) -> list[S3Fault]:
        taken: list[S3Fault] = []
        with self._lock:
            for rule in list(self._rules):
                if rule.operation not in ("*", operation) or not fnmatchcase(key, rule.key):
                    continue
                taken.append(rule.fault)
                if rule.left is None:
                    continue
                rule.left -= 1
                if not rule.left:
                    self._rules.remove(rule)
                break
        return taken

    async def _disconnect(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        key = unquote(path).lstrip("/").partition("/")[2]
        fields = parse_qs(query, keep_blank_values=True)
        headers = {name.lower(): value for name, value in request.headers.items()}
        operation = operation_of(request.method, key, fields, headers)
        return await self._answer(request, operation, key, fields, headers)

    async def _answer(
        self,
        request: web.BaseRequest,
        operation: str,
        key: str,
        fields: dict[str, list[str]],
        headers: dict[str, str],
    ) -> web.StreamResponse:
        began = time.monotonic()
        if "expect" in headers and request.transport is not None:
            # aiohttp answers this header in applications only. botocore waits for the answer.
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await request.content.read()
        response: web.StreamResponse | None = None
        forwarded = False
        for fault in self._take(operation, key):
            match fault:
                case Delay():
                    await asyncio.sleep(fault.seconds)
                case Lost():
                    await self._forward(request, body)
                    forwarded = True
                    if fault.status is not None:
                        response = web.Response(
                            status=fault.status, body=error_body("InternalError")
                        )
                case Reset():
                    forwarded = True
                case Status():
                    response = web.Response(
                        status=fault.status, body=fault.body, headers=dict(fault.pairs)
                    )
        if response is None and not forwarded:
            response = await self._forward(request, body)
        part = int(fields["partNumber"][0]) if "partNumber" in fields else None
        status = response.status if response is not None else None
        received = S3Request(
            operation, key, part, len(body), status, headers, began, time.monotonic()
        )
        with self._lock:
            self._requests.append(received)
        if self._on_request is not None:
            self._on_request(received)
        if response is None:
            if request.transport is not None:
                reset(request.transport)
            return web.Response()
        return response

    async def _forward(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, force_close=True)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in self._hidden or name.lower() == "date"
        }
        url = URL(f"{self._endpoint}{request.raw_path}", encoded=True)
        async with self._session.request(
            request.method,
            url,
            headers=headers,
            data=io.BytesIO(body) if body else None,
            allow_redirects=False,
        ) as answer:
            answered = {
                name: value
                for name, value in answer.headers.items()
                if name.lower() not in _HOP_BY_HOP
            }
            if request.method == "HEAD":
                answered["Content-Length"] = answer.headers.get("Content-Length", "0")
                return web.Response(status=answer.status, headers=answered)
            return web.Response(status=answer.status, headers=answered, body=await answer.read())


def operation_of(
    method: str, key: str, fields: dict[str, list[str]], headers: dict[str, str]
) -> str:
    """Return the name of the operation of a request.

    Args:
        method: The HTTP method.
        key: The key of the object; empty for requests to a bucket.
        fields: The fields of the query.
        headers: The headers, with lower-case names.
    """
    upload = "uploadId" in fields
    match method:
        case "PUT":
            copies = "Copy" if "x-amz-copy-source" in headers else ""
            if upload:
                return f"UploadPart{copies}"
            if not key:
                return "CreateBucket"
            return "CopyObject" if copies else "PutObject"
        case "POST":
            return "CompleteMultipartUpload" if upload else "CreateMultipartUpload"
        case "DELETE":
            return "AbortMultipartUpload" if upload else "DeleteObject"
        case "HEAD":
            return "HeadObject" if key else "HeadBucket"
    if upload:
        return "ListParts"
    if "uploads" in fields:
        return "ListMultipartUploads"
    return "GetObject" if key else "ListObjectsV2"
