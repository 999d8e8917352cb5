"""Hosts that log one another in as Earthdata's do, over TLS, with storage at the chain's end."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

from aiohttp import ClientSession, web

from stac_asset.testing import Origin
from tests.clients.loopback import Catcher, Seen, catching, served, session

DATA = "data.lpdaac.earthdatacloud.nasa.gov"
LOGIN = "urs.earthdata.nasa.gov"
STORAGE = "lp-prod-protected.s3.us-west-2.amazonaws.com"
TOKEN = "p3rsonal-access-token"
COOKIE = "s3ssion-cookie"
CODE = "l0gin-code"
SIGNATURE = "st0rage-signature"
LOGIN_PAGE = "<!DOCTYPE html><html><title>Earthdata Login</title></html>"


@dataclass
class Earthdata:
    """The data host and the login host, in one server; the storage is an origin of ours.

    Attributes:
        elsewhere: All other hosts there are.
        statuses: What hosts answer always, instead.
        redirects: Where paths lead, instead.
        seen: The requests to the two.
    """

    storage: Origin
    elsewhere: Catcher
    trusting: ssl.SSLContext
    statuses: dict[str, int] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    port: int = 0

    def session(self, **kwargs: object) -> ClientSession:
        """Returns a session to which these hosts are the real ones."""
        ports = {
            DATA: self.port,
            LOGIN: self.port,
            STORAGE: self.storage.port,
            "*": self.elsewhere.port,
        }
        return session(ports, self.trusting, **kwargs)

    def put(self, path: str, data: bytes, content_type: str | None = None) -> str:
        """Puts a file into the storage and returns its href on the data host."""
        self.storage.put(path, data, content_type=content_type)
        return f"https://{DATA}/{quote(path.lstrip('/'))}"

    def seen_by(self, host: str) -> list[Seen]:
        return [request for request in self.seen if request.host == host]

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(Seen.of(request))
        if request.host in self.statuses:
            return web.Response(status=self.statuses[request.host])
        if request.path in self.redirects:
            return _redirect(self.redirects[request.path])
        if request.host == LOGIN:
            return self._login(request)
        path = request.raw_path
        if request.path == "/login":
            path = request.query["state"]
            response = _redirect(path)
            if request.query.get("code") == CODE:
                response.set_cookie("session", COOKIE, secure=True, httponly=True)
            return response
        if request.cookies.get("session") == COOKIE:
            return _redirect(f"https://{STORAGE}{path}?X-Amz-Signature={SIGNATURE}")
        state = quote(path, safe="")
        return _redirect(f"https://{LOGIN}/oauth/authorize?client_id=lpdaac&state={state}")

    def _login(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(text=LOGIN_PAGE, content_type="text/html")
        state = quote(request.query["state"], safe="")
        return _redirect(f"https://{DATA}/login?code={CODE}&state={state}")


def _redirect(location: str) -> web.Response:
    return web.Response(status=302, headers={"Location": location})


@asynccontextmanager
async def earthdata_like(
    certified: ssl.SSLContext, trusting: ssl.SSLContext
) -> AsyncIterator[Earthdata]:
    with Origin(ssl_context=certified) as storage:
        async with catching(certified) as elsewhere:
            hosts = Earthdata(storage, elsewhere, trusting)
            async with served(hosts.answer, certified) as hosts.port:
                yield hosts
