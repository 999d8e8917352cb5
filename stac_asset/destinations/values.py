"""Arguments, results and errors of destinations. All values are frozen.

`interface` has the protocols whose methods take, return and raise these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from stac_asset.errors import DestinationError
from stac_asset.integrity import Multihash

ANY_VERSION: Final = "*"
"""The version of `Destination.write` for an unconditional write."""

MAX_DOCUMENT: Final = 128 * 1024 * 1024
"""Maximum size, in bytes, of the documents that `Destination.read` returns."""


class BusyError(Exception):
    """Raised when another process, or another asset, is writing the same file."""


class VersionError(DestinationError):
    """Raised when another run replaced a document between the read and the write."""

    @staticmethod
    def of(location: str) -> VersionError:
        """Return the error for a file.

        Args:
            location: The path or URL of the file.
        """
        return VersionError(
            f"{location} was written by another run at the same time, and is not replaced. "
            "Start one run at a time for a destination."
        )


@dataclass(frozen=True, slots=True)
class Declared:
    """The size and checksum that an item declares for a file."""

    size: int | None = None
    """Size in bytes, from `file:size`."""

    checksum: Multihash | None = None
    """Checksum, from `file:checksum`."""


@dataclass(frozen=True, slots=True)
class Existing:
    """A complete file in a destination."""

    size: int
    """Size in bytes."""


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A small file of a destination, as read."""

    data: bytes
    """The content. Empty if the file is larger than `MAX_DOCUMENT`."""

    version: str
    """Identifies the version of the file for `Destination.write`."""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file of a listing."""

    key: str
    """The key."""

    size: int
    """Size in bytes."""

    version: str
    """Identifies the version of the file for `Destination.write`."""

    changed: float
    """Time of the last change in seconds since the epoch, by the clock of the destination."""


@dataclass(frozen=True, slots=True)
class OmittedFile:
    """An entry of a directory that a listing leaves out, such as a pipe."""

    key: str
    """The key of the entry. Empty for the directory itself."""

    reason: str
    """The reason, such as an error of the operating system."""

    is_folder: bool = False
    """Whether the entry is a folder that cannot be listed."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """Files or bytes of an interrupted run, such as a part file or an unfinished upload."""

    location: str
    """The part file or note, or the object of an unfinished upload: a path or a URL."""

    age: float
    """Seconds since the last write, by the clock of the destination."""

    size: int = 0
    """Number of stored bytes."""

    keys: tuple[str, ...] = ()
    """The keys of the files to remove."""

    upload: str | None = None
    """The id of the unfinished upload, if any, for the object of the first key."""

    is_foreign: bool = False
    """Whether another program may have started the upload, because no note names the upload."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """The facts about a complete file that a verification compares with the document."""

    size: int = 0
    """Size in bytes."""

    checksum: Multihash | None = None
    """The checksum of the content, with the algorithm of the declared checksum, if compared."""

    problem: str | None = None
    """The reason why the file is no usable file, if any."""
