"""Uploads to the local file system. Implements `Upload` of `destinations.interface`."""

from __future__ import annotations

import hashlib
from contextlib import suppress

from stac_asset.destinations.local.digest import FollowingDigest
from stac_asset.destinations.local.hashing import BackgroundHashing
from stac_asset.destinations.local.offload import AdaptiveOffload, WriteScheduler
from stac_asset.destinations.local.part_file import PartFile
from stac_asset.destinations.local.resume import resume
from stac_asset.destinations.local.resume_note import ResumeNote
from stac_asset.destinations.missing_ranges import ByteRange, MissingRanges
from stac_asset.destinations.upload_state import StatefulUpload, UploadState, check_checksum
from stac_asset.destinations.values import Declared
from stac_asset.errors import DestinationError
from stac_asset.pipes import Chunk, PipedBytes

_MIN_NOTED = 64 * 1024
"""Minimum number of received bytes for a resume note. With fewer bytes, a later run starts over."""


_START = 64
"""Number of bytes at the start of a file that are kept for `head`."""


class LocalUpload(StatefulUpload):
    """The upload of a file to a part file.

    Args:
        part: The open part file. Its bytes are resumed or removed.
        source: Identity of the source.
        declared: The expected size and checksum.
        hashed: Compute a checksum even if none is declared.
        writes: Runs the writes of all uploads of a run.
        commits: Runs the commits of all uploads of a run.

    Raises:
        DestinationError: The bytes of an earlier run cannot be removed.
    """

    accepts_pipes = True
    """Whether `write` and `put` also accept `PipedBytes`."""

    def __init__(
        self,
        part: PartFile,
        source: str,
        declared: Declared,
        hashed: bool,
        writes: WriteScheduler,
        commits: AdaptiveOffload,
    ) -> None:
        self._part = part
        self._source = source
        self._declared = declared
        self._hashed = hashed or declared.checksum is not None
        self._writes, self._commits = writes, commits
        self._received_since_note = 0
        self._start = b""
        """The first bytes, if received by this upload."""
        self._state = UploadState(declared.size)
        self._resume()
        self._hashing = self._new_hashing()

    def _resume(self) -> None:
        found = self._part.length
        usable = None
        if found:
            usable = resume(self._part.note.read(), self._digest(), found, self._declared.size)
        if usable is None:
            if found:
                self._part.truncate()
            # A note of an earlier run does not describe the new bytes.
            self._part.note.remove()
            return
        if usable.truncate:
            self._part.truncate(usable.offset)
        self._state.offset, self._state.validator = usable.offset, usable.validator
        self._state.size, self._state.missing = usable.size, usable.missing
        self._part.note.written = True

    def _digest(self) -> str:
        """Return the digest of the source, as notes contain it."""
        return hashlib.sha256(self._source.encode(errors="surrogatepass")).hexdigest()

    def _new_hashing(self) -> BackgroundHashing | None:
        if not self._hashed:
            return None
        digest = FollowingDigest(self._part.fd, self._declared.checksum)
        return BackgroundHashing(digest, self._part.path, lambda: self._state.prefix)

    @property
    def replaces(self) -> bool:
        """Whether the key had a file when the upload was opened."""
        return self._part.replaces

    async def write(self, data: Chunk) -> None:
        """Append bytes.

        Args:
            data: The bytes after the received ones.

        Raises:
            DestinationError: The bytes cannot be written.
            RangeError: The response is longer than announced.
            SizeError: The file is larger than declared.
        """
        state = self._state
        state.check_room(len(data))
        await self._writes(self._write_at, data, state.offset)
        if not state.offset and not isinstance(data, PipedBytes):
            self._start = bytes(data[:_START])
        state.offset += len(data)
        if state.validator and not self._part.note.written and self._needs_note():
            self._write_note()
        if self._hashing is not None:
            self._hashing.proceed()

    def _write_at(self, data: Chunk, position: int) -> None:
        self._part.write_at(data, position)
        hashing = self._hashing
        if isinstance(data, PipedBytes):
            return  # A thread hashes the bytes from the file.
        if hashing is not None and hashing.digest.position == position:
            hashing.digest.update(memoryview(data))

    def _needs_note(self) -> bool:
        # A complete file of this size is renamed before a note would help.
        offset = self._state.offset
        is_small_and_complete = offset == self._state.size and offset <= 2 * _MIN_NOTED
        return offset >= _MIN_NOTED and not is_small_and_complete

    async def split(self) -> None:
        """Let the rest of the file arrive in several byte ranges. The size must be known."""
        size = self._state.size
        assert size is not None, "a file of unknown size cannot be split"
        self._state.missing = MissingRanges(size, [ByteRange(self._state.offset, size)])
        self._write_note()

    async def put(self, target: ByteRange, data: Chunk) -> None:
        """Write bytes at the start of a missing range, and shorten the range.

        Args:
            target: One of the ranges in `missing`.
            data: The bytes.

        Raises:
            DestinationError: The bytes cannot be written.
        """
        missing = self._state.missing
        assert missing is not None, "the target is one of the missing ranges"
        await self._writes(self._write_at, data, target.position)
        missing.advance(target, len(data))
        self._state.offset += len(data)
        self._received_since_note += len(data)
        # After a kill, up to 64 KiB of each range in progress are downloaded again.
        if self._received_since_note >= _MIN_NOTED * missing.taken:
            self._write_note()
        if self._hashing is not None:
            self._hashing.proceed()

    def _write_note(self) -> None:
        self._received_since_note = 0
        state = self._state
        assert state.validator is not None, "only bytes of a known version can be resumed"
        self._part.write_note(
            ResumeNote(self._digest(), state.validator, state.size, state.missing)
        )

    async def head(self, size: int) -> bytes:
        """Return the first received bytes.

        Args:
            size: Maximum number of bytes.

        Raises:
            DestinationError: The bytes cannot be read.
        """
        size = min(size, self._state.prefix)
        return self._start[:size] if size <= len(self._start) else self._part.head(size)

    async def restart(self) -> None:
        """Discard the received bytes."""
        await self._pause()
        self._part.truncate()
        self._state = UploadState(self._declared.size)
        self._received_since_note = 0
        self._start = b""
        self._hashing = self._new_hashing()

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
        self._state.check_complete()
        if self._hashing is not None:
            await self._hashing.finish()
        return await self._commits(self._verify_and_commit)

    def _verify_and_commit(self) -> str | None:
        computed = None
        if self._hashing is not None:
            while self._hashing.unhashed:
                self._hashing.follow()
            computed = self._hashing.digest.multihash()
        check_checksum(self._declared.checksum, computed)
        self._part.commit()
        return str(computed) if computed is not None else None

    async def discard(self) -> None:
        """Discard the received bytes and end the upload. The previous file stays."""
        await self._pause()
        self._part.discard()

    async def close(self) -> None:
        """Wait for the hashing thread, and record the missing ranges for a later run."""
        try:
            await self._pause()
        finally:
            if self._received_since_note and self._part.note.written:
                with suppress(DestinationError):  # The next run downloads a few bytes again.
                    self._write_note()

    async def _pause(self) -> None:
        if self._hashing is not None:
            await self._hashing.pause()
