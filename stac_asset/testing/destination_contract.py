"""Contract tests that the tests of every destination inherit.

`DestinationUnderTest` documents the methods that a subclass implements. The tests are coroutine
methods with plain asserts, and do not need pytest. They use keys and bytes only, so that they also
apply to object stores.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from stac_asset.destinations.values import BusyError, Declared, VersionError
from stac_asset.errors import UnsafePathError
from stac_asset.testing.client_under_test import data_of, error_of
from stac_asset.testing.destination_under_test import (
    KEY,
    NOTHING,
    OLD,
    SOURCE,
    VALIDATOR,
    multihash,
)
from stac_asset.testing.files_contract import FilesContract
from stac_asset.testing.listing_contract import ListingContract
from stac_asset.testing.resume_contract import ResumeContract
from stac_asset.testing.upload_contract import UploadContract

_TIMEOUT = 30
"""Seconds after which a waiting upload counts as blocked."""

_COMPARISONS: tuple[Literal["size", "checksum", "none"], ...] = ("size", "checksum", "none")


class DestinationContract(UploadContract, ResumeContract, ListingContract, FilesContract):
    """Base class for the tests of a destination.

    A subclass implements the methods of `DestinationUnderTest`.
    """

    async def test_second_upload_of_a_key_is_busy(self) -> None:
        """Only one upload of a key can be open at a time, across all runs."""
        async with self.upload(KEY, 3) as upload:
            await upload.write(b"new")
            error = await error_of(self._open())
            assert isinstance(error, BusyError), repr(error)
            await upload.commit()
        assert await self.content(KEY) == b"new"
        await self._open()

    async def test_second_upload_waits_on_request(self) -> None:
        """With `wait`, the second upload starts when the first upload has ended."""
        events: list[str] = []

        async def second() -> None:
            destination = await self.make_destination()
            async with destination.open_upload(KEY, SOURCE, NOTHING, wait=True) as upload:
                events.append("second opened")
                await upload.begin(0, VALIDATOR, 6)
                await upload.write(b"second")
                await upload.commit()

        async with self.upload(KEY, 5) as upload:
            waiting = asyncio.create_task(second())
            await asyncio.sleep(0.3)
            await upload.write(b"first")
            await upload.commit()
            events.append("first committed")
        await asyncio.wait_for(waiting, _TIMEOUT)
        assert events == ["first committed", "second opened"]
        assert await self.content(KEY) == b"second"

    async def test_existing_compares_what_is_asked(self) -> None:
        """`existing` compares the size, or size and checksum, or only checks that a file exists."""
        destination = await self.make_destination()
        data = data_of(1000)
        right, wrong = Declared(1000, multihash(data)), Declared(1000, multihash(b"other"))
        longer = Declared(1001, multihash(data))
        for how in _COMPARISONS:
            assert await destination.existing(KEY, right, how) is None
        await self.put(KEY, data)
        destination = await self.make_destination()
        for declared, expected in (
            (right, {"size", "checksum", "none"}),
            (NOTHING, {"size", "checksum", "none"}),
            (wrong, {"size", "none"}),
            (longer, {"none"}),
        ):
            for how in _COMPARISONS:
                found = await destination.existing(KEY, declared, how)
                assert (found is not None) == (how in expected), (declared, how)
                assert found is None or found.size == 1000

    async def test_existing_ignores_unfinished_uploads(self) -> None:
        """Received bytes do not count as a file before the commit."""
        (first,) = self.parts(1)
        destination = await self.make_destination()
        async with self.upload(KEY, len(first)) as upload:
            await upload.write(first)
            assert await destination.existing(KEY, NOTHING, "none") is None
        assert await destination.existing(KEY, NOTHING, "none") is None

    async def test_write_replaces_a_document(self) -> None:
        """`write` replaces the whole content, and concurrent writes do not mix."""
        destination = await self.make_destination()
        for data in (b"a long document", b"short", b""):
            await destination.write("item/item.json", data)
            assert await self.content("item/item.json") == data
        documents = [bytes([65 + number]) * 1000 for number in range(5)]
        await asyncio.gather(*(destination.write("item/item.json", data) for data in documents))
        assert await self.content("item/item.json") in documents
        assert not await self.has_leftovers()

    async def test_read_returns_a_document(self) -> None:
        """`read` returns the content and a version that changes with the content."""
        destination = await self.make_destination()
        assert await destination.read("item/item.json") is None
        await destination.write("item/item.json", b"first")
        first = await destination.read("item/item.json")
        assert first is not None
        assert first.data == b"first"
        assert first == await (await self.make_destination()).read("item/item.json")
        await destination.write("item/item.json", b"other")
        second = await destination.read("item/item.json")
        assert second is not None
        assert second.version != first.version

    async def test_write_keeps_the_version_of_another_run(self) -> None:
        """`write` replaces the version that was read, and no other version."""
        destination, other = await self.make_destination(), await self.make_destination()
        key = "item/item.json"
        await destination.write(key, b"first", replaces=None)
        for wrong in (None, "another version"):
            error = await error_of(other.write(key, b"lost", replaces=wrong))
            assert isinstance(error, VersionError), repr(error)
        read = await destination.read(key)
        assert read is not None
        await other.write(key, b"second", replaces=read.version)
        error = await error_of(destination.write(key, b"lost", replaces=read.version))
        assert isinstance(error, VersionError), repr(error)
        assert await self.content(key) == b"second"
        error = await error_of(destination.write("missing.json", b"x", replaces=read.version))
        assert isinstance(error, VersionError), repr(error)
        assert await self.content("missing.json") is None
        assert not await self.has_leftovers()

    async def test_write_ignores_received_bytes(self) -> None:
        """A document does not contain the bytes of an interrupted upload of the same key."""
        (first,) = self.parts(1)
        async with self.upload(KEY, 2 * len(first)) as upload:
            await upload.write(first)
        destination = await self.make_destination()
        await destination.write(KEY, b"a document")
        assert await self.content(KEY) == b"a document"

    async def test_remove_leftovers_keeps_the_file(self) -> None:
        """`remove_leftovers` removes received bytes of a key, and keeps the file."""
        await self.put(KEY, OLD)
        (first,) = self.parts(1)
        async with self.upload(KEY, 2 * len(first)) as upload:
            await upload.write(first)
        assert await self.has_leftovers() == self.resumes_uploads
        destination = await self.make_destination()
        await destination.remove_leftovers(KEY)
        assert not await self.has_leftovers()
        assert await self.content(KEY) == OLD
        await destination.remove_leftovers("missing.bin")
        async with self.resumed(KEY) as upload:
            assert upload.offset == 0

    async def test_outdated_leftovers_are_removed(self) -> None:
        """An upload that cannot replace the present file any more is removed as outdated."""
        (first,) = self.parts(1)
        async with self.upload(KEY, 2 * len(first)) as upload:
            await upload.write(first)
        assert await self.has_leftovers() == self.resumes_uploads
        await self.put(KEY, OLD)
        destination = await self.make_destination()
        await destination.remove_leftovers(KEY, only_outdated=True)
        assert not await self.has_leftovers()
        assert await self.content(KEY) == OLD

    async def test_key_of_returns_the_key(self) -> None:
        """`key_of` accepts locations in the destination and rejects all others."""
        destination = await self.make_destination()
        for key in ("top.bin", KEY, "größe 10 m ✓/file name.bin"):
            assert destination.key_of(self.location_of(key)) == key
        assert self.invalid_locations(), "`invalid_locations` must return at least one location"
        for location in self.invalid_locations():
            try:
                key = destination.key_of(location)
            except UnsafePathError:
                continue
            raise AssertionError(f"{location} has the key {key}")

    async def test_check_writes_nothing(self) -> None:
        """`check` accepts keys with and without a file, and does not write."""
        destination = await self.make_destination()
        await destination.check(KEY)
        assert await self.content(KEY) is None
        assert not await self.has_leftovers()
        await self.put(KEY, OLD)
        await destination.check(KEY)
        assert await self.content(KEY) == OLD

    async def test_key_outside_is_rejected(self) -> None:
        """A key that leads outside the destination is an `UnsafePathError`."""
        destination, key = await self.make_destination(), "../outside.bin"
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: destination.check(key),
            lambda: destination.existing(key, NOTHING, "size"),
            lambda: destination.read(key),
            lambda: destination.write(key, b"x"),
            lambda: self._open(key),
        ]
        for call in calls:
            error = await error_of(call())
            assert isinstance(error, UnsafePathError), repr(error)

    async def _open(self, key: str = KEY) -> None:
        async with self.resumed(key):
            pass
