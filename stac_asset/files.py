"""One destination file on the local disk: begun or continued, verified, committed or dropped.

Bytes go to a part file beside the target. Only a whole, verified and synced file gets the final
name, by a rename; until then what stood there stays. A part file of more than 64 KiB has a note
beside it that says what it is part of, so that a later attempt, of this process or another, can
continue it. This is the only module that knows a local disk.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stac_asset.errors import (
    ChecksumError,
    DestinationError,
    RangeError,
    SizeError,
    TruncatedError,
    UnsafePathError,
)
from stac_asset.integrity import Hash, Multihash, new_hash

_NOTE_FROM = 64 * 1024
"""Bytes from which on a part file is worth a note; smaller ones are fetched again."""

_BLOCK = 1024 * 1024
_NAME_MAX = 255


class BusyError(Exception):
    """Raised when another process, or another asset, is writing the same file."""


class PartFile:
    """A file while its bytes arrive; use it as a context manager.

    Args:
        path: The final, absolute path.
        directory: The directory that the file may not leave.
        source: What the bytes come from; a part file of another source is not continued.
        make_directory: Whether directories may be made.
        expected: The multihash that the file must have, if known.
        hashed: Whether to compute a digest though there is nothing to compare it with.
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

    def __init__(
        self,
        path: Path,
        directory: Path,
        source: str,
        make_directory: bool = True,
        expected: Multihash | None = None,
        hashed: bool = False,
        wait: bool = False,
    ) -> None:
        self._path = path
        self._source = hashlib.sha256(source.encode(errors="surrogatepass")).hexdigest()
        self._part, self._note = part_paths(path)
        self._expected = expected
        self._hashed = hashed or expected is not None
        self._noted = False
        self._done = False
        self._size: int | None = None
        with _writing(path):
            check_contained(path, directory)
            if make_directory:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = self._open(wait)
        try:
            with _writing(path):
                self.offset, self.validator = self._resume_point()
            self._code, self._hash = self._new_hash()
        except BaseException:
            os.close(self._fd)
            raise

    def _open(self, wait: bool) -> int:
        how = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        while True:
            fd = os.open(self._part, flags, 0o666)
            try:
                fcntl.flock(fd, how)
            except BlockingIOError:
                os.close(fd)
                raise BusyError(str(self._path)) from None
            except OSError as error:
                # Some network file systems know no locks; two writers are then the operator's
                # care, as the documentation says.
                if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                    os.close(fd)
                    raise
            with suppress(FileNotFoundError):
                if os.fstat(fd).st_ino == os.stat(self._part).st_ino:
                    return fd
            os.close(fd)  # Whoever had the lock has renamed this very file in the meantime.

    def _resume_point(self) -> tuple[int, str | None]:
        size = os.fstat(self._fd).st_size
        if size:
            with suppress(OSError, ValueError, KeyError, TypeError):
                note = json.loads(self._note.read_bytes())
                source, validator, whole = note["source"], note["validator"], note["size"]
                fits = whole is None or size <= whole
                if source == self._source and isinstance(validator, str) and fits:
                    if whole is None or size == whole:
                        # Nothing may be missing, but a range past the end is refused. One byte
                        # asked for again tells that the source still has this version.
                        size -= 1
                        os.ftruncate(self._fd, size)
                    self._size, self._noted = whole, True
                    return size, validator
            os.ftruncate(self._fd, 0)
        return 0, None

    def _new_hash(self) -> tuple[int, Hash | None]:
        if not self._hashed:
            return 0, None
        code, running = new_hash(self._expected)
        position = 0
        while position < self.offset:
            block = os.pread(self._fd, min(_BLOCK, self.offset - position), position)
            running.update(block)
            position += len(block)
        return code, running

    def start(self, offset: int, validator: str | None, size: int | None) -> None:
        """Takes note of what the source is about to send.

        Args:
            offset: The position of the first byte that will come: 0 to start over, or the
                end of what is here.
            validator: What the source calls this version, if it can say.
            size: Bytes of the whole file, if the source says.

        Raises:
            RangeError: The bytes would not fit to what is here.
        """
        if offset and (offset != self.offset or validator != self.validator):
            self.restart()
            raise RangeError(f"the source sent bytes from {offset} on, which were not asked for")
        if offset and self._size is not None and size != self._size:
            self.restart()
            raise RangeError(f"the file changed its size to {size} bytes while it was fetched")
        if not offset:
            self.restart()
        self.validator = validator
        self._size = size

    def restart(self) -> None:
        """Forgets what was received."""
        with _writing(self._path):
            os.ftruncate(self._fd, 0)
            self._note.unlink(missing_ok=True)
        self.offset, self.validator, self._size, self._noted = 0, None, None, False
        self._code, self._hash = self._new_hash()

    def write(self, data: bytes) -> None:
        """Writes the next bytes.

        Args:
            data: What follows on what is here.

        Raises:
            DestinationError: They cannot be written.
        """
        with _writing(self._path):
            view = memoryview(data)
            while view:
                written = os.pwrite(self._fd, view, self.offset)
                if self._hash is not None:
                    self._hash.update(view[:written])
                self.offset += written
                view = view[written:]
            if self.validator is not None and not self._noted and self.offset >= _NOTE_FROM:
                self._write_note()

    def _write_note(self) -> None:
        note = {"source": self._source, "validator": self.validator, "size": self._size}
        self._note.unlink(missing_ok=True)  # It may be a symlink to elsewhere.
        with self._note.open("x") as file:
            file.write(json.dumps(note))
        self._noted = True

    def commit(self, size: int | None = None) -> str | None:
        """Verifies the file, syncs it, and gives it its final name.

        Args:
            size: Bytes that the file must have by its asset's word, if that says.

        Returns:
            The file's multihash, if one was computed.

        Raises:
            TruncatedError: Fewer or more bytes came than the source announced.
            SizeError: The file has not the size that its asset says.
            ChecksumError: The file has not the digest that its asset says.
            DestinationError: It cannot be synced or renamed.
        """
        if self._size is not None and self.offset != self._size:
            raise TruncatedError(f"{self.offset} of {self._size} announced bytes arrived")
        if size is not None and self.offset != size:
            raise SizeError(f"the source has {self.offset} bytes where file:size says {size}")
        digest = self._hash.digest() if self._hash else None
        if digest is not None and self._expected and not self._expected.matches(digest):
            got = Multihash(self._code, digest)
            raise ChecksumError(
                f"the bytes have the checksum {got} where file:checksum says {self._expected}"
            )
        with _writing(self._path):
            os.fsync(self._fd)
            os.replace(self._part, self._path)
            self._done = True
            self._note.unlink(missing_ok=True)
        return str(Multihash(self._code, digest)) if digest is not None else None

    def drop(self) -> None:
        """Removes the part file."""
        self._part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self._done = True

    def __enter__(self) -> PartFile:
        return self

    def __exit__(self, *_: object) -> None:
        # A part file without a note helps nobody. After a commit the name is no longer ours.
        if not self._noted and not self._done:
            self._part.unlink(missing_ok=True)
        os.close(self._fd)


def write_document(path: Path, data: bytes, directory: Path, make_directory: bool = True) -> None:
    """Writes a document whole or not at all.

    Args:
        path: Where it goes.
        data: What it holds.
        directory: The directory that it may not leave.
        make_directory: Whether directories may be made.

    Raises:
        UnsafePathError: The path leaves the directory.
        DestinationError: It cannot be written.
    """
    with PartFile(path, directory, "document", make_directory, wait=True) as part:
        part.start(0, None, len(data))
        part.write(data)
        part.commit()


def check_existing(
    path: Path,
    size: int | None,
    expected: Multihash | None,
    look: str,
    tidy: bool = True,
) -> int | None:
    """Returns the size of a file that is there and still good, or None.

    Args:
        path: The file.
        size: Bytes that it must have, if known.
        expected: The multihash that it must have, if known.
        look: How hard to look: `size`, `checksum` or `none`.
        tidy: Whether what a killed run left beside a finished file is removed.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    if not os.path.isfile(path):
        return None
    if look != "none" and size is not None and found.st_size != size:
        return None
    if (
        look == "checksum"
        and expected is not None
        and not expected.matches(file_digest(path, expected))
    ):
        return None
    if tidy:
        with suppress(OSError):  # What cannot be tidied harms nobody.
            _tidy(path)
    return found.st_size


def _tidy(path: Path) -> None:
    """Removes what a killed run left beside a finished file, unless it is somebody's just now."""
    part, note = part_paths(path)
    if not part.exists():
        note.unlink(missing_ok=True)
        return
    fd = os.open(part, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        with suppress(OSError):  # Somebody has the lock, or the file system knows none.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink(missing_ok=True)
            note.unlink(missing_ok=True)
    finally:
        os.close(fd)


def file_digest(
    path: Path, expected: Multihash, stopped: Callable[[], bool] = lambda: False
) -> bytes:
    """Returns the digest of a file, by the algorithm of a multihash.

    Args:
        path: The file, which is read block by block.
        expected: The multihash that it is to be compared with.
        stopped: Asked between blocks whether nobody wants to know any more.
    """
    _, running = new_hash(expected)
    with path.open("rb") as file:
        while not stopped() and (block := file.read(_BLOCK)):
            running.update(block)
    return running.digest()


def check_contained(path: Path, directory: Path) -> None:
    """Checks that a file lies in a directory, symlinks followed.

    Args:
        path: The file, which need not exist.
        directory: The directory.

    Raises:
        UnsafePathError: It does not.
    """
    root = os.path.realpath(directory)
    parent = os.path.realpath(path.parent)
    if parent != root and not parent.startswith(root.rstrip(os.sep) + os.sep):
        raise UnsafePathError(f"the file {path} would lie outside of the directory {directory}")
    if path.name in ("", ".", ".."):
        raise UnsafePathError(f"the path {path} names no file")
    if os.path.isdir(path):
        raise DestinationError(f"cannot write {path}: there is a directory of that name")


def part_paths(path: Path) -> tuple[Path, Path]:
    """Returns the part file of a file, and the note beside it.

    Args:
        path: The final path.
    """
    name = path.name
    if len(os.fsencode(name)) > _NAME_MAX - len("..part.json"):
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return path.with_name(f".{name}.part"), path.with_name(f".{name}.part.json")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, DestinationError):
            raise
        reason = error.strerror or type(error).__name__
        raise DestinationError(f"cannot write {path}: {reason}") from error
    except ValueError as error:
        if isinstance(error, UnsafePathError):
            raise
        raise UnsafePathError(f"the path {str(path)!r} cannot name a file") from error
