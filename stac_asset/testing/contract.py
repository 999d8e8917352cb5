"""What every client promises, as tests that the tests of any client inherit.

`ClientUnderTest` shows what a subclass has to say. Nothing here needs pytest itself: the tests are
coroutine methods that assert.
"""

from __future__ import annotations

import asyncio
import traceback

from stac_asset.clients.base import RangeClient
from stac_asset.errors import ContentTypeError
from stac_asset.hrefs import parse_href
from stac_asset.messages import Message, OpenUrl
from stac_asset.testing.under_test import (
    ClientUnderTest,
    check_not_found,
    data_of,
    drained,
    error_of,
    fetch,
    names_in,
    nothing_leaks,
    read,
    settle,
    temporary_folder,
)
from stac_asset.transfer.interface import Request

_SMALL = b"the bytes that stood here before"
_LARGE = 3 * 1024 * 1024 + 17


class ClientContract(ClientUnderTest):
    """A base class for the tests of one client; override what `ClientUnderTest` names.

    Where a source knows less than others, such as no content types, the tests ask less of it.
    """

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
                data = data_of(size)
                href = await self.put(f"{size}.bin", data)
                assert await read(client, href) == data
                assert await read(client, href, stream=False) == data
                url = parse_href(href)
                assert b"".join([chunk async for chunk in client.open_url(url)]) == data

    async def test_it_fetches_what_is_called_oddly(self) -> None:
        """A name may hold spaces and letters of any script."""
        async with self._client() as client:
            href = await self.put("größe 10 m ✓.bin", b"found")
            assert await read(client, href) == b"found"

    async def test_it_is_shared_by_many_at_once(self) -> None:
        """One client serves a whole run."""
        files = {f"{number}.bin": data_of(1000 + number) for number in range(20)}
        hrefs = [await self.put(name, data) for name, data in files.items()]
        async with self._client() as client:
            arrived = await asyncio.gather(*(read(client, href) for href in hrefs))
        assert arrived == list(files.values())

    async def test_it_says_sizes_without_sending(self) -> None:
        """`stat` says the size, and the content type where there is one."""
        async with self._client() as client:
            for size in (0, 1, 70_000):
                href = await self.put(f"{size}.json", data_of(size), "application/json")
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
            check_not_found(await error_of(client.assert_href_exists(self.missing_href())))

    async def test_what_is_missing_is_an_error(self) -> None:
        """The error is ours, and the standard one too."""
        async with self._client() as client:
            check_not_found(await error_of(read(client, self.missing_href())))
            url = parse_href(self.missing_href())
            check_not_found(await error_of(client.stat(Request(url))))

    async def test_it_downloads_a_file_and_replaces_the_old_one(self) -> None:
        """Who has the old file open goes on reading the old file; no other file is left."""
        data = data_of(_LARGE)
        async with self._client() as client, temporary_folder() as folder:
            href = await self.put("new.bin", data)
            path = folder / "file.bin"
            await client.download_href(href, path)
            assert path.read_bytes() == data
            path.write_bytes(_SMALL)
            with path.open("rb") as opened_before:
                await client.download_href(href, str(path), stream=False)
                assert opened_before.read() == _SMALL
            assert path.read_bytes() == data
            assert names_in(folder) == ["file.bin"]

    async def test_a_download_of_nothing_leaves_the_old_file(self) -> None:
        """An error costs nobody a file, and leaves none behind."""
        async with self._client() as client, temporary_folder() as folder:
            path = folder / "file.bin"
            path.write_bytes(_SMALL)
            check_not_found(await error_of(client.download_href(self.missing_href(), path)))
            assert path.read_bytes() == _SMALL
            await error_of(client.download_href(self.missing_href(), folder / "other.bin"))
            assert names_in(folder) == ["file.bin"]

    async def test_a_wrong_content_type_is_an_error(self) -> None:
        """An HTML page under the name of an image is none, where the source knows such types."""
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
            path.write_bytes(_SMALL)
            error = await error_of(client.download_href(href, path, content_type="image/tiff"))
            assert isinstance(error, ContentTypeError), repr(error)
            assert path.read_bytes() == _SMALL
            assert names_in(folder) == ["file.bin"]
            plain = await self.put("tile.bin", b"II*", "application/octet-stream")
            assert await read(client, plain, content_type="image/tiff") == b"II*"

    async def test_it_begins_at_the_start(self) -> None:
        """A fetch without an offset is the whole file, and says its size if it can."""
        data = data_of(100_000)
        async with self._client() as client:
            url = parse_href(await self.put("file.bin", data))
            offset, received, size, _ = await fetch(client, Request(url))
            assert (offset, received) == (0, data)
            assert size in (len(data), None)
            # Without a validator nobody knows what the bytes before the offset are.
            offset, received, _, _ = await fetch(client, Request(url, offset=10))
            assert (offset, received) == (0, data)

    async def test_it_continues_what_is_of_the_same_version(self) -> None:
        """A range client goes on where the bytes ended; any other starts over."""
        data = data_of(100_000)
        async with self._client() as client:
            url = parse_href(await self.put("file.bin", data))
            _, _, _, validator = await fetch(client, Request(url))
            if isinstance(client, RangeClient):
                assert validator, "the source of a range client says versions"
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

    async def test_it_starts_over_where_the_version_is_another(self) -> None:
        """Bytes of two versions are never put together."""
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

    async def test_it_tells_when_it_has_opened_a_url(self) -> None:
        """The message holds the size, and no query."""
        messages: asyncio.Queue[Message] = asyncio.Queue()
        async with self._client() as client:
            href = await self.put("file.bin", b"12345")
            async for _ in client.open_href(href, messages=messages):
                pass
        opened = [message for message in drained(messages) if isinstance(message, OpenUrl)]
        assert len(opened) == 1
        assert opened[0].size in ((5,) if isinstance(client, RangeClient) else (5, None))
        assert not opened[0].url.query_string
        self.check_shows_no_secret(repr(opened[0]))

    async def test_what_is_left_early_leaks_nothing(self) -> None:
        """A consumer may stop at any chunk; the client goes on serving."""
        data = data_of(_LARGE)
        with nothing_leaks():
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

    async def test_it_is_a_context_manager_and_closes(self) -> None:
        """Whoever makes a client closes it; that it was closed already does no harm."""
        with nothing_leaks():
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
        """Neither a repr nor an error, nor what is chained to it, holds a secret."""
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
