"""Messages about the progress of a download.

The download functions put messages into the `messages` queue of the caller. Hrefs are redacted, so
that a message never contains the query of a signed URL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from yarl import URL

if TYPE_CHECKING:
    from stac_asset.destinations.location import Location


@dataclass(frozen=True, slots=True)
class Message:
    """Base class of all messages."""


@dataclass(frozen=True, slots=True)
class StartAssetDownload(Message):
    """Sent before the first request to a source href.

    If an asset has alternate hrefs, one message is sent for each href that is tried.
    """

    key: str
    """The asset key."""

    owner_id: str | None
    """The id of the item or collection that owns the asset, if any."""

    href: str
    """The source href, redacted."""

    path: Location
    """The destination file: a `Path`, or a `StorePath` in an object store."""


@dataclass(frozen=True, slots=True)
class OpenUrl(Message):
    """Sent when the response to a download request arrives."""

    url: URL
    """The URL, redacted."""

    size: int | None
    """Size of the whole file, in bytes, if the source reports a size."""


@dataclass(frozen=True, slots=True)
class WriteChunk(Message):
    """Sent when bytes are written. Dropped if the queue is full."""

    href: str
    """The source href, redacted."""

    path: Location
    """The destination file, which appears when the download is complete."""

    size: int
    """Number of bytes written."""


@dataclass(frozen=True, slots=True)
class FinishAssetDownload(Message):
    """Sent when the file of an asset is complete."""

    key: str
    """The asset key."""

    href: str
    """The source href, redacted."""

    path: Location
    """The destination file: a `Path`, or a `StorePath` in an object store."""


@dataclass(frozen=True, slots=True)
class SkipAssetDownload(Message):
    """Sent when an asset is skipped because the file already exists."""

    key: str
    """The asset key."""

    path: Location
    """The destination file: a `Path`, or a `StorePath` in an object store."""


@dataclass(frozen=True, slots=True)
class ErrorAssetDownload(Message):
    """Sent when the download of an asset fails."""

    key: str
    """The asset key."""

    href: str
    """The source href, redacted. Empty if the download could not be planned."""

    path: Location
    """The destination file, or the destination directory if the download could not be planned."""

    error: Exception
    """The reason for the failure."""
