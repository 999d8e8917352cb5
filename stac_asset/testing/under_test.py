"""The client that a contract is about: how it is made, how its source is filled, how it is read."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import tempfile
import warnings
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from stac_asset.clients.base import Client
from stac_asset.errors import StacAssetError
from stac_asset.messages import Message
from stac_asset.redact import redact_text
from stac_asset.transfer.interface import Request


class ClientUnderTest:
    """What the author of a client overrides: how one is made, and where its files come from.

    pytest, with `asyncio_mode = "auto"` of pytest-asyncio, does the rest:

        from stac_asset.clients import Client
        from stac_asset.testing import ClientContract, Origin

        class TestMyClient(ClientContract):
            secrets = ("s3cr3t",)

            @pytest.fixture(autouse=True)
            def serve(self) -> Iterator[None]:
                with Origin(strict=True) as self.origin:
                    yield

            async def make_client(self) -> Client:
                return MyClient(token="s3cr3t")

            async def put(self, name: str, data: bytes, content_type: str | None = None) -> str:
                return self.origin.put(name, data, content_type=content_type)

            def missing_href(self) -> str:
                return self.origin.href("missing.bin?signature=s3cr3t")

            def foreign_href(self) -> str:
                return "s3://bucket/key"
    """

    has_content_types: bool = True
    """Whether the source says content types, and the client compares them with the expected."""

    secrets: tuple[str, ...] = ()
    """Texts that no error, repr or message may hold: credentials, and values of queries."""

    async def make_client(self) -> Client:
        """Returns a new client, which the test closes."""
        raise NotImplementedError

    async def put(self, name: str, data: bytes, content_type: str | None = None) -> str:
        """Makes the source have a file, in place of one of that name, and returns its href.

        Args:
            name: The decoded name, without a folder; it may hold spaces and other letters.
            data: What the file holds, maybe nothing.
            content_type: The media type that the source shall say; any if that is None.
        """
        raise NotImplementedError

    def missing_href(self) -> str:
        """Returns an href of this client's source at which there is nothing."""
        raise NotImplementedError

    def foreign_href(self) -> str:
        """Returns an href that is for another client."""
        raise NotImplementedError

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Client]:
        """Gives a new client, and closes it."""
        client = await self.make_client()
        try:
            yield client
        finally:
            await client.close()

    def check_shows_no_secret(self, *texts: str) -> None:
        """Fails if a text holds a secret, without showing it once more."""
        for text in texts:
            assert not [secret for secret in self.secrets if secret in text], "a secret is shown"


def data_of(size: int) -> bytes:
    """Returns bytes of which no two places are alike."""
    return hashlib.shake_128(b"contract").digest(size)


async def read(client: Client, href: str, **kwargs: Any) -> bytes:
    """Returns what `open_href` yields, joined."""
    return b"".join([chunk async for chunk in client.open_href(href, **kwargs)])


async def fetch(client: Client, request: Request) -> tuple[int, bytes, int | None, str | None]:
    """Returns the offset, the bytes, the size and the validator of a response."""
    async with client.fetch(request) as response:
        received = b"".join([chunk async for chunk in response.chunks])
        return response.offset, received, response.size, response.validator


async def error_of(call: Awaitable[object]) -> Exception:
    """Returns what a call raises; it has to."""
    try:
        await call
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def check_not_found(error: Exception) -> None:
    """Fails if an error is not ours, or not the standard one too."""
    assert isinstance(error, StacAssetError), repr(error)
    assert isinstance(error, FileNotFoundError), repr(error)


@asynccontextmanager
async def temporary_folder() -> AsyncIterator[Path]:
    """Gives an empty folder, and removes it with all that is in it."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def names_in(folder: Path) -> list[str]:
    """Returns the names of all that is in a folder, part files among them."""
    return sorted(path.name for path in folder.iterdir())


def drained(messages: asyncio.Queue[Message]) -> Iterator[Message]:
    """Yields the messages that wait in a queue."""
    while not messages.empty():
        yield messages.get_nowait()


async def settle() -> None:
    """Lets what was abandoned come to its end."""
    gc.collect()
    for _ in range(20):
        await asyncio.sleep(0)


@contextmanager
def nothing_leaks() -> Iterator[None]:
    """Fails where something inside was not closed, or an error came up that nobody awaited."""
    loop, complaints = asyncio.get_running_loop(), list[str]()
    handler, debug = loop.get_exception_handler(), loop.get_debug()
    loop.set_debug(True)  # Or aiohttp would say nothing of a response that was left open.
    loop.set_exception_handler(lambda _, context: complaints.append(str(context.get("message"))))
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
            gc.collect()
    finally:
        loop.set_exception_handler(handler)
        loop.set_debug(debug)
    complaints += [str(w.message) for w in caught if issubclass(w.category, ResourceWarning)]
    shown = sorted({redact_text(text.partition("\n")[0]) for text in complaints})
    assert not shown, f"not closed: {shown}"
