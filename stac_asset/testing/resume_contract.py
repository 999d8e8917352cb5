"""Contract tests of interrupted uploads and of byte ranges.

`DestinationContract` includes these tests.
"""

from __future__ import annotations

from stac_asset.errors import TruncatedError
from stac_asset.testing.client_under_test import error_of
from stac_asset.testing.destination_under_test import (
    KEY,
    OLD,
    VALIDATOR,
    DestinationUnderTest,
    multihash,
)


class ResumeContract(DestinationUnderTest):
    """Tests of uploads that continue in a later run, and of byte ranges."""

    async def test_interrupted_upload_is_resumed(self) -> None:
        """A later run continues with the bytes that an earlier run received."""
        if not self.resumes_uploads:
            return
        first, second = self.parts(2)
        await self.put(KEY, OLD)
        async with self.upload(KEY, 2 * len(first)) as upload:
            await upload.write(first)
        assert await self.has_leftovers()
        async with self.resumed(KEY, hashed=True) as upload:
            assert upload.offset == len(first)
            assert (upload.validator, upload.size) == (VALIDATOR, 2 * len(first))
            await upload.begin(upload.offset, VALIDATOR, 2 * len(first))
            await upload.write(second)
            assert await self.content(KEY) == OLD
            assert await upload.commit() == str(multihash(first + second))
        assert await self.content(KEY) == first + second
        assert not await self.has_leftovers()

    async def test_interrupted_upload_starts_again(self) -> None:
        """A destination that resumes no uploads keeps no received bytes."""
        if self.resumes_uploads:
            return
        first, second = self.parts(2)
        await self.put(KEY, OLD)
        async with self.upload(KEY, 2 * len(first)) as upload:
            await upload.write(first)
            await upload.write(second[:10])
        assert not await self.has_leftovers()
        async with self.resumed(KEY, hashed=True) as upload:
            assert (upload.offset, upload.validator, upload.size) == (0, None, None)
            await upload.begin(0, VALIDATOR, 2 * len(first))
            await upload.write(first + second)
            assert await self.content(KEY) == OLD
            assert await upload.commit() == str(multihash(first + second))
        assert await self.content(KEY) == first + second

    async def test_upload_reports_whether_it_accepts_byte_ranges(self) -> None:
        """The engine opens further connections only for uploads that accept byte ranges."""
        async with self.upload(KEY, 10) as upload:
            assert upload.accepts_ranges == self.accepts_ranges

    async def test_all_received_bytes_can_be_resumed(self) -> None:
        """A later run requests at least one byte if only the commit is missing.

        The response shows whether the source still has the same version.
        """
        if not self.resumes_uploads:
            return
        parts = self.parts(3)
        data = b"".join(parts)
        async with self.upload(KEY, len(data)) as upload:
            for part in parts:
                await upload.write(part)
        async with self.resumed(KEY) as upload:
            assert 0 < upload.offset < len(data)
            await upload.begin(upload.offset, upload.validator, len(data))
            await upload.write(data[upload.offset :])
            await upload.commit()
        assert await self.content(KEY) == data

    async def test_bytes_of_another_source_are_dropped(self) -> None:
        """Bytes from another source are not resumed, neither now nor later."""
        first, _ = self.parts(2)
        async with self.upload(KEY, 2 * len(first)) as upload:
            await upload.write(first)
        async with self.resumed(KEY, source="https://example.org/new.bin") as upload:
            assert (upload.offset, upload.validator) == (0, None)
            assert upload.missing is None
        async with self.resumed(KEY) as upload:
            assert upload.offset == 0

    async def test_bytes_without_validator_are_dropped(self) -> None:
        """Bytes of a version without a validator are not resumed."""
        first, _ = self.parts(2)
        async with self.upload(KEY, 2 * len(first), validator=None) as upload:
            await upload.write(first)
        assert not await self.has_leftovers()
        async with self.resumed(KEY) as upload:
            assert upload.offset == 0

    async def test_bytes_of_another_version_are_dropped(self) -> None:
        """A response that starts a new version replaces the received bytes."""
        if not self.resumes_uploads:
            return
        first, second, third = self.parts(3)
        async with self.upload(KEY, 2 * len(first)) as upload:
            await upload.write(first)
        async with self.resumed(KEY, hashed=True) as upload:
            await upload.begin(0, '"version-2"', len(second) + len(third))
            assert (upload.offset, upload.validator) == (0, '"version-2"')
            await upload.write(second)
        async with self.resumed(KEY, hashed=True) as upload:
            assert (upload.offset, upload.validator) == (len(second), '"version-2"')
            await upload.begin(upload.offset, '"version-2"', len(second) + len(third))
            await upload.write(third)
            assert await upload.commit() == str(multihash(second + third))
        assert await self.content(KEY) == second + third

    async def test_byte_ranges_arrive_in_any_order(self) -> None:
        """After a split, byte ranges are written in any order, each in several pieces."""
        if not self.accepts_ranges:
            return
        parts = self.parts(4)
        data, half = b"".join(parts), self.part_size // 2
        await self.put(KEY, OLD)
        async with self.upload(KEY, len(data), hashed=True) as upload:
            await upload.write(parts[0])
            await upload.split()
            missing = upload.missing
            assert missing is not None
            assert missing.spans() == [(self.part_size, len(data))]
            ranges = [missing.take(self.part_size) for _ in range(3)]
            for target in (ranges[2], ranges[0], ranges[1]):
                assert target is not None
                for size in (half, target.size - half):
                    error = await error_of(upload.commit())
                    assert isinstance(error, TruncatedError), repr(error)
                    before = upload.offset
                    await upload.put(target, data[target.position : target.position + size])
                    assert upload.offset == before + size
            assert missing.spans() == []
            assert await self.content(KEY) == OLD
            assert await upload.commit() == str(multihash(data))
        assert await self.content(KEY) == data
        assert not await self.has_leftovers()

    async def test_byte_ranges_are_resumed(self) -> None:
        """A later run requests only the byte ranges that are missing."""
        if not (self.accepts_ranges and self.resumes_uploads):
            return
        parts = self.parts(4)
        data, size = b"".join(parts), self.part_size
        async with self.upload(KEY, len(data)) as upload:
            await upload.write(parts[0])
            await upload.split()
            assert upload.missing is not None
            targets = [upload.missing.take(size) for _ in range(3)]
            assert targets[1] is not None
            await upload.put(targets[1], parts[2])
        async with self.resumed(KEY, hashed=True) as upload:
            assert upload.missing is not None
            assert upload.missing.spans() == [(size, 2 * size), (3 * size, 4 * size)]
            assert upload.missing.taken == 0
            assert (upload.offset, upload.validator, upload.size) == (
                2 * size,
                VALIDATOR,
                len(data),
            )
            while (target := upload.missing.take(size)) is not None:
                await upload.put(target, data[target.position : target.end])
            assert await upload.commit() == str(multihash(data))
        assert await self.content(KEY) == data
        assert not await self.has_leftovers()
