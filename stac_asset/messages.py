"""Progress, as frozen events that a queue carries.

What shows them (a bar, a log, metrics) lives elsewhere. Hrefs are redacted: a message never
holds the query of a signed URL.
"""

from dataclasses import dataclass
from pathlib import Path

from yarl import URL


@dataclass(frozen=True, slots=True)
class Message:
    """A message about downloading."""


@dataclass(frozen=True, slots=True)
class StartAssetDownload(Message):
    """Sent when an asset starts downloading."""

    key: str
    """The asset key."""

    owner_id: str | None
    """The id of the item or collection that owns the asset, if any."""

    href: str
    """Where it is fetched from."""

    path: Path
    """The file that it becomes."""


@dataclass(frozen=True, slots=True)
class OpenUrl(Message):
    """Sent when a URL was opened."""

    url: URL
    """The URL."""

    size: int | None
    """Bytes of the whole file, if the source says."""


@dataclass(frozen=True, slots=True)
class WriteChunk(Message):
    """Sent when some bytes were written."""

    href: str
    """Where they came from."""

    path: Path
    """The file that they will be part of."""

    size: int
    """How many bytes."""


@dataclass(frozen=True, slots=True)
class FinishAssetDownload(Message):
    """Sent when an asset's file is in its place."""

    key: str
    """The asset key."""

    href: str
    """Where it was fetched from."""

    path: Path
    """The file."""


@dataclass(frozen=True, slots=True)
class SkipAssetDownload(Message):
    """Sent when an asset is not downloaded because its file is there."""

    key: str
    """The asset key."""

    path: Path
    """The file."""


@dataclass(frozen=True, slots=True)
class ErrorAssetDownload(Message):
    """Sent when an asset could not be downloaded."""

    key: str
    """The asset key."""

    href: str
    """Where it was to be fetched from; empty if it could not even be planned, as the error says."""

    path: Path
    """The file that it would have become; the directory of all if it could not be planned."""

    error: Exception
    """Why."""
