"""Internal: objects of a bucket, as requests and listings describe the objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A complete object of the bucket."""

    key: str
    """The key in the bucket."""

    size: int
    """Size in bytes."""

    etag: str
    """The ETag, which identifies the content."""

    changed: float = 0.0
    """Time of the last change in seconds since the epoch, by the clock of the service."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    """The metadata of the object. Objects of a listing have no metadata."""

    generation: str | None = None
    """The generation of the object, in Google Cloud Storage. Listings have no generation."""

    @property
    def version(self) -> str:
        """The generation, or else the ETag."""
        return self.generation or self.etag
