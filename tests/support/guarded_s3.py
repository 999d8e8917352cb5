"""An S3 service that refuses signed requests, and serves public objects to unsigned requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.support.loopback import serve_handler
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
        requests: Method, key and whether the request was signed, in order.
    """

    refusal: tuple[int, str] | None = (403, "InvalidAccessKeyId")
    public: set[str] = field(default_factory=lambda: {"a.bin"})
    private: set[str] = field(default_factory=set)
    faults: list[int] = field(default_factory=list)
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
        status, code = 403, "AccessDenied"
        if signed and self.refusal is not None:
            status, code = self.refusal
        elif not signed and self.faults:
            status, code = self.faults.pop(0), "InternalError"
        elif key in (self.public | self.private if signed else self.public):
            return web.Response(body=BODY, headers={"ETag": '"1"'})
        body = b"" if request.method == "HEAD" or not code else error_body(code)
        return web.Response(status=status, body=body, content_type="application/xml")


@asynccontextmanager
async def guarded_s3() -> AsyncIterator[GuardedS3]:
    """Run the service."""
    service = GuardedS3()
    async with serve_handler(service.answer) as service.port:
        yield service
