"""An OAuth2 server with four grants, and files that require a token."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from stac_asset.types import Transfer
from tests.support.loopback import ReceivedRequest, redirect, serve_handler
from tests.support.transfers import file_transfer

CLIENT_ID = "our-client"
CLIENT_SECRET = "cl1ent-secret"
USERNAME = "s0mebody"
PASSWORD = "pa55word"
DEVICE_CODE = "dev1ce-code"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

CLIENT_CREDENTIALS = {"oauth2_grant": "client_credentials", "oauth2_client_secret": CLIENT_SECRET}
"""Fields of `Config` for a client credentials grant."""

USER_PASSWORD = {
    "oauth2_grant": "resource_owner_password_credentials",
    "oauth2_username": USERNAME,
    "oauth2_password": PASSWORD,
}
"""Fields of `Config` for a password grant."""

DEVICE_CODES = {"oauth2_grant": "device_code"}
"""Fields of `Config` for a device code grant."""


@dataclass
class OAuth2Server:
    """A server that issues the tokens `acc3ss-1`, `acc3ss-2`, …

    Attributes:
        expires_in: Announced lifetime of a token in seconds. None omits the field.
        life: Actual lifetime of a token in seconds. None means unlimited.
        refreshable: Issue a refresh token with each token.
        rotating: Issue another refresh token when a refresh token is used.
        faults: Responses of the token endpoint, in order: status, headers and JSON body.
        delay: Seconds before each response with a file.
        pending: Number of device requests answered with `authorization_pending`.
        forms: Forms that the token endpoint received.
        files: Requests for files, each with the status of the response.
        accepted: Accepted tokens, each with the end of its life by `time.monotonic()`.
        refreshes: Accepted refresh tokens.
        challenge: PKCE challenge of the last authorization or device request.
        given: Number of issued tokens.
    """

    expires_in: int | None = 3600
    life: float | None = None
    refreshable: bool = False
    rotating: bool = True
    faults: list[tuple[int, dict[str, str], object]] = field(default_factory=list)
    delay: float = 0.0
    pending: int = 0
    forms: list[dict[str, str]] = field(default_factory=list)
    files: list[tuple[ReceivedRequest, int]] = field(default_factory=list)
    accepted: dict[str, float] = field(default_factory=dict)
    refreshes: set[str] = field(default_factory=set)
    challenge: str | None = None
    code: str = ""
    given: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def grants(self) -> list[str]:
        """Grant types of the token requests."""
        return [form["grant_type"] for form in self.forms]

    @property
    def config(self) -> dict[str, Any]:
        """Fields of `Config` with the endpoints and the host of the files."""
        return {
            "oauth2_token_url": f"{self.url}/token",
            "oauth2_authorization_url": f"{self.url}/authorize",
            "oauth2_device_authorization_url": f"{self.url}/device",
            "oauth2_client_id": CLIENT_ID,
            "oauth2_hosts": [self.url],
        }

    def transfers(self, directory: Path, count: int) -> list[Transfer]:
        """Return transfers of files that require a token."""
        names = [f"{index}.tif" for index in range(count)]
        return [file_transfer(f"{self.url}/{name}", directory / name) for name in names]

    def revoke(self) -> None:
        """Revoke all issued tokens. Refresh tokens stay valid."""
        self.accepted.clear()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        match request.path:
            case "/token":
                return await self._token(request)
            case "/device":
                return self._device(await request.post())
            case "/authorize":
                return self._authorize(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        status = 200 if self.accepted.get(token, 0) > time.monotonic() else 401
        self.files.append((ReceivedRequest.of(request), status))
        await asyncio.sleep(self.delay)
        return web.Response(status=status, body=b"pixels", content_type="image/tiff")

    async def _token(self, request: web.BaseRequest) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append(form)
        if self.faults:
            status, headers, body = self.faults.pop(0)
            return web.json_response(body, status=status, headers=headers)
        error = self._error(form)
        if error is not None:
            status = 401 if error == "invalid_client" else 400
            # Some servers repeat the request in the error description.
            return web.json_response(
                {"error": error, "error_description": str(form)}, status=status
            )
        return web.json_response(self._granted(form))

    def _error(self, form: dict[str, str]) -> str | None:
        match form["grant_type"]:
            case "client_credentials":
                valid = (form["client_id"], form["client_secret"]) == (CLIENT_ID, CLIENT_SECRET)
                return None if valid else "invalid_client"
            case "password":
                valid = (form["username"], form["password"]) == (USERNAME, PASSWORD)
                return None if valid else "invalid_grant"
            case "refresh_token":
                if form.get("client_id") != CLIENT_ID:
                    return "invalid_client"
                return None if form["refresh_token"] in self.refreshes else "invalid_grant"
            case "authorization_code":
                valid = form["code"] == self.code and self._is_verified(form)
                return None if valid else "invalid_grant"
            case grant if grant == DEVICE_GRANT:
                self.pending -= 1
                if self.pending >= 0:
                    return "authorization_pending"
                valid = form["device_code"] == DEVICE_CODE and self._is_verified(form)
                return None if valid else "invalid_grant"
        return "unsupported_grant_type"

    def _is_verified(self, form: dict[str, str]) -> bool:
        if self.challenge is None:
            return "code_verifier" not in form
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == self.challenge

    def _granted(self, form: dict[str, str]) -> dict[str, object]:
        self.given += 1
        token = f"acc3ss-{self.given}"
        self.accepted[token] = time.monotonic() + (self.life or 1e6)
        answer: dict[str, object] = {"access_token": token, "token_type": "Bearer"}
        if self.expires_in is not None:
            answer["expires_in"] = self.expires_in
        refreshed = form["grant_type"] == "refresh_token"
        if self.refreshable and (self.rotating or not refreshed):
            self.refreshes.discard(form.get("refresh_token", ""))
            answer["refresh_token"] = f"refr3sh-{self.given}"
            self.refreshes.add(f"refr3sh-{self.given}")
        return answer

    def _device(self, form: Any) -> web.StreamResponse:
        self.challenge = form.get("code_challenge")
        return web.json_response(
            {
                "device_code": DEVICE_CODE,
                "user_code": "ABCD-EFGH",
                "verification_uri": f"{self.url}/activate",
                "expires_in": 60,
                "interval": 0,
            }
        )

    def _authorize(self, request: web.BaseRequest) -> web.StreamResponse:
        self.challenge = request.query.get("code_challenge")
        self.code = f"c0de-{self.given}"
        return redirect(f"{request.query['redirect_uri']}?{urlencode({'code': self.code})}")


@asynccontextmanager
async def oauth2_server() -> AsyncIterator[OAuth2Server]:
    """Run an OAuth2 server."""
    server = OAuth2Server()
    async with serve_handler(server.answer) as server.port:
        yield server
