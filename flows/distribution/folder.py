"""Internal: the folder of a destination with the documents of shares.

| object | content |
|---|---|
| `<id>.json` | the share, written once by the coordinating run |
| `<id>.lease.json` | the lease of the run that downloads the share |
| `<id>.begun.json` | shows that an earlier run began to download the share |
| `<id>.result.ndjson` | the result, written once by the run that downloaded the share |

The coordinating run removes the objects when it has recorded the results.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from prefect_stac_asset.flows.distribution.documents import parse_result, parse_share
from prefect_stac_asset.flows.distribution.shares import Share
from stac_asset.concurrency import bounded
from stac_asset.destinations import Destination, VersionError
from stac_asset.destinations.location import StorePath, location_of
from stac_asset.errors import DestinationError, SourceError
from stac_asset.mirror.storage.lease import Lease, held_lease
from stac_asset.types import Outcome

RENEWAL = 5.0
"""Seconds between two renewals of the lease of a share."""

_NAME = re.compile(r"([0-9a-f]{32})\.(json|lease\.json|begun\.json|result\.ndjson)")
_SHARE, _LEASE, _BEGUN, _RESULT = "json", "lease.json", "begun.json", "result.ndjson"

_CONCURRENT_REQUESTS = 16


@dataclass(slots=True)
class ShareFiles:
    """The objects of a share, as listed."""

    has_share: bool = False
    """Whether the share itself exists."""

    has_result: bool = False
    """Whether the share was downloaded."""

    lease: str | None = None
    """The version of the lease, if any."""


class ShareFolder:
    """The documents of the shares of a destination.

    Args:
        destination: The destination of the folder.
        place: The location of the folder.
    """

    def __init__(self, destination: Destination, place: StorePath) -> None:
        self._destination = destination
        self.place = place
        """The location of the folder."""

    def href(self, id: str) -> str:
        """Return the href of a share.

        Args:
            id: The name of the share.
        """
        return str(self.place / f"{id}.{_SHARE}")

    def result_href(self, id: str) -> str:
        """Return the href of the result of a share.

        Args:
            id: The name of the share.
        """
        return str(self.place / f"{id}.{_RESULT}")

    async def files(self) -> dict[str, ShareFiles]:
        """Return the objects of all shares, with a single listing.

        Raises:
            DestinationError: The folder cannot be listed.
        """
        found: dict[str, ShareFiles] = {}
        async for file in self._destination.list_files():
            if match := _NAME.fullmatch(file.key):
                files = found.setdefault(match[1], ShareFiles())
                files.has_share |= match[2] == _SHARE
                files.has_result |= match[2] == _RESULT
                files.lease = file.version if match[2] == _LEASE else files.lease
        return found

    async def write(self, id: str, data: bytes) -> None:
        """Write a share.

        Args:
            id: The name of the share.
            data: The document.

        Raises:
            DestinationError: The document cannot be written.
        """
        await self._destination.write(f"{id}.{_SHARE}", data)

    async def read(self, id: str) -> Share:
        """Return a share.

        Args:
            id: The name of the share.

        Raises:
            SourceError: There is no such share, or it is invalid.
            DestinationError: The request failed.
        """
        found = await self._destination.read(f"{id}.{_SHARE}")
        if found is None:
            raise SourceError(
                f"Share '{self.href(id)}' does not exist. The flow run that wrote the share has "
                "ended, or `share` is no href of a share."
            )
        return parse_share(id, self.place, found.data)

    async def result(self, share: Share) -> list[list[Outcome]] | None:
        """Return the outcomes of each item of a share, if the share was downloaded.

        A damaged result is removed, so that the share is downloaded again.

        Args:
            share: The share.

        Raises:
            DestinationError: The request failed.
        """
        found = await self._destination.read(f"{share.id}.{_RESULT}")
        if found is None:
            return None
        try:
            return parse_result(share, found.data)
        except SourceError:
            with suppress(VersionError):
                await self._destination.remove(f"{share.id}.{_RESULT}", found.version)
            return None

    async def write_result(self, id: str, data: bytes) -> None:
        """Write the result of a share.

        Args:
            id: The name of the share.
            data: The document.

        Raises:
            DestinationError: The document cannot be written.
        """
        await self._destination.write(f"{id}.{_RESULT}", data)

    async def begin(self, id: str) -> float | None:
        """Record that a run begins to download a share.

        Args:
            id: The name of the share.

        Returns:
            If an earlier run began before, the time when the share was written, in seconds since
            the epoch by the clock of the store. Otherwise None.

        Raises:
            DestinationError: A request failed.
        """
        try:
            await self._destination.write(f"{id}.{_BEGUN}", b"{}\n", None)
        except VersionError:
            prefix = f"{id}.{_SHARE}"
            listed = [one async for one in self._destination.list_files(prefix)]
            return next((one.changed for one in listed if one.key == prefix), None)
        return None

    @asynccontextmanager
    async def lease(self, id: str) -> AsyncIterator[Lease]:
        """Hold the lease of a share. A single run downloads a share at a time.

        Args:
            id: The name of the share.

        Raises:
            DestinationError: Another run downloads the share, or a request failed.
        """
        busy = (
            f"Share '{self.href(id)}' is being downloaded by another run. This run does nothing, "
            "because the other run downloads all of its items."
        )
        opened = held_lease(self._destination, self.href(id), RENEWAL, f"{id}.{_LEASE}", busy)
        async with opened as lease:
            yield lease

    async def end_lease(self, id: str, version: str) -> None:
        """Remove the lease of a run that was killed.

        Args:
            id: The name of the share.
            version: The version of the lease that was not renewed. Another version stays.

        Raises:
            DestinationError: The request failed.
        """
        with suppress(VersionError):
            await self._destination.remove(f"{id}.{_LEASE}", version)

    async def remove(self, ids: Iterable[str]) -> None:
        """Remove the objects of shares. Missing objects are no error.

        Args:
            ids: The names of the shares.

        Raises:
            DestinationError: An object cannot be removed.
        """
        # The share is removed first: a run that starts late then finds no share.
        for kinds in ((_SHARE,), (_LEASE, _BEGUN, _RESULT)):
            keys = [f"{id}.{kind}" for id in ids for kind in kinds]
            async for _ in bounded(self._destination.remove, keys, _CONCURRENT_REQUESTS):
                pass


def share_of(href: str) -> tuple[StorePath, str]:
    """Return the folder and the name of a share.

    Args:
        href: The href of the share.

    Raises:
        DestinationError: The href is no href of a share in an object store.
    """
    location = location_of(href, "share")
    match = _NAME.fullmatch(location.name)
    if not isinstance(location, StorePath) or match is None or match[2] != _SHARE:
        raise DestinationError(
            f"`share` '{href[:200]}' is no share in an object store. `sync` and "
            "`download_item_collection` write shares if `distribute` is set."
        )
    return location.parent, match[1]
