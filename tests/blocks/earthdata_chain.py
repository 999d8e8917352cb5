"""Hosts that log one another in as Earthdata's do, on the loopback without TLS.

Other processes reach them, which know nothing of a resolver of ours: `localhost` under two ports
is the data host and the login host, and the storage is an origin at 127.0.0.1.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

from aiohttp import web

from stac_asset.testing import Origin
from tests.clients.loopback import Seen, served

COOKIE = "chain-s3ssion"
CODE = "chain-l0gin-code"


@dataclass
class Chain:
    """A data host and a login host.

    Attributes:
        token: The token that opens the login host.
        user: The user who gets that token, as name and password.
        given: How often the login host gave it.
        seen: The requests to the two.
    """

    storage: Origin
    token: str
    user: tuple[str, str]
    given: int = 0
    seen: list[Seen] = field(default_factory=list)
    data_port: int = 0
    login_port: int = 0

    @property
    def data_url(self) -> str:
        return f"http://localhost:{self.data_port}"

    @property
    def login_url(self) -> str:
        return f"http://localhost:{self.login_port}"

    def put(self, path: str, data: bytes) -> str:
        """Puts a file into the storage and returns its href on the data host."""
        self.storage.put(path, data, content_type="image/tiff")
        return f"{self.data_url}{path}"

    async def answer_data(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(Seen.of(request))
        if request.path == "/login":
            response = _redirect(request.query["state"])
            if request.query.get("code") == CODE:
                response.set_cookie("session", COOKIE, httponly=True)
            return response
        if request.cookies.get("session") == COOKIE:
            return _redirect(f"{self.storage.url}{request.raw_path}?X-Amz-Signature=s1gned")
        state = quote(request.raw_path, safe="")
        return _redirect(f"{self.login_url}/oauth/authorize?state={state}")

    async def answer_login(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(Seen.of(request))
        said = request.headers.get("Authorization", "")
        if request.path == "/api/users/find_or_create_token":
            user = base64.b64encode(":".join(self.user).encode()).decode()
            if request.method != "POST" or said != f"Basic {user}":
                return web.json_response({"error": "invalid_credentials"}, status=401)
            self.given += 1
            return web.json_response(
                {
                    "access_token": self.token,
                    "token_type": "Bearer",
                    "expiration_date": "12/31/2099",
                }
            )
        if said != f"Bearer {self.token}":
            return web.Response(
                text="<!DOCTYPE html><title>Login</title>", content_type="text/html"
            )
        state = quote(request.query["state"], safe="")
        return _redirect(f"{self.data_url}/login?code={CODE}&state={state}")


def _redirect(location: str) -> web.Response:
    return web.Response(status=302, headers={"Location": location})


@asynccontextmanager
async def chain_of_redirects(token: str, user: tuple[str, str]) -> AsyncIterator[Chain]:
    with Origin() as storage:
        chain = Chain(storage, token, user)
        async with (
            served(chain.answer_data) as chain.data_port,
            served(chain.answer_login) as chain.login_port,
        ):
            yield chain
