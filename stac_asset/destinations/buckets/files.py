"""Internal: the complete objects of a prefix. The destinations of object stores use this class."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

from stac_asset.concurrency import in_thread
from stac_asset.destinations.buckets.errors import MissingError
from stac_asset.destinations.buckets.keys import Prefix
from stac_asset.destinations.values import (
    MAX_DOCUMENT,
    Declared,
    Existing,
    FileFacts,
    OmittedFile,
    StoredDocument,
)
from stac_asset.errors import DestinationError
from stac_asset.integrity import Multihash, new_hash


class _Object(Protocol):
    """A complete object."""

    @property
    def key(self) -> str: ...

    @property
    def size(self) -> int: ...

    @property
    def metadata(self) -> Mapping[str, str]: ...


class _Store(Protocol):
    """The requests to a bucket."""

    def url_of(self, key: str) -> str: ...

    async def head(self, key: str) -> _Object | None: ...

    async def document(self, key: str, limit: int) -> tuple[bytes, str] | None: ...

    def read(self, key: str, end: int | None = None) -> AsyncIterator[bytes]: ...


class StoredFiles:
    """The complete objects of a prefix: existence, content and verification.

    Args:
        store: The bucket.
        prefix: The prefix.
        checksum: Name of the metadata with the multihash of an object.
    """

    may_hold_pages = False
    """No version of this library stored web pages in place of assets in an object store."""

    def __init__(self, store: _Store, prefix: Prefix, checksum: str) -> None:
        self._store = store
        self._prefix = prefix
        self._checksum_name = checksum

    async def _find(self, key: str) -> _Object | None:
        """Return an existing object, with or without the metadata."""
        return await self._store.head(key)

    def key_of(self, location: str) -> str:
        """Return the key of a file.

        Args:
            location: The URL of the file, as plans and reports name it.

        Raises:
            UnsafePathError: The URL is outside of the prefix, or names no file.
        """
        return self._prefix.key_of(location)

    def real_key(self, location: str) -> str:
        """Return the key of a file. Buckets have no symlinks.

        Args:
            location: The URL of the file.

        Raises:
            UnsafePathError: The URL is outside of the prefix, or names no file.
        """
        return self._prefix.key_of(location)

    async def check(self, key: str) -> None:
        """Check whether a key can be written, without writing.

        Args:
            key: The key.

        Raises:
            UnsafePathError: The key leads outside of the prefix.
            DestinationError: The key is too long.
        """
        self._prefix.full(key)

    async def existing(
        self, key: str, declared: Declared, how: Literal["size", "checksum", "none"]
    ) -> Existing | None:
        """Return the existing file of a key, if the file is complete and valid.

        The multihash in the metadata of an object saves reading it.

        Args:
            key: The key.
            declared: The expected size and checksum.
            how: What to compare: the size, also the checksum, or nothing.

        Raises:
            UnsafePathError: The key leads outside of the prefix.
            DestinationError: The request failed.
        """
        found = await self._find(self._prefix.full(key))
        if found is None or (how != "none" and declared.size not in (None, found.size)):
            return None
        compared = declared.checksum if how == "checksum" else None
        if compared is not None:
            facts = await self.inspect(key, declared)
            if facts is None or facts.checksum is None or not compared.agrees(facts.checksum):
                return None
        return Existing(found.size)

    async def inspect(self, key: str, declared: Declared, read: bool = False) -> FileFacts | None:
        """Return the facts about an object for a verification. A missing object has no facts.

        The multihash in the metadata of an object saves reading the object.

        Args:
            key: The key.
            declared: The expected size and checksum. An object of another size is not read.
            read: Read the content in any case.

        Raises:
            UnsafePathError: The key leads outside of the prefix.
            DestinationError: The request failed.
        """
        found = await self._store.head(self._prefix.full(key))
        if found is None:
            return None
        if declared.checksum is None or declared.size not in (None, found.size):
            return FileFacts(found.size)
        checksum = await self._checksum(found, declared.checksum, read)
        return FileFacts(found.size, checksum) if checksum is not None else None

    async def _checksum(self, found: _Object, expected: Multihash, read: bool) -> Multihash | None:
        """Return the checksum of an object, unless the object was removed."""
        recorded = Multihash.parse(found.metadata.get(self._checksum_name))
        if recorded is not None and recorded.code == expected.code and not read:
            return recorded
        code, running = new_hash(expected)
        try:
            async for block in self._store.read(found.key):
                await in_thread(running.update, block)
        except MissingError:
            return None
        return Multihash(code, running.digest())

    async def read(self, key: str) -> StoredDocument | None:
        """Return a small file, such as a document.

        Args:
            key: The key.

        Returns:
            The content and the ETag. None if there is no such object.

        Raises:
            UnsafePathError: The key leads outside of the prefix.
            DestinationError: The request failed.
        """
        found = await self._store.document(self._prefix.full(key), MAX_DOCUMENT)
        return StoredDocument(*found) if found is not None else None

    async def blocks(self, key: str) -> AsyncIterator[bytes]:
        """Yield the content of a file in blocks.

        Args:
            key: The key.

        Raises:
            UnsafePathError: The key leads outside of the prefix.
            DestinationError: There is no such object, or the request failed.
        """
        full = self._prefix.full(key)
        try:
            async for block in self._store.read(full):
                yield block
        except MissingError:
            raise DestinationError(f"{self._store.url_of(full)} does not exist") from None

    async def omitted_files(self) -> list[OmittedFile]:
        """Return an empty list. Buckets have regular files only."""
        return []

    async def head(self, key: str, size: int) -> bytes:
        """Return the first bytes of an existing file. A file that cannot be read has no bytes.

        Args:
            key: The key.
            size: Maximum number of bytes.

        Raises:
            UnsafePathError: The key leads outside of the prefix.
        """
        full = self._prefix.full(key)
        try:
            return b"".join([block async for block in self._store.read(full, size)])
        except (DestinationError, MissingError):
            return b""

    @asynccontextmanager
    async def open_copy(self, key: str) -> AsyncIterator[Path]:
        """Copy an object to a temporary file of this machine, with the suffix of the key.

        Args:
            key: The key.

        Raises:
            UnsafePathError: The key leads outside of the prefix.
            DestinationError: The request failed.
        """
        full = self._prefix.full(key)
        with tempfile.TemporaryDirectory(prefix="stac-asset-") as folder:
            path = Path(folder, "copy" + "".join(PurePosixPath(key).suffixes[-2:])[-64:])
            try:
                with path.open("wb") as file:
                    async for block in self._store.read(full):
                        file.write(block)
            except MissingError:
                path.unlink()
            yield path
