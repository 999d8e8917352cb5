"""The hooks that a subclass of `DestinationContract` implements, and test helpers."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stac_asset.destinations.interface import Destination, Upload
from stac_asset.destinations.values import Declared
from stac_asset.integrity import Multihash
from stac_asset.testing.client_under_test import data_of

KEY = "item-1/B04.tif"
"""The key of most tests."""

OLD = b"the previous content"
"""Content of the key before an upload."""

SOURCE = "https://example.com/new.bin"
"""Default identity of the source of an upload."""

VALIDATOR = '"version-1"'
"""Default validator of an upload, such as an ETag."""

NOTHING = Declared()
"""The item declares neither a size nor a checksum."""


class DestinationUnderTest:
    """The hooks of a destination's tests: make a destination, and read the content of a key.

    Example with pytest and pytest-asyncio (`asyncio_mode = "auto"`):

        from stac_asset.destinations import Destination, LocalDestination
        from stac_asset.testing import DestinationContract

        class TestLocalDestination(DestinationContract):
            part_size = 64 * 1024

            @pytest.fixture(autouse=True)
            def folder(self, tmp_path: Path) -> None:
                self.root = tmp_path / "destination"

            async def make_destination(self) -> Destination:
                return LocalDestination(self.root)

            async def content(self, key: str) -> bytes | None:
                path = self.root / key
                return path.read_bytes() if path.exists() else None

            async def has_leftovers(self) -> bool:
                return any(".part" in path.name for path in self.root.rglob("*"))

            def location_of(self, key: str) -> str:
                return str(self.root / key)

            def invalid_locations(self) -> list[str]:
                return ["/elsewhere/file.bin", str(self.root / ".." / "file.bin")]
    """

    part_size: int = 64 * 1024
    """Size of a part in bytes.

    After an interruption, the destination keeps the received bytes if their number is a multiple
    of this size. For an object store, set the minimum part size of a multipart upload.
    """

    resumes_uploads: bool = True
    """Whether a later run continues an interrupted upload.

    Otherwise, the destination discards the received bytes when an upload is interrupted.
    """

    accepts_ranges: bool = True
    """Whether byte ranges of a file may arrive in any order."""

    resumes_digest: bool = True
    """Whether an upload with a declared checksum is resumed by a later run.

    An object store cannot read the parts of an unfinished upload. The source then sends all bytes
    again, and the destination stores only the missing ones.
    """

    async def make_destination(self) -> Destination:
        """Return a new object for the destination of this test.

        The destination is empty when the test starts. A test calls this method again to act as a
        later run. Each new object has the files and unfinished uploads of earlier objects.
        """
        raise NotImplementedError

    async def content(self, key: str) -> bytes | None:
        """Return the content of a key, read without the destination.

        Returns None for a key without a file.

        Args:
            key: The key.
        """
        raise NotImplementedError

    async def has_leftovers(self) -> bool:
        """Return whether the destination stores bytes or notes of unfinished uploads."""
        raise NotImplementedError

    def location_of(self, key: str) -> str:
        """Return the location of a file as used in plans and reports, such as an absolute path.

        Args:
            key: The key of the file.
        """
        raise NotImplementedError

    def invalid_locations(self) -> list[str]:
        """Return locations that are outside of the destination, or that name no file."""
        raise NotImplementedError

    async def put(self, key: str, data: bytes) -> None:
        """Upload and commit a file.

        Args:
            key: The key.
            data: The content.
        """
        async with self.upload(key, len(data)) as upload:
            await upload.write(data)
            await upload.commit()

    @asynccontextmanager
    async def upload(
        self,
        key: str,
        size: int | None,
        declared: Declared = NOTHING,
        hashed: bool = False,
        source: str = SOURCE,
        validator: str | None = VALIDATOR,
    ) -> AsyncIterator[Upload]:
        """Open an upload in a new run, and begin with the first byte of the file.

        Args:
            key: The key.
            size: Size of the complete file in bytes, if the source reports one.
            declared: The size and checksum that the item declares.
            hashed: Compute a checksum even if none is declared.
            source: Identity of the source.
            validator: The identifier of this version at the source, if reported.
        """
        destination = await self.make_destination()
        async with destination.open_upload(key, source, declared, hashed) as upload:
            await upload.begin(0, validator, size)
            yield upload

    @asynccontextmanager
    async def resumed(
        self, key: str, declared: Declared = NOTHING, hashed: bool = False, source: str = SOURCE
    ) -> AsyncIterator[Upload]:
        """Open an upload in a new run, without beginning a response.

        Args:
            key: The key.
            declared: The size and checksum that the item declares.
            hashed: Compute a checksum even if none is declared.
            source: Identity of the source.
        """
        destination = await self.make_destination()
        async with destination.open_upload(key, source, declared, hashed) as upload:
            yield upload

    def parts(self, count: int) -> list[bytes]:
        """Return parts of `part_size` bytes each, all different.

        Args:
            count: Number of parts.
        """
        data = data_of(count * self.part_size)
        return [
            data[start : start + self.part_size] for start in range(0, len(data), self.part_size)
        ]


def multihash(data: bytes, length: int = 32) -> Multihash:
    """Return the SHA2-256 multihash of some bytes.

    Args:
        data: The bytes.
        length: Number of bytes of the digest. A shorter digest is a prefix of the full one.
    """
    return Multihash(0x12, hashlib.sha256(data).digest()[:length])
