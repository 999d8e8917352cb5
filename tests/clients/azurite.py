"""Azurite, with real SAS tokens: signed here, and given out by an endpoint that can misbehave."""

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
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from aiohttp import web

from tests.clients.loopback import Seen, served
from tests.servers import free_port

NODE = Path(__file__).parents[1] / "node"
ACCOUNT = "devstoreaccount1"
# Azurite's own, and known to everybody:
# https://learn.microsoft.com/azure/storage/common/storage-use-azurite
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
VERSION = "2020-12-06"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _signed(fields: dict[str, str], text: list[str]) -> str:
    message = "\n".join(text).encode()
    digest = hmac.digest(base64.b64decode(KEY), message, hashlib.sha256)
    return urlencode({**fields, "sig": base64.b64encode(digest).decode()}, quote_via=quote)


def container_sas(container: str, start: datetime, expiry: datetime, permissions: str) -> str:
    """Returns a service SAS token.

    https://learn.microsoft.com/rest/api/storageservices/create-service-sas
    """
    fields = {
        "sp": permissions,
        "st": _time(start),
        "se": _time(expiry),
        "sv": VERSION,
        "sr": "c",
    }
    resource = f"/blob/{ACCOUNT}/{container}"
    nothing = [""] * 3  # identifier, address, protocol
    rest = [""] * 7  # snapshot, encryption scope, five response headers
    text = [permissions, fields["st"], fields["se"], resource, *nothing, VERSION, "c", *rest]
    return _signed(fields, text)


def account_sas() -> str:
    """Returns a SAS token that may do everything, for an hour.

    https://learn.microsoft.com/rest/api/storageservices/create-account-sas
    """
    expiry = _time(datetime.now(UTC) + timedelta(hours=1))
    fields = {"sp": "rwdlac", "ss": "b", "srt": "sco", "se": expiry, "sv": VERSION}
    return _signed(fields, [ACCOUNT, "rwdlac", "b", "sco", "", expiry, "", "", VERSION, "", ""])


@dataclass(frozen=True)
class Azurite:
    """A running Azurite."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def put(self, container: str, name: str, data: bytes, content_type: str | None = None) -> str:
        """Uploads a blob and returns its href, which is not signed."""
        path = f"/{ACCOUNT}/{container}"
        self._ask("PUT", f"{path}?restype=container&{account_sas()}", b"", {}, (201, 409))
        headers = {"x-ms-blob-type": "BlockBlob"}
        headers["x-ms-blob-content-type"] = content_type or "application/octet-stream"
        self._ask("PUT", f"{path}/{quote(name)}?{account_sas()}", data, headers, (201,))
        return f"{self.url}{path}/{quote(name)}"

    def _ask(
        self, method: str, path: str, body: bytes, headers: dict[str, str], good: tuple[int, ...]
    ) -> None:
        headers = {"x-ms-version": VERSION, "Content-Type": "application/octet-stream", **headers}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=240) as response:
                status = response.status
        except urllib.error.HTTPError as error:
            with error:
                status = error.code
        assert status in good, f"{method} {path.partition('?')[0]}: {status}"


@contextmanager
def azurite_running() -> Iterator[Azurite]:
    """Runs Azurite in memory; skips the test where it is not installed."""
    command = NODE / "node_modules" / ".bin" / "azurite-blob"
    if shutil.which("node") is None:
        pytest.skip("node is not installed, which Azurite needs")
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
            assert process.poll() is None, f"azurite ended with {process.returncode}"
            assert time.monotonic() < deadline, "azurite does not listen"
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
    """An endpoint like the Planetary Computer's, that gives out real SAS tokens.

    Attributes:
        life: Seconds until it says that a token expires.
        real_life: Seconds until a token does expire; None is the same.
        faults: What is answered instead, in turn: status and headers.
        gates: What a container's token waits for.
        seen: The requests.
    """

    life: float = 3600
    real_life: float | None = None
    faults: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/sas/v1/token"

    @property
    def asked(self) -> Counter[str]:
        """How often it was asked for each container's token."""
        return Counter(request.path.rpartition("/")[2] for request in self.seen)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(Seen.of(request))
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
        # No two tokens are alike: each starts at another second of the last day.
        start = now - timedelta(hours=1, seconds=len(self.given))
        token = container_sas(container, start, now + timedelta(seconds=real), "rl")
        self.given.append(token)
        expiry = _time(now + timedelta(seconds=self.life))
        response = web.json_response({"msft:expiry": expiry, "token": token})
        response.enable_compression()  # for who says that it can read that
        return response


@asynccontextmanager
async def token_endpoint() -> AsyncIterator[TokenEndpoint]:
    endpoint = TokenEndpoint()
    async with served(endpoint.answer) as endpoint.port:
        yield endpoint
