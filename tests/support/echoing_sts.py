"""An STS service that refuses requests and repeats them in its error message."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from multidict import CIMultiDictProxy

from tests.support.loopback import serve_handler


@asynccontextmanager
async def echoing_sts() -> AsyncIterator[str]:
    """Run the service, and yield the URL."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        sent = f"{await request.text()} {_shown(request.headers)}".replace("&", " ")
        body = f"<ErrorResponse><Error><Code>AccessDenied</Code><Message>{sent}</Message></Error>"
        body += "</ErrorResponse>"
        return web.Response(status=403, text=body, content_type="text/xml")

    async with serve_handler(answer) as port:
        yield f"http://127.0.0.1:{port}"


def _shown(headers: CIMultiDictProxy[str]) -> str:
    return " ".join(f"{name}={value}" for name, value in headers.items())
