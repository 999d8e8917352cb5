"""Contract tests that the tests of every client inherit.

`ClientUnderTest` documents the methods that a subclass implements. The tests are coroutine methods
with plain asserts, and do not need pytest.
"""

from __future__ import annotations

import asyncio
import traceback

from stac_asset.clients.range_client import RangeClient
from stac_asset.errors import ContentTypeError
from stac_asset.hrefs import parse_href
from stac_asset.messages import Message, OpenUrl
from stac_asset.testing.client_under_test import (
    ClientUnderTest,
    check_no_leaks,
    check_not_found,
    data_of,
    error_of,
    fetch,
    names_in,
    queued_messages,
    read,
    settle,
    temporary_folder,
)
from stac_asset.transfer.interface import Request

_OLD = b"the previous content"
_LARGE = 3 * 1024 * 1024 + 17


class ClientContract(ClientUnderTest):
    """Base class for the tests of a client.

    A subclass implements the methods of `ClientUnderTest`. For a source with fewer features, such
    as a source without content types, the tests check less.
    """

    async def test_claims_only_own_hrefs(self) -> None:
        """A client does not claim hrefs of other clients, which may contain secrets."""
        async with self._client() as client:
            assert client.name, "the client has no name"
            assert client.claims(parse_href(await self.put("own.bin", b"x")))
            assert client.claims(parse_href(self.missing_href()))
            assert not client.claims(parse_href(self.foreign_href()))

    async def test_yields_all_bytes(self) -> None:
        """All bytes of a file arrive, for any size, streamed or at once."""
        async with self._client() as client:
            for size in (0, 1, _LARGE):
                data = data_of(size)
                href = await self.put(f"{size}.bin", data)
                assert await read(client, href) == data
                assert await read(client, href, stream=False) == data
                url = parse_href(href)
                assert b"".join([chunk async for chunk in client.open_url(url)]) == data

    async def test_fetches_names_with_spaces_and_unicode(self) -> None:
        """A name may contain spaces and letters of any script."""
        async with self._client() as client:
            href = await self.put("größe 10 m ✓.bin", b"found")
            assert await read(client, href) == b"found"

    async def test_serves_concurrent_requests(self) -> None:
        """A client serves the concurrent requests of a run."""
        files = {f"{number}.bin": data_of(1000 + number) for number in range(20)}
        hrefs = [await self.put(name, data) for name, data in files.items()]
        async with self._client() as client:
            arrived = await asyncio.gather(*(read(client, href) for href in hrefs))
        assert arrived == list(files.values())

    async def test_stat_returns_size_and_type(self) -> None:
        """`stat` returns the size, and the content type if the source has content types."""
        async with self._client() as client:
            for size in (0, 1, 70_000):
                href = await self.put(f"{size}.json", data_of(size), "application/json")
                stat = await client.stat(Request(parse_href(href)))
                assert stat.size == size
                if self.has_content_types and size:
                    assert (stat.content_type or "").startswith("application/json")

    async def test_href_exists(self) -> None:
        """`href_exists` returns a bool, and `assert_href_exists` raises the reason."""
        async with self._client() as client:
            href = await self.put("there.bin", b"x")
            await client.assert_href_exists(href)
            assert await client.href_exists(href)
            assert not await client.href_exists(self.missing_href())
            check_not_found(await error_of(client.assert_href_exists(self.missing_href())))

    async def test_missing_file_is_an_error(self) -> None:
        """The error is a `StacAssetError` and a `FileNotFoundError`."""
        async with self._client() as client:
            check_not_found(await error_of(read(client, self.missing_href())))
            url = parse_href(self.missing_href())
            check_not_found(await error_of(client.stat(Request(url))))

    async def test_download_replaces_the_previous_file(self) -> None:
        """A reader of the previous file still gets the old bytes. No part file is left."""
        data = data_of(_LARGE)
        async with self._client() as client, temporary_folder() as folder:
            href = await self.put("new.bin", data)
            path = folder / "file.bin"
            await client.download_href(href, path)
            assert path.read_bytes() == data
            path.write_bytes(_OLD)
            with path.open("rb") as opened_before:
                await client.download_href(href, str(path), stream=False)
                assert opened_before.read() == _OLD
            assert path.read_bytes() == data
            assert names_in(folder) == ["file.bin"]

    async def test_failed_download_keeps_the_previous_file(self) -> None:
        """A failed download keeps an existing file and leaves no new files."""
        async with self._client() as client, temporary_folder() as folder:
            path = folder / "file.bin"
            path.write_bytes(_OLD)
            check_not_found(await error_of(client.download_href(self.missing_href(), path)))
            assert path.read_bytes() == _OLD
            await error_of(client.download_href(self.missing_href(), folder / "other.bin"))
            assert names_in(folder) == ["file.bin"]

    async def test_wrong_content_type_is_an_error(self) -> None:
        """An HTML page instead of an image is an error if the source has content types."""
        async with self._client() as client, temporary_folder() as folder:
            href = await self.put("page.bin", b"<html>", "text/html")
            if not self.has_content_types:
                assert await read(client, href, content_type="image/tiff") == b"<html>"
                return
            assert await read(client, href, content_type="text/html; charset=utf-8") == b"<html>"
            error = await error_of(read(client, href, content_type="image/tiff"))
            assert isinstance(error, ContentTypeError), repr(error)
            assert (error.actual.partition(";")[0], error.expected) == ("text/html", "image/tiff")
            path = folder / "file.bin"
            path.write_bytes(_OLD)
            error = await error_of(client.download_href(href, path, content_type="image/tiff"))
            assert isinstance(error, ContentTypeError), repr(error)
            assert path.read_bytes() == _OLD
            assert names_in(folder) == ["file.bin"]
            plain = await self.put("tile.bin", b"II*", "application/octet-stream")
            assert await read(client, plain, content_type="image/tiff") == b"II*"

    async def test_fetch_without_validator_starts_at_zero(self) -> None:
        """A fetch without offset or validator returns the complete file, and the size if known."""
        data = data_of(100_000)
        async with self._client() as client:
            url = parse_href(await self.put("file.bin", data))
            offset, received, size, _ = await fetch(client, Request(url))
            assert (offset, received) == (0, data)
            assert size in (len(data), None)
            # Without a validator, the version of the bytes before the offset is unknown.
            offset, received, _, _ = await fetch(client, Request(url, offset=10))
            assert (offset, received) == (0, data)

    async def test_fetch_continues_the_same_version(self) -> None:
        """A range client continues at the offset. Any other client starts at zero."""
        data = data_of(100_000)
        async with self._client() as client:
            url = parse_href(await self.put("file.bin", data))
            _, _, _, validator = await fetch(client, Request(url))
            if isinstance(client, RangeClient):
                assert validator, "the response of a range client has no validator"
            for at in (1, 65_536, len(data) - 1):
                request = Request(url, offset=at, validator=validator)
                offset, received, size, same = await fetch(client, request)
                assert offset == (at if isinstance(client, RangeClient) else 0)
                assert received == data[offset:]
                assert size in (len(data), None)
                assert same == validator
            for at in (len(data), len(data) + 1000):
                request = Request(url, offset=at, validator=validator)
                offset, received, _, _ = await fetch(client, request)
                assert offset in (0, at)
                assert received == data[offset:]

    async def test_fetch_restarts_for_another_version(self) -> None:
        """Bytes of two versions are never combined."""
        old, new = data_of(100_000), data_of(90_000)[::-1]
        async with self._client() as client:
            url = parse_href(await self.put("file.bin", old))
            _, _, _, validator = await fetch(client, Request(url))
            await self.put("file.bin", new)
            for outdated in (validator, '"0123456789abcdef"'):
                request = Request(url, offset=50_000, validator=outdated)
                offset, received, size, current = await fetch(client, request)
                assert (offset, received) == (0, new)
                assert size in (len(new), None)
                assert current is None or current != outdated

    async def test_open_url_message_is_sent(self) -> None:
        """The `OpenUrl` message contains the size and no query."""
        messages: asyncio.Queue[Message] = asyncio.Queue()
        async with self._client() as client:
            href = await self.put("file.bin", b"12345")
            async for _ in client.open_href(href, messages=messages):
                pass
        opened = [message for message in queued_messages(messages) if isinstance(message, OpenUrl)]
        assert len(opened) == 1
        assert opened[0].size in ((5,) if isinstance(client, RangeClient) else (5, None))
        assert not opened[0].url.query_string
        self.check_shows_no_secret(repr(opened[0]))

    async def test_abandoned_reads_do_not_leak(self) -> None:
        """A consumer may stop at any chunk, and the client continues to work."""
        data = data_of(_LARGE)
        with check_no_leaks():
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
                await settle()
                assert await read(client, href) == data
            await settle()

    async def test_client_is_a_context_manager(self) -> None:
        """Leaving the context closes the client. Closing an unused client is allowed."""
        with check_no_leaks():
            client = await self.make_client()
            async with client as entered:
                assert entered is client
                assert await read(client, await self.put("file.bin", b"x")) == b"x"
            await client.close()
            unused = await self.make_client()
            await unused.close()
            del client, entered, unused
            await settle()

    async def test_no_secret_is_shown(self) -> None:
        """No repr, error or chained error contains a secret."""
        async with self._client() as client, temporary_folder() as folder:
            href = self.missing_href()
            errors = [
                await error_of(read(client, href)),
                await error_of(client.assert_href_exists(href)),
                await error_of(client.download_href(href, folder / "file.bin")),
            ]
            self.check_shows_no_secret(repr(client), str(client), repr(Request(parse_href(href))))
            for error in errors:
                shown = "".join(traceback.format_exception(error, chain=True))
                self.check_shows_no_secret(str(error), repr(error), repr(error.args), shown)
