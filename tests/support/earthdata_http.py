"""Earthdata hosts that redirect to a login, on the loopback interface without TLS.

Other processes can connect to the hosts without a custom resolver: the data host and the login host
are two ports of `localhost`, and the storage is an origin at 127.0.0.1.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

from aiohttp import web

from stac_asset.testing import Origin
from tests.support.loopback import ReceivedRequest, redirect, serve_handler

COOKIE = "chain-s3ssion"
CODE = "chain-l0gin-code"


@dataclass
class EarthdataOverHttp:
    """A data host and a login host.

    Attributes:
        token: The token that the login host accepts.
        user: User name and password for which the login host issues the token.
        given: Number of issued tokens.
        seen: Requests to the data host and the login host.
    """

    storage: Origin
    token: str
    user: tuple[str, str]
    given: int = 0
    seen: list[ReceivedRequest] = field(default_factory=list)
    data_port: int = 0
    login_port: int = 0

    @property
    def data_url(self) -> str:
        return f"http://localhost:{self.data_port}"

    @property
    def login_url(self) -> str:
        return f"http://localhost:{self.login_port}"

    def put(self, path: str, data: bytes) -> str:
        """Store a file and return the href on the data host."""
        self.storage.put(path, data, content_type="image/tiff")
        return f"{self.data_url}{path}"

    async def answer_data(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(ReceivedRequest.of(request))
        if request.path == "/login":
            response = redirect(request.query["state"])
            if request.query.get("code") == CODE:
                response.set_cookie("session", COOKIE, httponly=True)
            return response
        if request.cookies.get("session") == COOKIE:
            return redirect(f"{self.storage.url}{request.raw_path}?X-Amz-Signature=s1gned")
        state = quote(request.raw_path, safe="")
        return redirect(f"{self.login_url}/oauth/authorize?state={state}")

    async def answer_login(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(ReceivedRequest.of(request))
        authorization = request.headers.get("Authorization", "")
        if request.path == "/api/users/find_or_create_token":
            user = base64.b64encode(":".join(self.user).encode()).decode()
            if request.method != "POST" or authorization != f"Basic {user}":
                return web.json_response({"error": "invalid_credentials"}, status=401)
            self.given += 1
            return web.json_response(
                {
                    "access_token": self.token,
                    "token_type": "Bearer",
                    "expiration_date": "12/31/2099",
                }
            )
        if authorization != f"Bearer {self.token}":
            return web.Response(
                text="<!DOCTYPE html><title>Login</title>", content_type="text/html"
            )
        state = quote(request.query["state"], safe="")
        return redirect(f"{self.data_url}/login?code={CODE}&state={state}")


@asynccontextmanager
async def earthdata_over_http(
    token: str, user: tuple[str, str]
) -> AsyncIterator[EarthdataOverHttp]:
    """Run a data host, a login host and a storage origin."""
    with Origin() as storage:
        hosts = EarthdataOverHttp(storage, token, user)
        async with (
            serve_handler(hosts.answer_data) as hosts.data_port,
            serve_handler(hosts.answer_login) as hosts.login_port,
        ):
            yield hosts
