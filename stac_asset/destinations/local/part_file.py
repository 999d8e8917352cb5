"""One destination file on the local disk: begun or continued, verified, committed or dropped.

Bytes go to a part file beside the target. Only a whole, verified and synced file gets the final
name, by a rename; until then what stood there stays. A part file of more than 64 KiB has a note
beside it that says what it is part of, so that a later attempt, of this process or another, can
continue it. With `locks`, `notes`, `fence` and `digest` this is all that knows a local disk.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from stac_asset.destinations.local.containment import Fence, Writing
from stac_asset.destinations.local.digest import FollowingDigest
from stac_asset.destinations.local.lock import open_locked
from stac_asset.destinations.local.missing_ranges import Piece, Pieces
from stac_asset.destinations.local.part_names import beside
from stac_asset.destinations.local.resume_note import Note, NoteFile, read_note
from stac_asset.errors import (
    ChecksumError,
    RangeError,
    SizeError,
    TruncatedError,
)
from stac_asset.integrity import Multihash

_NOTE_FROM = 64 * 1024
"""Bytes from which on a part file is worth a note; smaller ones are fetched again, and so are
those up to twice as large that are whole, and are killed in the moment before they are renamed."""


_ENDLESS = sys.maxsize
"""Bytes of a file of which nobody says how many they are."""


class PartFile:
    """A file while its bytes arrive; use it as a context manager.

    Args:
        path: The final, absolute path.
        directory: The directory that the file may not leave.
        source: What the bytes come from; a part file of another source is not continued.
        make_directory: Whether the directory may be made; the folders in it always may.
        expected: The multihash that the file must have, if known.
        hashed: Whether to compute a digest though there is nothing to compare it with.
        stated: Bytes that the file must have by its asset's word, if that says.
        wait: Whether to block while somebody else is writing this file.

    Raises:
        UnsafePathError: The path leaves the directory, by its parts or by a symlink.
        BusyError: Somebody else is writing this file.
        DestinationError: The file cannot be made.
    """

    offset: int
    """How many bytes it holds."""

    validator: str | None
    """What the source called the version that these bytes are of."""

    pieces: Pieces | None
    """What is missing, where the file arrives in pieces."""

    def __init__(
        self,
        path: Path | str,
        directory: Path | str | Fence,
        source: str,
        make_directory: bool = True,
        expected: Multihash | None = None,
        hashed: bool = False,
        stated: int | None = None,
        wait: bool = False,
    ) -> None:
        self._path = os.fspath(path)
        self._source = source
        self._part, note = beside(self._path)
        self._note = NoteFile(note)
        self._expected = expected
        self._hashed = hashed or expected is not None
        self._done = False
        self._unnoted = 0
        self._size: int | None = None
        self._stated = stated
        self._end = _ENDLESS if stated is None else stated
        self._writing = Writing(self._path)
        fence = directory if isinstance(directory, Fence) else Fence(directory)
        with self._writing:
            fence.check(self._path)
            may_make = make_directory or os.path.isdir(fence.directory)
            self._fd, self._found = open_locked(self._part, self._path, may_make, wait)
        try:
            with self._writing:
                self._resume(note)
            self._digest = self._new_digest()
        except BaseException:
            os.close(self._fd)
            raise

    def _resume(self, path: str) -> None:
        """Finds out how much of what is here can be used."""
        self.offset, self.validator, self.pieces = 0, None, None
        note = read_note(path) if self._found else None
        if note is None or note.source != self._name_of_source():
            if self._found:
                os.ftruncate(self._fd, 0)
            # One that a killed run left would say of the bytes to come what is not true.
            self._note.remove()
            return
        size, whole = self._found, note.size
        if self._stated is not None and whole not in (None, self._stated):
            self.restart()
            return
        if note.pieces is not None:
            if not note.pieces.fits(size):
                self.restart()
                return
            note.pieces.doubt_the_last()
            self.pieces, size = note.pieces, note.pieces.received
        elif whole is not None and size > whole:
            self.restart()
            return
        elif whole is None or size == whole:
            # Nothing may be missing, but a range past the end is refused. One byte asked for
            # again tells that the source still has this version.
            size -= 1
            os.ftruncate(self._fd, size)
        self.offset, self.validator, self._size = size, note.validator, whole
        self._note.written = True

    def _name_of_source(self) -> str:
        return hashlib.sha256(self._source.encode(errors="surrogatepass")).hexdigest()

    def _new_digest(self) -> FollowingDigest | None:
        return FollowingDigest(self._fd, self._expected) if self._hashed else None

    def start(
        self, offset: int, validator: str | None, size: int | None, end: int | None = None
    ) -> None:
        """Takes note of what the source is about to send.

        Args:
            offset: The position of the first byte that will come: 0 to start over, or the
                end of what is here.
            validator: What the source calls this version, if it can say.
            size: Bytes of the whole file, if the source says.
            end: The first byte that will not come, if the source says that it sends only a part.

        Raises:
            RangeError: The bytes would not fit to what is here, or are a part of nobody knows what.
            SizeError: The file has not the size that its asset says.
        """
        if offset and (offset != self.offset or validator != self.validator):
            self.restart()
            raise RangeError(f"the source sent bytes from {offset} on, which were not asked for")
        if offset and self._size is not None and size != self._size:
            if size is not None:
                self.restart()
                raise RangeError(f"the file changed its size to {size} bytes while it was fetched")
            size = self._size
        if size is None and end is not None:
            raise RangeError(f"the source sent bytes up to {end}, and does not say of how many")
        if self._stated not in (None, size) and size is not None:
            raise SizeError(f"the source has {size} bytes where file:size says {self._stated}")
        if not offset and self.offset:
            self.restart()
        self.validator = validator
        self._size = size
        known = size if size is not None else self._stated
        self._end = end if end is not None else _ENDLESS if known is None else known

    def restart(self) -> None:
        """Forgets what was received."""
        with self._writing:
            os.ftruncate(self._fd, 0)
            self._note.remove()
        self.offset, self.validator, self._size, self.pieces = 0, None, None, None
        self._unnoted = 0
        self._digest = self._new_digest()

    def write(self, data: bytes) -> None:
        """Writes the next bytes.

        Args:
            data: What follows on what is here.

        Raises:
            DestinationError: They cannot be written.
            RangeError: They are more than the source announced.
            SizeError: They are more than the file has by its asset's word.
        """
        if self.offset + len(data) > self._end:
            self._refuse()
        self.put(data, self.offset)
        self.offset += len(data)
        if not self._note.written and self.validator and self._is_worth_a_note():
            with self._writing:
                self._write_note()

    def _refuse(self) -> NoReturn:
        if self._size is None:
            raise SizeError(f"the source has more bytes than the {self._stated} of file:size")
        raise RangeError(f"the source sent more bytes than up to {self._end}, as it announced")

    def _is_worth_a_note(self) -> bool:
        whole = self.offset == self._size and self.offset <= 2 * _NOTE_FROM
        return self.offset >= _NOTE_FROM and not whole

    def split(self) -> None:
        """Lets the rest of the file, whose size is known, arrive in pieces."""
        assert self._size is not None, "who splits has looked"
        self.pieces = Pieces(self._size, [Piece(self.offset, self._size)])
        with self._writing:
            self._write_note()

    def put(self, data: bytes, position: int) -> None:
        """Writes bytes somewhere, and leaves it to `advance` to take note of them.

        Args:
            data: The bytes.
            position: Where the first of them belongs.

        Raises:
            DestinationError: They cannot be written.
        """
        with self._writing:
            size = len(data)
            written = os.pwrite(self._fd, data, position)
            while written < size:
                written += os.pwrite(self._fd, memoryview(data)[written:], position + written)
        digest = self._digest
        if digest is not None and digest.position == position:
            digest.update(memoryview(data))

    def advance(self, piece: Piece, size: int) -> None:
        """Takes note of bytes of a piece that were written.

        The note follows by some chunks: a kill costs 64 KiB for each piece that is in work.

        Args:
            piece: One of those that are missing.
            size: How many bytes.

        Raises:
            DestinationError: The note cannot be written.
        """
        assert self.pieces is not None, "there is a piece"
        self.pieces.advance(piece, size)
        self.offset += size
        self._unnoted += size
        if self._unnoted >= _NOTE_FROM * self.pieces.in_work:
            with self._writing:
                self._write_note()

    def _write_note(self) -> None:
        self._unnoted = 0
        self._note.write(Note(self._name_of_source(), self.validator, self._size, self.pieces))

    @property
    def size(self) -> int | None:
        """Bytes of the whole file, if the source said."""
        return self._size

    @property
    def stopped_short(self) -> bool:
        """Whether all has come that the source announced, and more can be asked for."""
        return (
            self.validator is not None
            and self._size is not None
            and self.offset == self._end < self._size
        )

    @property
    def room(self) -> int:
        """How many more bytes may come before the source is asked again."""
        return self._end - self.offset

    @property
    def unhashed(self) -> int:
        """How many bytes `hash_on` has to read, of those that have no gap before them."""
        return self._prefix() - self._digest.position if self._digest is not None else 0

    def hash_on(self) -> None:
        """Hashes bytes that are here, some megabytes at most.

        It may run in a thread while bytes are written, but not while anything else is done here.

        Raises:
            DestinationError: They cannot be read.
        """
        if self._digest is not None:
            with Writing(self._path):
                self._digest.follow(self._prefix())

    def _prefix(self) -> int:
        return self.offset if self.pieces is None else self.pieces.prefix

    def commit(self) -> str | None:
        """Verifies the file, syncs it, and gives it its final name.

        Returns:
            The file's multihash, if one was computed.

        Raises:
            TruncatedError: Fewer bytes came than the source announced.
            SizeError: The file has not the size that its asset says.
            ChecksumError: The file has not the digest that its asset says.
            DestinationError: It cannot be synced or renamed.
        """
        if self._size is not None and self.offset != self._size:
            raise TruncatedError(f"{self.offset} of {self._size} announced bytes arrived")
        if self._stated not in (None, self.offset):
            raise SizeError(
                f"the source has {self.offset} bytes where file:size says {self._stated}"
            )
        while self.unhashed:
            self.hash_on()
        got = self._digest.multihash() if self._digest is not None else None
        if got is not None and self._expected and not self._expected.matches(got.digest):
            raise ChecksumError(
                f"the bytes have the checksum {got} where file:checksum says {self._expected}"
            )
        with self._writing:
            os.fsync(self._fd)
            os.replace(self._part, self._path)
            self._done = True
            if self._note.written:
                self._note.remove()
        return str(got) if got is not None else None

    def drop(self) -> None:
        """Removes the part file."""
        with suppress(FileNotFoundError):
            os.unlink(self._part)
        self._note.remove()
        self._done = True

    def __enter__(self) -> PartFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._unnoted and not self._done and self._note.written:
            with suppress(OSError):  # The next run asks for a little more then.
                self._write_note()
        # A part file without a note helps nobody. After a commit the name is no longer ours.
        if not self._note.written and not self._done:
            with suppress(FileNotFoundError):
                os.unlink(self._part)
        self._note.close()
        os.close(self._fd)
