"""The interface between the engine and destinations, such as directories.

A destination holds files under keys. A key is a relative name with `/` between its parts, such as
`item-1/B04.tif`. Destinations implement these protocols. The module `values`
has the arguments, results and errors. The engine imports no implementation.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Literal, Protocol

from stac_asset.destinations.missing_ranges import ByteRange, MissingRanges
from stac_asset.destinations.store_copy import CopyTarget, StoreCopy, StoredSource
from stac_asset.destinations.values import (
    ANY_VERSION,
    Declared,
    Existing,
    FileFacts,
    Leftover,
    ListedFile,
    OmittedFile,
    StoredDocument,
)


class Upload(Protocol):
    """A file that is being received. The key keeps the previous file until `commit`."""

    @property
    def replaces(self) -> bool:
        """Whether the key had a file when the upload was opened."""

    @property
    def accepts_ranges(self) -> bool:
        """Whether byte ranges may arrive in any order, after `split`."""

    @property
    def accepts_pipes(self) -> bool:
        """Whether `write` and `put` also accept `PipedBytes`, and move the bytes to the file."""

    @property
    def offset(self) -> int:
        """Number of received bytes."""

    @property
    def validator(self) -> str | None:
        """The identifier of the version of the received bytes at the source, such as an ETag."""

    @property
    def missing(self) -> MissingRanges | None:
        """Missing byte ranges, if the file arrives in several ranges."""

    @property
    def size(self) -> int | None:
        """Size of the complete file in bytes, if reported by the source."""

    @property
    def version(self) -> str | None:
        """The version of the complete file after `commit`, as `Destination.read` returns it.

        None if the destination does not know the version without another request.
        """

    @property
    def room(self) -> int:
        """Number of bytes that the current response may still send."""

    @property
    def stopped_short(self) -> bool:
        """Whether the response ended before the end of the file, and more can be requested."""

    @property
    def copy_target(self) -> CopyTarget | None:
        """Returns the store of the destination. None if the destination does not copy objects."""

    async def copy(self, source: StoredSource) -> StoreCopy | None:
        """Let the store copy an object of the same store, in place of all other calls.

        The copy is verified before the key gets the new file.

        Args:
            source: The object.

        Returns:
            The completed copy, or None if the bytes must be sent instead.

        Raises:
            SizeError: The size differs from the declared one.
            ChecksumError: The checksum differs from the declared one.
            DestinationError: Another run has replaced the file.
        """

    async def begin(
        self, offset: int, validator: str | None, size: int | None, end: int | None = None
    ) -> None:
        """Accept a response, or reject a response that does not continue the received bytes.

        Args:
            offset: Position of the first byte of the response. 0 discards the received bytes.
            validator: The identifier of this version at the source, if reported.
            size: Size of the complete file in bytes, if reported.
            end: Position after the last byte of the response, if it is only a part of the file.

        Raises:
            RangeError: The response does not continue the received bytes.
            SizeError: The size differs from the declared one.
        """

    async def write(self, data: bytes | memoryview) -> None:
        """Append bytes.

        Args:
            data: The bytes after the received ones. The caller reuses the memory of a `memoryview`
                after the call, so keep a copy of bytes that are needed later.

        Raises:
            DestinationError: The bytes cannot be written.
            RangeError: The response is longer than announced.
            SizeError: The file is larger than declared.
        """

    async def split(self) -> None:
        """Let the rest of the file arrive in several byte ranges. The size must be known."""

    async def put(self, target: ByteRange, data: bytes | memoryview) -> None:
        """Write bytes at the start of a missing range, and shorten the range.

        Args:
            target: One of the ranges in `missing`.
            data: The bytes. The memory of a `memoryview` is reused after the call, as in `write`.

        Raises:
            DestinationError: The bytes cannot be written.
        """

    async def head(self, size: int) -> bytes:
        """Return the first received bytes.

        Args:
            size: Maximum number of bytes.

        Raises:
            DestinationError: The bytes cannot be read.
        """

    async def restart(self) -> None:
        """Discard the received bytes."""

    async def commit(self) -> str | None:
        """Verify the file, and replace the previous file of the key.

        Returns:
            The multihash of the file, if it was computed.

        Raises:
            TruncatedError: Bytes are missing.
            SizeError: The size differs from the declared one.
            ChecksumError: The checksum differs from the declared one.
            DestinationError: The file cannot be completed.
        """

    async def discard(self) -> None:
        """Discard the received bytes and end the upload. The previous file stays."""


class Destination(Protocol):
    """A place that holds files under keys. No file is written outside."""

    @property
    def may_hold_pages(self) -> bool:
        """Whether a run checks the content of existing files.

        Otherwise, a listing alone decides, without a request for each file.
        """

    def key_of(self, location: str) -> str:
        """Return the key of a file.

        Args:
            location: The file as plans and reports name it, such as an absolute path.

        Raises:
            UnsafePathError: The location is outside of the destination, or names no file.
        """

    async def check(self, key: str) -> None:
        """Check whether a key can be written, without writing.

        Args:
            key: The key.

        Raises:
            UnsafePathError: The key leads outside of the destination.
            DestinationError: The key belongs to something other than a file, such as a folder.
        """

    async def existing(
        self, key: str, declared: Declared, how: Literal["size", "checksum", "none"]
    ) -> Existing | None:
        """Return the existing file of a key, if the file is complete and valid.

        Args:
            key: The key.
            declared: The expected size and checksum.
            how: What to compare: the size, also the checksum, or nothing.

        Raises:
            UnsafePathError: The key leads outside of the destination.
            DestinationError: The key belongs to something other than a file, such as a folder.
        """

    async def head(self, key: str, size: int) -> bytes:
        """Return the first bytes of an existing file. A file that cannot be read has no bytes.

        Args:
            key: The key.
            size: Maximum number of bytes.

        Raises:
            UnsafePathError: The key leads outside of the destination.
        """

    def open_upload(
        self, key: str, source: str, declared: Declared, hashed: bool = False, wait: bool = False
    ) -> AbstractAsyncContextManager[Upload]:
        """Start or resume the upload of a file.

        Leaving the context without a commit keeps the received bytes if a later upload from the
        same source can resume it.

        Args:
            key: The key.
            source: Identity of the source. Bytes from another source are not resumed.
            declared: The expected size and checksum.
            hashed: Compute a checksum even if none is declared.
            wait: Wait while another upload of the key is open.

        Raises:
            BusyError: Another upload of the key is open, and `wait` is False.
            UnsafePathError: The key leads outside of the destination.
            DestinationError: The upload cannot be opened.
        """

    async def read(self, key: str) -> StoredDocument | None:
        """Return a small file, such as a document.

        Args:
            key: The key.

        Returns:
            The content and the version. None if there is no such file.

        Raises:
            UnsafePathError: The key leads outside of the destination.
            DestinationError: The request failed.
        """

    def blocks(self, key: str) -> AsyncIterator[bytes]:
        """Yield the content of a file in blocks.

        Args:
            key: The key.

        Raises:
            UnsafePathError: The key leads outside of the destination.
            DestinationError: There is no such file, or the file cannot be read.
        """

    async def write(self, key: str, data: bytes, replaces: str | None = ANY_VERSION) -> str:
        """Replace a small file, such as a document, as a whole.

        Args:
            key: The key.
            data: The content.
            replaces: The version that `read` returned, or None if there was no file. By default,
                any version is replaced.

        Returns:
            The new version.

        Raises:
            VersionError: The file has another version.
            UnsafePathError: The key leads outside of the destination.
            DestinationError: The file cannot be written.
        """

    def list_files(self, prefix: str = "") -> AsyncIterator[ListedFile]:
        """Yield the files of the destination in any order, with those of unfinished uploads.

        Args:
            prefix: Start of the keys, such as `item-1/`.

        Raises:
            DestinationError: The destination cannot be listed.
        """

    async def remove(self, key: str, version: str = ANY_VERSION) -> None:
        """Remove a file. A missing file is no error.

        Args:
            key: The key.
            version: The version that `read` returned. By default, any version is removed.

        Raises:
            VersionError: The file has another version.
            UnsafePathError: The key leads outside of the destination.
            DestinationError: The file cannot be removed.
        """

    def leftovers(self) -> AsyncIterator[Leftover]:
        """Yield the part files, notes, locks and unfinished uploads of interrupted runs.

        Raises:
            DestinationError: The destination cannot be listed.
        """

    async def remove_leftover(self, leftover: Leftover) -> bool:
        """Remove a leftover that is not in use.

        Args:
            leftover: The leftover, as `leftovers` returned it.

        Returns:
            Whether the leftover was removed.

        Raises:
            DestinationError: The leftover cannot be removed.
        """

    async def omitted_files(self) -> list[OmittedFile]:
        """Return the entries that `list_files` leaves out such as unreadable folders.

        These are folders that cannot be listed, symlinks that lead outside of the destination, and
        files that are not regular. Object stores have none of them.
        """

    def real_key(self, location: str) -> str:
        """Return the key of the file that a location leads to, with all symlinks resolved.

        All locations of a file have the same real key.

        Args:
            location: The file as documents name it: an absolute path, or a URL.

        Raises:
            UnsafePathError: The location leads outside of the destination, or names no file.
        """

    async def inspect(self, key: str, declared: Declared, read: bool = False) -> FileFacts | None:
        """Return the facts about a complete file for a verification. A missing file has no facts.

        Args:
            key: The key.
            declared: The expected size and checksum. A file of another size is not read.
            read: Read the content in any case. By default, a destination may return the checksum
                that was recorded when the file was written.

        Raises:
            UnsafePathError: The key leads outside of the destination.
            DestinationError: The request failed.
        """

    def open_copy(self, key: str) -> AbstractAsyncContextManager[Path]:
        """Open a file of this machine with the content of a key, for readers of local files.

        The file must not be changed. Its path does not exist if there is no such file.

        Args:
            key: The key.

        Raises:
            UnsafePathError: The key leads outside of the destination.
            DestinationError: The request failed.
        """

    async def remove_leftovers(self, key: str, only_outdated: bool = False) -> None:
        """Remove the received bytes of interrupted uploads of a key. The file of the key stays.

        Args:
            key: The key.
            only_outdated: Keep an upload that can still replace the present file, if another run
                may have the upload open.
        """


class Destinations(Protocol):
    """The destinations of a run."""

    def destination_of(self, directory: str) -> Destination:
        """Return the destination of a planned transfer.

        Args:
            directory: The value of `Transfer.directory`.
        """
