"""Contract tests of listing, reading and removing the files of a destination.

`DestinationContract` includes these tests.
"""

from __future__ import annotations

from stac_asset.destinations import VersionError
from stac_asset.errors import DestinationError, UnsafePathError
from stac_asset.testing.client_under_test import data_of, error_of
from stac_asset.testing.destination_under_test import KEY, OLD, DestinationUnderTest


class ListingContract(DestinationUnderTest):
    """Tests of the files of a destination as a whole."""

    async def test_list_files_returns_files_and_versions(self) -> None:
        """`list_files` returns the files under a prefix, with versions."""
        destination = await self.make_destination()
        assert [file async for file in destination.list_files()] == []
        documents = {"a.json": b"1", "a/größe ✓.json": b"22", "a/b/c.json": b"", "ab/d.json": b"4"}
        for key, data in documents.items():
            await destination.write(key, data)
        destination = await self.make_destination()
        listed = {file.key: file async for file in destination.list_files()}
        assert {key: file.size for key, file in listed.items()} == {
            key: len(data) for key, data in documents.items()
        }
        assert {file.key async for file in destination.list_files("a/")} == {
            "a/größe ✓.json",
            "a/b/c.json",
        }
        assert {file.key async for file in destination.list_files("a/b/c")} == {"a/b/c.json"}
        for key in documents:
            read = await destination.read(key)
            assert read is not None
            assert listed[key].version == read.version

    async def test_written_version_is_the_version_of_the_document(self) -> None:
        """`write` returns the version that replaces the document again."""
        destination = await self.make_destination()
        version = await destination.write(KEY, b"first", replaces=None)
        read = await destination.read(KEY)
        assert read is not None
        assert read.version == version
        await destination.write(KEY, b"second", replaces=version)
        assert await self.content(KEY) == b"second"

    async def test_blocks_return_the_whole_content(self) -> None:
        """`blocks` returns the content of a file of any size. A missing file is an error."""
        data = data_of(3 * self.part_size + 17)
        await self.put(KEY, data)
        destination = await self.make_destination()
        assert b"".join([block async for block in destination.blocks(KEY)]) == data
        for key in ("missing.bin", "missing/missing.bin"):
            error = await error_of(anext(aiter(destination.blocks(key))))
            assert isinstance(error, DestinationError), repr(error)

    async def test_removed_file_is_missing(self) -> None:
        """`remove` removes a file. A missing file is no error."""
        destination = await self.make_destination()
        await self.put(KEY, OLD)
        await destination.remove(KEY)
        assert await self.content(KEY) is None
        await destination.remove(KEY)
        await destination.remove("missing/missing.bin")
        assert [file async for file in destination.list_files()] == []
        error = await error_of(destination.remove("../outside.bin"))
        assert isinstance(error, UnsafePathError), repr(error)

    async def test_only_the_expected_version_is_removed(self) -> None:
        """`remove` with a version keeps a file of another version."""
        destination = await self.make_destination()
        earlier = await destination.write(KEY, OLD)
        latest = await destination.write(KEY, OLD + b"new")
        error = await error_of(destination.remove(KEY, earlier))
        assert isinstance(error, VersionError), repr(error)
        assert await self.content(KEY) == OLD + b"new"
        await destination.remove(KEY, latest)
        assert await self.content(KEY) is None
        await destination.remove(KEY, latest)
