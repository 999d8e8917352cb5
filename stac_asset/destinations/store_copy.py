"""Values for copies within an object store, in which no byte passes through this process.

A client describes the object, and an upload lets the service copy the object. Both must use the
same service with the same credentials.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from stac_asset.integrity import Multihash


@dataclass(frozen=True, slots=True)
class StoreAccess:
    """An object store with the credentials of requests, for comparison only."""

    endpoint: tuple[str, str] | None
    """Origin and path of the endpoint URL, unless the service is AWS."""

    credentials: frozenset[str] = field(repr=False)
    """Digests that identify the credentials. Equal credentials share at least a single digest."""

    def is_same(self, other: StoreAccess) -> bool:
        """Return whether both use the same service with the same credentials.

        Args:
            other: The other access.
        """
        return self.endpoint == other.endpoint and bool(self.credentials & other.credentials)


CopyTarget: TypeAlias = Callable[[], Awaitable[StoreAccess | None]]
"""Returns the access of a destination that can copy objects."""


@dataclass(frozen=True, slots=True)
class StoredSource:
    """An object that the store of a destination can copy."""

    bucket: str
    """The name of the bucket."""

    key: str
    """The key in the bucket."""

    etag: str
    """The ETag. The store copies this version only."""

    size: int
    """Size in bytes."""

    checksums: tuple[Multihash, ...] = ()
    """Checksums of the whole object, as computed by the store."""

    requester_pays: bool = False
    """Whether the requester pays for reading the object."""


@dataclass(frozen=True, slots=True)
class StoreCopy:
    """A completed copy."""

    size: int
    """Size in bytes."""

    checksum: Multihash | None = None
    """The checksum of the object, if verified or computed by the store."""
