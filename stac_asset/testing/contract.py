"""What every client promises, as tests that the tests of any client inherit.

The authors of a client say how one is made and where its files come from; pytest, with
`asyncio_mode = "auto"` of pytest-asyncio, does the rest:

    from stac_asset.clients import Client
    from stac_asset.testing import ClientContract, Origin

    class TestMyClient(ClientContract):
        secrets = ("s3cr3t",)

        @pytest.fixture(autouse=True)
        def serve(self, origin: Origin) -> None:
            self.origin = origin

        async def make_client(self) -> Client:
            return MyClient(token="s3cr3t")

        async def put(self, name: str, data: bytes, content_type: str | None = None) -> str:
            return self.origin.put(name, data, content_type=content_type)

        def missing_href(self) -> str:
            return self.origin.href("missing.bin?signature=s3cr3t")

        def foreign_href(self) -> str:
            return "s3://bucket/key"

Nothing here needs pytest itself: the tests are coroutine methods that assert.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import tempfile
import traceback
import unittest
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from stac_asset.clients.base import Client, RangeClient, Request
from stac_asset.errors import ContentTypeError, StacAssetError
from stac_asset.hrefs import parse_href
from stac_asset.messages import Message, OpenUrl

_SMALL = b"the bytes that stood here before"
_LARGE = 3 * 1024 * 1024 + 17


class ClientContract:
    """A base class for the tests of one client; override its hooks.

    A test that does not fit the client, because its source has no content types, say, is skipped.
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

    async def test_it_claims_its_own_hrefs_and_no_other(self) -> None:
        """A client that claims too much gets the hrefs, and the queries, that are not for it."""
        async with self._client() as client:
            assert client.name, "a client has a name"
            assert client.claims(parse_href(await self.put("own.bin", b"x")))
            assert client.claims(parse_href(self.missing_href()))
            assert not client.claims(parse_href(self.foreign_href()))

    async def test_it_yields_all_bytes(self) -> None:
        """A file arrives exactly, whatever its size, in chunks or at once."""
        async with self._client() as client:
            for size in (0, 1, _LARGE):
                data = _bytes(size)
                href = await self.put(f"{size}.bin", data)
                assert await _read(client, href) == data
                assert await _read(client, href, stream=False) == data
                url = parse_href(href)
                assert b"".join([chunk async for chunk in client.open_url(url)]) == data

    async def test_it_fetches_what_is_called_oddly(self) -> None:
        """A name may hold spaces and letters of any script."""
        async with self._client() as client:
            href = await self.put("größe 10 m ✓.bin", b"found")
            assert await _read(client, href) == b"found"

    async def test_it_is_shared_by_many_at_once(self) -> None:
        """One client serves a whole run."""
        files = {f"{number}.bin": _bytes(1000 + number) for number in range(20)}
        hrefs = [await self.put(name, data) for name, data in files.items()]
        async with self._client() as client:
            read = await asyncio.gather(*(_read(client, href) for href in hrefs))
        assert read == list(files.values())

    async def test_it_says_sizes_without_sending(self) -> None:
        """`stat` says the size, and the content type where there is one."""
        async with self._client() as client:
            for size in (0, 1, 70_000):
                href = await self.put(f"{size}.json", _bytes(size), "application/json")
                stat = await client.stat(Request(parse_href(href)))
                assert stat.size == size
                if self.has_content_types and size:
                    assert (stat.content_type or "").startswith("application/json")

    async def test_it_says_what_is_there(self) -> None:
        """An href exists, or what `assert_href_exists` raises says why not."""
        async with self._client() as client:
            href = await self.put("there.bin", b"x")
            await client.assert_href_exists(href)
            assert await client.href_exists(href)
            assert not await client.href_exists(self.missing_href())
            _check_not_found(await _error(client.assert_href_exists(self.missing_href())))

    async def test_what_is_missing_is_an_error(self) -> None:
        """The error is ours, and the standard one too."""
        async with self._client() as client:
            _check_not_found(await _error(_read(client, self.missing_href())))
            url = parse_href(self.missing_href())
            _check_not_found(await _error(client.stat(Request(url))))

    async def test_it_downloads_a_file_and_replaces_the_old_one(self) -> None:
        """Who has the old file open goes on reading the old file; no other file is left."""
        data = _bytes(_LARGE)
        async with self._client() as client, _folder() as folder:
            href = await self.put("new.bin", data)
            path = folder / "file.bin"
            await client.download_href(href, path)
            assert path.read_bytes() == data
            path.write_bytes(_SMALL)
            with path.open("rb") as opened_before:
                await client.download_href(href, str(path), stream=False)
                assert opened_before.read() == _SMALL
            assert path.read_bytes() == data
            assert _names(folder) == ["file.bin"]

    async def test_a_download_of_nothing_leaves_the_old_file(self) -> None:
        """An error costs nobody a file, and leaves none behind."""
        async with self._client() as client, _folder() as folder:
            path = folder / "file.bin"
            path.write_bytes(_SMALL)
            _check_not_found(await _error(client.download_href(self.missing_href(), path)))
            assert path.read_bytes() == _SMALL
            await _error(client.download_href(self.missing_href(), folder / "other.bin"))
            assert _names(folder) == ["file.bin"]

    async def test_a_wrong_content_type_is_an_error(self) -> None:
        """An HTML page under the name of an image is none."""
        if not self.has_content_types:
            raise unittest.SkipTest("its source has no content types")
        async with self._client() as client, _folder() as folder:
            href = await self.put("page.bin", b"<html>", "text/html")
            assert await _read(client, href, content_type="text/html; charset=utf-8") == b"<html>"
            error = await _error(_read(client, href, content_type="image/tiff"))
            assert isinstance(error, ContentTypeError), repr(error)
            assert (error.actual.partition(";")[0], error.expected) == ("text/html", "image/tiff")
            path = folder / "file.bin"
            path.write_bytes(_SMALL)
            error = await _error(client.download_href(href, path, content_type="image/tiff"))
            assert isinstance(error, ContentTypeError), repr(error)
            assert path.read_bytes() == _SMALL
            assert _names(folder) == ["file.bin"]
            plain = await self.put("tile.bin", b"II*", "application/octet-stream")
            assert await _read(client, plain, content_type="image/tiff") == b"II*"

    async def test_it_begins_at_the_start(self) -> None:
        """A fetch without an offset is the whole file, and says its size if it can."""
        data = _bytes(100_000)
        async with self._client() as client:
            url = parse_href(await self.put("file.bin", data))
            offset, received, size, _ = await _fetch(client, Request(url))
            assert (offset, received) == (0, data)
            assert size in (len(data), None)
            # Without a validator nobody knows what the bytes before the offset are.
            offset, received, _, _ = await _fetch(client, Request(url, offset=10))
            assert (offset, received) == (0, data)

    async def test_it_continues_what_is_of_the_same_version(self) -> None:
        """A range client goes on where the bytes ended; any other starts over."""
        data = _bytes(100_000)
        async with self._client() as client:
            url = parse_href(await self.put("file.bin", data))
            _, _, _, validator = await _fetch(client, Request(url))
            if isinstance(client, RangeClient):
                assert validator, "the source of a range client says versions"
            for at in (1, 65_536, len(data) - 1):
                request = Request(url, offset=at, validator=validator)
                offset, received, size, same = await _fetch(client, request)
                assert offset == (at if isinstance(client, RangeClient) else 0)
                assert received == data[offset:]
                assert size in (len(data), None)
                assert same == validator
            for at in (len(data), len(data) + 1000):
                request = Request(url, offset=at, validator=validator)
                offset, received, _, _ = await _fetch(client, request)
                assert offset in (0, at)
                assert received == data[offset:]

    async def test_it_starts_over_where_the_version_is_another(self) -> None:
        """Bytes of two versions are never put together."""
        old, new = _bytes(100_000), _bytes(90_000)[::-1]
        async with self._client() as client:
            url = parse_href(await self.put("file.bin", old))
            _, _, _, validator = await _fetch(client, Request(url))
            await self.put("file.bin", new)
            for outdated in (validator, '"0123456789abcdef"'):
                request = Request(url, offset=50_000, validator=outdated)
                offset, received, size, current = await _fetch(client, request)
                assert (offset, received) == (0, new)
                assert size in (len(new), None)
                assert current is None or current != outdated

    async def test_it_tells_when_it_has_opened_a_url(self) -> None:
        """The message holds the size, and no query."""
        messages: asyncio.Queue[Message] = asyncio.Queue()
        async with self._client() as client:
            href = await self.put("file.bin", b"12345")
            async for _ in client.open_href(href, messages=messages):
                pass
        opened = [message for message in _drained(messages) if isinstance(message, OpenUrl)]
        assert len(opened) == 1
        assert opened[0].size in (5, None) if not isinstance(client, RangeClient) else 5
        assert not opened[0].url.query_string
        self._check_no_secret(repr(opened[0]))

    async def test_what_is_left_early_leaks_nothing(self) -> None:
        """A consumer may stop at any chunk; the client goes on serving."""
        data = _bytes(_LARGE)
        with _no_leaks():
            async with self._client() as client:
                href = await self.put("file.bin", data)
                for _ in range(3):
                    async for chunk in client.open_href(href):
                        assert data.startswith(chunk)
                        break
                    iterator = client.open_href(href)
                    assert data.startswith(await anext(iterator))
                    await iterator.aclose()  # type: ignore[attr-defined]
                    async with client.fetch(Request(parse_href(href))) as response:
                        assert response.offset == 0
                    async with client.fetch(Request(parse_href(href))) as response:
                        await anext(aiter(response.chunks))
                await _settle()
                assert await _read(client, href) == data
            await _settle()

    async def test_it_is_a_context_manager_and_closes(self) -> None:
        """Whoever makes a client closes it; that it was closed already does no harm."""
        with _no_leaks():
            client = await self.make_client()
            async with client as entered:
                assert entered is client
                assert await _read(client, await self.put("file.bin", b"x")) == b"x"
            await client.close()
            unused = await self.make_client()
            await unused.close()
            del client, entered, unused
            await _settle()

    async def test_no_secret_is_shown(self) -> None:
        """Neither a repr nor an error, nor what is chained to it, holds a secret."""
        async with self._client() as client, _folder() as folder:
            href = self.missing_href()
            errors = [
                await _error(_read(client, href)),
                await _error(client.assert_href_exists(href)),
                await _error(client.download_href(href, folder / "file.bin")),
            ]
            self._check_no_secret(repr(client), str(client), repr(Request(parse_href(href))))
            for error in errors:
                shown = "".join(traceback.format_exception(error, chain=True))
                self._check_no_secret(str(error), repr(error), repr(error.args), shown)

    def _check_no_secret(self, *texts: str) -> None:
        for text in texts:
            assert not [secret for secret in self.secrets if secret in text], "a secret is shown"

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Client]:
        client = await self.make_client()
        try:
            yield client
        finally:
            await client.close()


def _bytes(size: int) -> bytes:
    """Returns bytes of which no two places are alike."""
    return hashlib.shake_128(b"contract").digest(size)


async def _read(client: Client, href: str, **kwargs: Any) -> bytes:
    return b"".join([chunk async for chunk in client.open_href(href, **kwargs)])


async def _fetch(client: Client, request: Request) -> tuple[int, bytes, int | None, str | None]:
    async with client.fetch(request) as response:
        received = b"".join([chunk async for chunk in response.chunks])
        return response.offset, received, response.size, response.validator


async def _error(awaitable: Any) -> Exception:
    try:
        await awaitable
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def _check_not_found(error: Exception) -> None:
    assert isinstance(error, StacAssetError), repr(error)
    assert isinstance(error, FileNotFoundError), repr(error)


@asynccontextmanager
async def _folder() -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _drained(messages: asyncio.Queue[Message]) -> Iterator[Message]:
    while not messages.empty():
        yield messages.get_nowait()


async def _settle() -> None:
    """Lets what was abandoned come to its end."""
    for _ in range(10):
        gc.collect()
        await asyncio.sleep(0)


@contextmanager
def _no_leaks() -> Iterator[None]:
    """Fails where something inside was not closed, or an error came up that nobody awaited."""
    loop, complaints = asyncio.get_running_loop(), list[str]()
    handler = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: complaints.append(str(context.get("message"))))
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
            gc.collect()
    finally:
        loop.set_exception_handler(handler)
    complaints += [str(w.message) for w in caught if issubclass(w.category, ResourceWarning)]
    assert not complaints, f"not closed: {complaints}"
