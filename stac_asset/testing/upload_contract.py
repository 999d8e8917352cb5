"""Contract tests of uploads: commit, checksums, and the responses of a source.

`DestinationContract` includes these tests.
"""

from __future__ import annotations

import asyncio

from stac_asset.destinations.values import Declared
from stac_asset.errors import ChecksumError, RangeError, SizeError, TruncatedError
from stac_asset.testing.client_under_test import data_of, error_of
from stac_asset.testing.destination_under_test import (
    KEY,
    NOTHING,
    OLD,
    SOURCE,
    VALIDATOR,
    DestinationUnderTest,
    multihash,
)


class UploadContract(DestinationUnderTest):
    """Tests of a single upload."""

    async def test_committed_upload_is_stored_whole(self) -> None:
        """A committed file has exactly the bytes that were written, for any size and key."""
        keys = ("top.bin", "a/b/c.bin", "größe 10 m ✓/file name.bin")
        for key, size in zip(keys, (0, 1, 3 * self.part_size + 17), strict=True):
            data = data_of(size)
            async with self.upload(key, size) as upload:
                for start in range(0, size, 50_000):
                    await upload.write(data[start : start + 50_000])
                    assert upload.offset == min(start + 50_000, size)
                assert await self.content(key) is None, "a file is visible before its commit"
                await upload.commit()
            assert await self.content(key) == data
        assert not await self.has_leftovers()

    async def test_memory_of_written_bytes_may_be_reused(self) -> None:
        """The caller overwrites the memory of a chunk after each call."""
        data, memory = data_of(2 * self.part_size + 17), bytearray(self.part_size)
        async with self.upload(KEY, len(data), hashed=True) as upload:
            for start in range(0, len(data), len(memory)):
                chunk = data[start : start + len(memory)]
                memory[: len(chunk)] = chunk
                await upload.write(memoryview(memory)[: len(chunk)])
                memory[:] = bytes(len(memory))
            assert await upload.commit() == str(multihash(data))
        assert await self.content(KEY) == data

    async def test_commit_accepts_a_file_of_unknown_size(self) -> None:
        """Without a reported or declared size, the received bytes are the file."""
        async with self.upload(KEY, None, validator=None) as upload:
            await upload.write(b"all of ")
            await upload.write(b"the file")
            await upload.commit()
        assert await self.content(KEY) == b"all of the file"

    async def test_previous_file_stays_until_commit(self) -> None:
        """The key keeps the previous content until the commit returns."""
        await self.put(KEY, OLD)
        async with self.upload(KEY, 3) as upload:
            await upload.write(b"new")
            assert await self.content(KEY) == OLD
            await upload.commit()
            assert await self.content(KEY) == b"new"
        assert await self.content(KEY) == b"new"
        assert not await self.has_leftovers()

    async def test_leaving_without_commit_keeps_the_previous_file(self) -> None:
        """Leaving the context, an error and a cancellation keep the previous content."""
        await self.put(KEY, OLD)
        data = data_of(2 * self.part_size)

        async def leave(error: BaseException | None) -> None:
            async with self.upload(KEY, len(data)) as upload:
                await upload.write(data)
                if error is not None:
                    raise error

        await leave(None)
        assert await self.content(KEY) == OLD
        assert isinstance(await error_of(leave(ValueError())), ValueError)
        assert await self.content(KEY) == OLD
        cancelled = asyncio.ensure_future(leave(asyncio.CancelledError()))
        await asyncio.wait([cancelled])
        assert cancelled.cancelled()
        assert await self.content(KEY) == OLD
        async with self.resumed("other.bin"):
            pass
        assert await self.content("other.bin") is None

    async def test_discard_removes_the_received_bytes(self) -> None:
        """A discarded upload keeps the previous file and leaves no bytes to resume."""
        await self.put(KEY, OLD)
        (first,) = self.parts(1)
        async with self.upload(KEY, 2 * len(first)) as upload:
            await upload.write(first)
            await upload.discard()
        assert await self.content(KEY) == OLD
        assert not await self.has_leftovers()
        async with self.resumed(KEY) as upload:
            assert upload.offset == 0

    async def test_restart_discards_the_received_bytes(self) -> None:
        """After a restart, the same upload accepts another version from the first byte."""
        first, second = self.parts(2)
        async with self.upload(KEY, 2 * len(first), hashed=True) as upload:
            await upload.write(first)
            await upload.restart()
            assert (upload.offset, upload.validator, upload.size) == (0, None, None)
            assert upload.missing is None
            await upload.begin(0, '"version-2"', len(second))
            await upload.write(second)
            assert await upload.commit() == str(multihash(second))
        assert await self.content(KEY) == second

    async def test_uploads_of_several_keys_are_independent(self) -> None:
        """Uploads of different keys may be open at the same time."""
        destination = await self.make_destination()
        files = {f"item/{number}.bin": data_of(1000 + number) for number in range(10)}

        async def send(key: str, data: bytes) -> None:
            async with destination.open_upload(key, SOURCE, NOTHING) as upload:
                await upload.begin(0, VALIDATOR, len(data))
                for start in range(0, len(data), 100):
                    await upload.write(data[start : start + 100])
                    await asyncio.sleep(0)
                await upload.commit()

        await asyncio.gather(*(send(key, data) for key, data in files.items()))
        assert {key: await self.content(key) for key in files} == files

    async def test_declared_checksum_is_verified(self) -> None:
        """A matching checksum is committed, and the multihash is returned."""
        first, second = self.parts(2)
        data = first + second
        for length in (32, 20):
            declared = Declared(len(data), multihash(data, length))
            async with self.upload(KEY, len(data), declared) as upload:
                await upload.write(first)
                await upload.write(second)
                assert await upload.commit() == str(multihash(data))
            assert await self.content(KEY) == data

    async def test_wrong_checksum_keeps_the_previous_file(self) -> None:
        """Bytes with another checksum are a `ChecksumError`, also after a resume."""
        await self.put(KEY, OLD)
        first, second = self.parts(2)
        for declared in (
            Declared(checksum=multihash(first)),
            Declared(len(first) * 2, multihash(second + second)),
        ):
            async with self.upload(KEY, 2 * len(first), declared) as upload:
                await upload.write(first)
            async with self.resumed(KEY, declared) as upload:
                assert upload.offset == (len(first) if self.resumes_digest else 0)
                await upload.begin(upload.offset, VALIDATOR, 2 * len(first))
                await upload.write((first + second)[upload.offset :])
                error = await error_of(upload.commit())
                assert isinstance(error, ChecksumError), repr(error)
                assert await self.content(KEY) == OLD
                await upload.discard()
            assert await self.content(KEY) == OLD

    async def test_checksum_is_computed_on_request(self) -> None:
        """With `hashed`, `commit` returns a SHA2-256 multihash without a declared checksum."""
        for data in (b"", b"x", data_of(self.part_size + 1)):
            async with self.upload(KEY, len(data), hashed=True) as upload:
                await upload.write(data)
                assert await upload.commit() == str(multihash(data))

    async def test_commit_rejects_a_truncated_file(self) -> None:
        """Missing bytes are a `TruncatedError`, or a `SizeError` if only the item has a size."""
        await self.put(KEY, OLD)
        async with self.upload(KEY, 10) as upload:
            await upload.write(b"012345678")
            error = await error_of(upload.commit())
            assert isinstance(error, TruncatedError), repr(error)
        assert await self.content(KEY) == OLD
        async with self.upload(KEY, None, Declared(size=10)) as upload:
            await upload.write(b"012345678")
            error = await error_of(upload.commit())
            assert isinstance(error, SizeError), repr(error)
        assert await self.content(KEY) == OLD

    async def test_begin_rejects_responses_that_do_not_continue(self) -> None:
        """A response with another position, version or size is a `RangeError`."""
        first, second = self.parts(2)
        size = len(first) + len(second)
        for offset, validator, reported in (
            (len(first) - 1, VALIDATOR, size),
            (len(first) + 1, VALIDATOR, size),
            (len(first), '"version-2"', size),
            (len(first), None, size),
            (len(first), VALIDATOR, size + 1),
        ):
            async with self.upload(KEY, size) as upload:
                await upload.write(first)
                error = await error_of(upload.begin(offset, validator, reported))
                assert isinstance(error, RangeError), repr(error)
                assert upload.offset == 0, "the received bytes belong to another version"
            assert await self.content(KEY) is None
            async with self.resumed(KEY) as upload:
                assert upload.offset == 0

    async def test_begin_rejects_part_of_a_file_of_unknown_size(self) -> None:
        """A part of a file is useful only if the size of the file is known."""
        async with self.resumed(KEY) as upload:
            error = await error_of(upload.begin(0, VALIDATOR, None, end=10))
            assert isinstance(error, RangeError), repr(error)

    async def test_begin_rejects_size_that_differs_from_the_declared_one(self) -> None:
        """A reported size that contradicts the declared size is a `SizeError`."""
        await self.put(KEY, OLD)
        for size in (9, 11):
            async with self.resumed(KEY, Declared(size=10)) as upload:
                error = await error_of(upload.begin(0, VALIDATOR, size))
                assert isinstance(error, SizeError), repr(error)
        async with self.upload(KEY, 10, Declared(size=10)) as upload:
            await upload.write(b"0123456789")
            await upload.commit()
        assert await self.content(KEY) == b"0123456789"

    async def test_write_rejects_bytes_beyond_the_end(self) -> None:
        """Bytes beyond the reported or declared size are rejected and not stored."""
        async with self.upload(KEY, 10) as upload:
            assert upload.room == 10
            await upload.write(b"01234567")
            assert upload.room == 2
            error = await error_of(upload.write(b"89+"))
            assert isinstance(error, RangeError), repr(error)
            assert upload.offset == 8
            await upload.write(b"89")
            await upload.commit()
        assert await self.content(KEY) == b"0123456789"
        async with self.upload(KEY, None, Declared(size=10)) as upload:
            error = await error_of(upload.write(b"0123456789+"))
            assert isinstance(error, SizeError), repr(error)
        assert await self.content(KEY) == b"0123456789"

    async def test_upload_reports_whether_it_replaces_a_file(self) -> None:
        """The engine looks for a file that another writer completed only if there is a file."""
        for replaces in (False, True):
            async with self.upload(KEY, 1) as upload:
                assert upload.replaces == replaces
                await upload.write(b"0")
                await upload.commit()

    async def test_file_arrives_in_several_responses(self) -> None:
        """A response may end before the file ends. The next response continues."""
        async with self.resumed(KEY) as upload:
            await upload.begin(0, VALIDATOR, 10, end=4)
            await upload.write(b"012")
            assert (upload.room, upload.stopped_short) == (1, False)
            error = await error_of(upload.write(b"34"))
            assert isinstance(error, RangeError), repr(error)
            await upload.write(b"3")
            assert (upload.room, upload.stopped_short) == (0, True)
            await upload.begin(4, VALIDATOR, 10)
            await upload.write(b"456789")
            assert not upload.stopped_short
            await upload.commit()
        assert await self.content(KEY) == b"0123456789"
