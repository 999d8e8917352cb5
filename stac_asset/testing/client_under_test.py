"""The hooks that a subclass of `ClientContract` implements, and test helpers."""

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
    """The hooks of a client's tests: create a client, and add files to the source.

    Example with pytest and pytest-asyncio (`asyncio_mode = "auto"`):

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
    """Whether the source reports content types, and the client checks them."""

    secrets: tuple[str, ...] = ()
    """Texts that no error, repr or message may contain: credentials and query values."""

    async def make_client(self) -> Client:
        """Return a new client. The test closes the client."""
        raise NotImplementedError

    async def put(self, name: str, data: bytes, content_type: str | None = None) -> str:
        """Add a file to the source, or replace the file of that name, and return the href.

        Args:
            name: The decoded name, without a folder. It may contain spaces and non-ASCII letters.
            data: The content, possibly empty.
            content_type: The media type that the source reports. Default: any type.
        """
        raise NotImplementedError

    def missing_href(self) -> str:
        """Return an href of this client's source that has no file."""
        raise NotImplementedError

    def foreign_href(self) -> str:
        """Return an href that belongs to another client."""
        raise NotImplementedError

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Client]:
        """Create a client, and close it at the end."""
        client = await self.make_client()
        try:
            yield client
        finally:
            await client.close()

    def check_shows_no_secret(self, *texts: str) -> None:
        """Fail if a text contains a secret. The failure does not show the text.

        Args:
            texts: The texts.
        """
        for text in texts:
            assert not [secret for secret in self.secrets if secret in text], (
                "an error, repr or message of the client contains a secret. Redact the secret."
            )


def data_of(size: int) -> bytes:
    """Return pseudo-random bytes, the same for every call.

    Args:
        size: Number of bytes.
    """
    return hashlib.shake_128(b"contract").digest(size)


async def read(client: Client, href: str, **kwargs: Any) -> bytes:
    """Return all bytes that `open_href` yields."""
    return b"".join([chunk async for chunk in client.open_href(href, **kwargs)])


async def fetch(client: Client, request: Request) -> tuple[int, bytes, int | None, str | None]:
    """Return the offset, the bytes, the size and the validator of a response."""
    async with client.fetch(request) as response:
        received = b"".join([chunk async for chunk in response.chunks])
        return response.offset, received, response.size, response.validator


async def error_of(call: Awaitable[object]) -> Exception:
    """Return the error that a call raises. A call without an error fails the test."""
    try:
        await call
    except Exception as error:
        return error
    raise AssertionError("the call raised no error")


def check_not_found(error: Exception) -> None:
    """Fail unless an error is a `StacAssetError` and a `FileNotFoundError`."""
    assert isinstance(error, StacAssetError), repr(error)
    assert isinstance(error, FileNotFoundError), repr(error)


@asynccontextmanager
async def temporary_folder() -> AsyncIterator[Path]:
    """Create an empty folder, and remove the folder and all content at the end."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def names_in(folder: Path) -> list[str]:
    """Return the names of all files in a folder, including part files."""
    return sorted(path.name for path in folder.iterdir())


def queued_messages(messages: asyncio.Queue[Message]) -> Iterator[Message]:
    """Yield the messages of a queue without waiting."""
    while not messages.empty():
        yield messages.get_nowait()


async def settle() -> None:
    """Wait until abandoned generators and connections are closed."""
    gc.collect()
    for _ in range(20):
        await asyncio.sleep(0)


@contextmanager
def check_no_leaks() -> Iterator[None]:
    """Fail if the block leaves a resource open or an exception unretrieved."""
    loop, problems = asyncio.get_running_loop(), list[str]()
    handler, debug = loop.get_exception_handler(), loop.get_debug()
    loop.set_debug(True)  # aiohttp reports unclosed responses only in debug mode.
    loop.set_exception_handler(lambda _, context: problems.append(str(context.get("message"))))
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
            gc.collect()
    finally:
        loop.set_exception_handler(handler)
        loop.set_debug(debug)
    problems += [str(w.message) for w in caught if issubclass(w.category, ResourceWarning)]
    shown = sorted({redact_text(text.partition("\n")[0]) for text in problems})
    assert not shown, f"not closed: {shown}"
