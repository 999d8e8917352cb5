"""An S3 service that refuses signed requests, and serves public objects to unsigned requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.support.loopback import serve_handler
from tests.support.processes import wait_until
from tests.support.s3_buckets import error_body

BODY = b"pixels"


@dataclass
class GuardedS3:
    """A service with the bucket `bucket`.

    Attributes:
        refusal: Status and error code for signed requests. None accepts them.
        public: Keys of public objects.
        private: Keys that only signed requests can read, if `refusal` is None.
        faults: Statuses of the next unsigned requests.
        limit: Number of requests that are answered at the same time, if limited. Further requests
            are refused with `AccessDenied`.
        refused: Number of requests beyond the limit.
        hold: Number of refused requests before which no signed request is answered.
        active: Number of requests that are being answered.
        requests: Method, key and whether the request was signed, in order.
    """

    refusal: tuple[int, str] | None = (403, "InvalidAccessKeyId")
    public: set[str] = field(default_factory=lambda: {"a.bin"})
    private: set[str] = field(default_factory=set)
    faults: list[int] = field(default_factory=list)
    limit: int | None = None
    refused: int = 0
    hold: int = 0
    active: int = 0
    requests: list[tuple[str, str, bool]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def signed(self) -> list[bool]:
        """Whether each request was signed."""
        return [signed for _, _, signed in self.requests]

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        key = request.path.removeprefix("/bucket/")
        signed = "Authorization" in request.headers
        self.requests.append((request.method, key, signed))
        if self.limit is not None and self.active >= self.limit:
            self.refused += 1
            return _refusal(request, 403, "AccessDenied")
        self.active += 1
        try:
            if signed:
                await wait_until(lambda: self.refused >= self.hold)
            return self._answer(request, key, signed)
        finally:
            self.active -= 1

    def _answer(self, request: web.BaseRequest, key: str, signed: bool) -> web.StreamResponse:
        status, code = 403, "AccessDenied"
        if signed and self.refusal is not None:
            status, code = self.refusal
        elif not signed and self.faults:
            status, code = self.faults.pop(0), "InternalError"
        elif key in (self.public | self.private if signed else self.public):
            return web.Response(body=BODY, headers={"ETag": '"1"'})
        return _refusal(request, status, code)


def _refusal(request: web.BaseRequest, status: int, code: str) -> web.Response:
    body = b"" if request.method == "HEAD" or not code else error_body(code)
    return web.Response(status=status, body=body, content_type="application/xml")


@asynccontextmanager
async def guarded_s3() -> AsyncIterator[GuardedS3]:
    """Run the service."""
    service = GuardedS3()
    async with serve_handler(service.answer) as service.port:
        yield service
