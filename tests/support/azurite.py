"""Azurite with valid SAS tokens, and a token endpoint that can inject faults."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

import pytest
from aiohttp import web

from tests.support.loopback import ReceivedRequest, serve_handler
from tests.support.paths import ROOT
from tests.support.servers import free_port

NODE = ROOT / "tests" / "node"
ACCOUNT = "devstoreaccount1"
# The public key of Azurite's default account:
# https://learn.microsoft.com/azure/storage/common/storage-use-azurite
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
VERSION = "2020-12-06"


def _format_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _signed(fields: dict[str, str], text: list[str]) -> str:
    message = "\n".join(text).encode()
    digest = hmac.digest(base64.b64decode(KEY), message, hashlib.sha256)
    return urlencode({**fields, "sig": base64.b64encode(digest).decode()}, quote_via=quote)


def container_sas(container: str, start: datetime, expiry: datetime, permissions: str) -> str:
    """Return a service SAS token.

    https://learn.microsoft.com/rest/api/storageservices/create-service-sas
    """
    fields = {
        "sp": permissions,
        "st": _format_time(start),
        "se": _format_time(expiry),
        "sv": VERSION,
        "sr": "c",
    }
    resource = f"/blob/{ACCOUNT}/{container}"
    restrictions = [""] * 3  # identifier, address, protocol
    rest = [""] * 7  # snapshot, encryption scope, five response headers
    text = [
        *(permissions, fields["st"], fields["se"], resource),
        *restrictions,
        *(VERSION, "c"),
        *rest,
    ]
    return _signed(fields, text)


def account_sas() -> str:
    """Return an account SAS token with all permissions for one hour.

    https://learn.microsoft.com/rest/api/storageservices/create-account-sas
    """
    expiry = _format_time(datetime.now(UTC) + timedelta(hours=1))
    fields = {"sp": "rwdlac", "ss": "b", "srt": "sco", "se": expiry, "sv": VERSION}
    return _signed(fields, [ACCOUNT, "rwdlac", "b", "sco", "", expiry, "", "", VERSION, "", ""])


@dataclass(frozen=True)
class Azurite:
    """A running Azurite."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def create(self, container: str) -> None:
        """Create a container, unless there is one."""
        path = f"/{ACCOUNT}/{container}?restype=container&{account_sas()}"
        self._request("PUT", path, b"", {}, (201, 409))

    def put(self, container: str, name: str, data: bytes, content_type: str | None = None) -> str:
        """Upload a blob and return the unsigned href."""
        path = f"/{ACCOUNT}/{container}"
        self.create(container)
        headers = {"x-ms-blob-type": "BlockBlob"}
        headers["x-ms-blob-content-type"] = content_type or "application/octet-stream"
        self._request("PUT", f"{path}/{quote(name)}?{account_sas()}", data, headers, (201,))
        return f"{self.url}{path}/{quote(name)}"

    def _request(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: dict[str, str],
        expected: tuple[int, ...],
    ) -> None:
        headers = {"x-ms-version": VERSION, "Content-Type": "application/octet-stream", **headers}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=240) as response:
                status = response.status
        except urllib.error.HTTPError as error:
            with error:
                status = error.code
        assert status in expected, f"{method} {path.partition('?')[0]}: {status}"


@contextmanager
def azurite_running() -> Iterator[Azurite]:
    """Run Azurite in memory. Skip the test if Azurite is not installed."""
    command = NODE / "node_modules" / ".bin" / "azurite-blob"
    if shutil.which("node") is None:
        pytest.skip("node is not installed; Azurite requires node")
    if not command.exists():
        pytest.skip("azurite is not installed: run npm ci --prefix tests/node")
    port = free_port()
    process = subprocess.Popen(
        [
            str(command),
            *("--blobHost", "127.0.0.1", "--blobPort", str(port)),
            *("--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--loose"),
            "--disableTelemetry",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 240
        while True:
            assert process.poll() is None, f"azurite exited with {process.returncode}"
            assert time.monotonic() < deadline, "azurite does not accept connections"
            try:
                socket.create_connection(("127.0.0.1", port), timeout=60).close()
                break
            except OSError:
                time.sleep(0.1)
        yield Azurite(port)
    finally:
        process.terminate()
        process.wait(240)


@dataclass
class TokenEndpoint:
    """A token endpoint with the API of the Planetary Computer, which issues valid SAS tokens.

    Attributes:
        life: Announced lifetime of a token in seconds.
        real_life: Actual lifetime of a token in seconds. None means `life`.
        faults: Responses sent instead of tokens, in order: status and headers.
        gates: Events by container. Token requests of the container wait for the event.
        seen: The received requests.
        given: The issued tokens.
    """

    life: float = 3600
    real_life: float | None = None
    faults: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    seen: list[ReceivedRequest] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/sas/v1/token"

    @property
    def requests_by_container(self) -> Counter[str]:
        """Number of token requests for each container."""
        return Counter(request.path.rpartition("/")[2] for request in self.seen)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(ReceivedRequest.of(request))
        account, container = request.path.removeprefix("/api/sas/v1/token/").split("/")
        if container in self.gates:
            await self.gates[container].wait()
        if self.faults:
            status, headers = self.faults.pop(0)
            return web.Response(status=status, headers=headers)
        if account != ACCOUNT:
            return web.json_response({"detail": "no such container"}, status=404)
        now = datetime.now(UTC)
        real = self.life if self.real_life is None else self.real_life
        # Each token has its own start time, so that all tokens differ.
        start = now - timedelta(hours=1, seconds=len(self.given))
        token = container_sas(container, start, now + timedelta(seconds=real), "rl")
        self.given.append(token)
        expiry = _format_time(now + timedelta(seconds=self.life))
        response = web.json_response({"msft:expiry": expiry, "token": token})
        response.enable_compression()  # if the request accepts compression
        return response


@asynccontextmanager
async def token_endpoint() -> AsyncIterator[TokenEndpoint]:
    """Run a token endpoint."""
    endpoint = TokenEndpoint()
    async with serve_handler(endpoint.answer) as endpoint.port:
        yield endpoint
