"""Internal: the shares of an earlier coordinating run that was killed or failed."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from prefect_stac_asset.flows.distribution.deployment import ShareRuns
from prefect_stac_asset.flows.distribution.documents import complete
from prefect_stac_asset.flows.distribution.folder import ShareFolder
from prefect_stac_asset.flows.distribution.shares import Share
from prefect_stac_asset.flows.distribution.tracking import LEASE_EXPIRY
from stac_asset.concurrency import bounded
from stac_asset.errors import SourceError
from stac_asset.types import Failed, Outcome

_CONCURRENT_READS = 16

_STOP_INTERVAL = 2.0
"""Seconds between two listings while runs of earlier shares stop."""

_STOPPED = "Another run downloads the items of this share in other shares."
"""Message of the state of a run with a share that is no longer needed."""


@dataclass(slots=True)
class Leftovers:
    """The shares of an earlier coordinating run. Created by `read_leftovers`."""

    finished: dict[str, list[Outcome]] = field(default_factory=dict)
    """The outcomes of items without failed assets in downloaded shares, by digest."""

    unfinished: dict[str, Share] = field(default_factory=dict)
    """The shares without a result, by name."""

    ids: set[str] = field(default_factory=set)
    """The names of all shares."""

    _share_of: dict[str, str] = field(default_factory=dict)
    _planned: Counter[str] = field(default_factory=Counter)

    def add(self, share: Share, outcomes: list[list[Outcome]] | None) -> None:
        """Add a share.

        Args:
            share: The share.
            outcomes: The outcomes of its items, if the share was downloaded.
        """
        if outcomes is None:
            self.unfinished[share.id] = share
            self._share_of |= {item.digest: share.id for item in share.items}
            return
        for digest, ended in complete(share, outcomes).items():
            if not any(isinstance(one, Failed) for one in ended):
                self.finished[digest] = ended

    def plan(self, digest: str) -> None:
        """Record that the current run plans an item.

        Args:
            digest: The digest of the item.
        """
        if digest in self._share_of:
            self._planned[self._share_of[digest]] += 1

    def adopted(self) -> dict[str, Share]:
        """Return the unfinished shares with only items that are planned unchanged, by name.

        The runs of these shares continue.
        """
        return {
            id: share
            for id, share in self.unfinished.items()
            if self._planned[id] == len(share.items)
        }


async def read_leftovers(folder: ShareFolder) -> Leftovers:
    """Return the shares of an earlier run. Invalid shares are removed.

    Args:
        folder: The folder of the shares.

    Raises:
        DestinationError: A request failed.
    """
    found = Leftovers()
    files = await folder.files()
    invalid = {id for id, one in files.items() if not one.has_share}

    async def read(id: str) -> tuple[str, Share | None, list[list[Outcome]] | None]:
        try:
            share = await folder.read(id)
        except SourceError:
            return id, None, None
        return id, share, await folder.result(share) if files[id].has_result else None

    async for id, share, outcomes in bounded(
        read, sorted(files.keys() - invalid), _CONCURRENT_READS
    ):
        if share is None:
            invalid.add(id)
        else:
            found.ids.add(id)
            found.add(share, outcomes)
    await folder.remove(invalid)
    return found


async def stop_shares(ids: set[str], folder: ShareFolder, runs: ShareRuns) -> None:
    """Cancel the runs of shares, wait for the end of the runs, and remove the shares.

    Args:
        ids: The names of the shares.
        folder: The folder of the shares.
        runs: The runs of the deployment.

    Raises:
        DestinationError: A request failed.
    """
    for id in ids:
        _, run = await runs.last_attempt(id)
        if run is not None:
            await runs.cancel(run.id, _STOPPED)
    now = asyncio.get_running_loop().time
    leases: dict[str, tuple[str, float]] = {}
    while True:
        files = await folder.files()
        waiting = False
        for id in ids & files.keys():
            version = files[id].lease
            if version is None:
                continue
            if leases.get(id, ("", 0.0))[0] != version:
                leases[id] = version, now()
            waiting |= now() - leases[id][1] <= LEASE_EXPIRY
        if not waiting:
            break
        await asyncio.sleep(_STOP_INTERVAL)
    await folder.remove(ids)
