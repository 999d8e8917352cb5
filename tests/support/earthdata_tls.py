"""Earthdata hosts that redirect to a login, over TLS and with the real host names."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

from aiohttp import ClientSession, web

from stac_asset.testing import Origin
from tests.support.loopback import (
    ReceivedRequest,
    RecordingServer,
    loopback_session,
    recording_server,
    redirect,
    serve_handler,
)

DATA = "data.lpdaac.earthdatacloud.nasa.gov"
LOGIN = "urs.earthdata.nasa.gov"
STORAGE = "lp-prod-protected.s3.us-west-2.amazonaws.com"
TOKEN = "p3rsonal-access-token"
COOKIE = "s3ssion-cookie"
CODE = "l0gin-code"
SIGNATURE = "st0rage-signature"
LOGIN_PAGE = "<!DOCTYPE html><html><title>Earthdata Login</title></html>"


@dataclass
class EarthdataOverTls:
    """A server for the data host and the login host, and an origin for the storage.

    Attributes:
        storage: The origin to which the data host redirects requests.
        other_hosts: A server for all other host names.
        client_context: SSL context that trusts the certificates of the hosts.
        statuses: Statuses that hosts send for every request.
        redirects: Redirect locations that replace the responses for paths.
        seen: Requests to the data host and the login host.
    """

    storage: Origin
    other_hosts: RecordingServer
    client_context: ssl.SSLContext
    statuses: dict[str, int] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    seen: list[ReceivedRequest] = field(default_factory=list)
    port: int = 0

    def session(self, **kwargs: object) -> ClientSession:
        """Return a session that resolves all host names to these servers."""
        ports = {
            DATA: self.port,
            LOGIN: self.port,
            STORAGE: self.storage.port,
            "*": self.other_hosts.port,
        }
        return loopback_session(ports, self.client_context, **kwargs)

    def put(self, path: str, data: bytes, content_type: str | None = None) -> str:
        """Store a file and return the href on the data host."""
        self.storage.put(path, data, content_type=content_type)
        return f"https://{DATA}/{quote(path.lstrip('/'))}"

    def requests_to(self, host: str) -> list[ReceivedRequest]:
        """Return the requests to a host."""
        return [request for request in self.seen if request.host == host]

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(ReceivedRequest.of(request))
        if request.host in self.statuses:
            return web.Response(status=self.statuses[request.host])
        if request.path in self.redirects:
            return redirect(self.redirects[request.path])
        if request.host == LOGIN:
            return self._login(request)
        path = request.raw_path
        if request.path == "/login":
            path = request.query["state"]
            response = redirect(path)
            if request.query.get("code") == CODE:
                response.set_cookie("session", COOKIE, secure=True, httponly=True)
            return response
        if request.cookies.get("session") == COOKIE:
            return redirect(f"https://{STORAGE}{path}?X-Amz-Signature={SIGNATURE}")
        state = quote(path, safe="")
        return redirect(f"https://{LOGIN}/oauth/authorize?client_id=lpdaac&state={state}")

    def _login(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(text=LOGIN_PAGE, content_type="text/html")
        state = quote(request.query["state"], safe="")
        return redirect(f"https://{DATA}/login?code={CODE}&state={state}")


@asynccontextmanager
async def earthdata_over_tls(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> AsyncIterator[EarthdataOverTls]:
    """Run a data host, a login host, a storage origin and a server for all other hosts."""
    with Origin(ssl_context=server_context) as storage:
        async with recording_server(server_context) as other_hosts:
            hosts = EarthdataOverTls(storage, other_hosts, client_context)
            async with serve_handler(hosts.answer, server_context) as hosts.port:
                yield hosts
