"""Internal: leases in an object store, of mirrors and of shares. One run has a lease at a time.

A store has no locks that end with a process. So a run writes a lease object, and renews it from
time to time. Another run starts only if the lease was removed, or was not renewed for half a
minute, as after a kill. Each write of a lease is conditional on the version that the run knows.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from stac_asset.destinations import Destination, VersionError
from stac_asset.errors import DestinationError
from stac_asset.mirror.layout import LOCK

logger = logging.getLogger(__name__)

RENEWAL = 10.0
"""Seconds between two renewals."""

_POLLS_PER_RENEWAL = 10
"""Number of reads of the lease by a waiting run in the time of a renewal."""

_RENEWALS_PER_EXPIRY = 3
"""Number of missed renewals after which a lease counts as abandoned."""


@asynccontextmanager
async def held_lease(
    destination: Destination,
    directory: str,
    renewal: float = RENEWAL,
    key: str = LOCK,
    busy: str | None = None,
) -> AsyncIterator[Lease]:
    """Hold a lease, by default that of a mirror. Wait for the end of an abandoned lease.

    Args:
        destination: The prefix with the lease object.
        directory: The URL of the leased prefix or object, for errors and log lines.
        renewal: Seconds between two renewals.
        key: The key of the lease object.
        busy: The text of the error if another run has the lease. By default, a text for mirrors.

    Raises:
        DestinationError: Another run has the lease, or a request failed.
    """
    lease = Lease(destination, directory, renewal, key, busy)
    await lease.take()
    renewing = asyncio.create_task(lease.keep())
    try:
        yield lease
    finally:
        lease.stopping.set()
        await renewing  # A cancelled request may have been carried out.
        with suppress(DestinationError):  # A lease that is not renewed ends.
            await lease.release()


class Lease:
    """The lease of a run.

    The clocks of two machines may differ. So a lease counts as abandoned if its version stays the
    same by the clock of this machine.

    Args:
        destination: The prefix with the lease object.
        directory: The URL of the leased prefix or object, for errors and log lines.
        renewal: Seconds between two renewals.
        key: The key of the lease object.
        busy: The text of the error if another run has the lease. By default, a text for mirrors.
    """

    def __init__(
        self,
        destination: Destination,
        directory: str,
        renewal: float,
        key: str = LOCK,
        busy: str | None = None,
    ) -> None:
        self._destination = destination
        self._directory = directory
        self._key = key
        self._busy_text = busy or (
            f"`directory` '{directory}' is being updated by another run. Wait for that run to end, "
            "or choose another directory."
        )
        self._renewal = renewal
        self._expiry = _RENEWALS_PER_EXPIRY * renewal
        self._owner, self._renewals = uuid.uuid4().hex, 0
        self._version: str | None = None
        self._renewed = 0.0
        self._writing = asyncio.Lock()
        self.stopping = asyncio.Event()
        """Ends `keep`."""

        self.lost = asyncio.Event()
        """Set when another run has taken the lease."""

    async def take(self) -> None:
        """Take the lease.

        Raises:
            DestinationError: Another run has the lease, or a request failed.
        """
        first: tuple[str, float] | None = None
        while (found := await self._destination.read(self._key)) is not None:
            if first is None:
                first = found.version, time.monotonic()
                logger.info("waiting for the end of the lease of %s", self._directory)
            if found.version != first[0]:
                raise self._busy()
            if time.monotonic() - first[1] >= self._expiry:
                break
            await asyncio.sleep(self._renewal / _POLLS_PER_RENEWAL)
        self._version = found.version if found is not None else None
        try:
            await self._write()
        except VersionError:
            raise self._busy() from None

    async def keep(self) -> None:
        """Renew the lease, until `stopping` is set or another run takes the lease."""
        while not self.stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), self._renewal)
                return
            try:
                await self._write()
            except VersionError:
                return
            except DestinationError as error:  # The next renewal may succeed.
                logger.warning("cannot renew the lease of %s: %s", self._directory, error)

    async def check(self) -> None:
        """Check that this run still has the lease. Renew a lease that may have been taken.

        Raises:
            VersionError: Another run has taken the lease.
            DestinationError: A request failed.
        """
        if time.monotonic() - self._renewed >= self._expiry - self._renewal:
            await self._write()

    async def release(self) -> None:
        """Remove the lease. The lease of another run stays.

        Raises:
            DestinationError: A request failed.
        """
        found = await self._destination.read(self._key)
        if found is not None and found.version == self._version:
            with suppress(VersionError):
                await self._destination.remove(self._key, found.version)

    async def _write(self) -> None:
        async with self._writing:
            self._renewals += 1
            data = json.dumps({"owner": self._owner, "renewals": self._renewals}).encode()
            begun = time.monotonic()
            try:
                self._version = await self._destination.write(self._key, data, self._version)
            except VersionError:
                self._renewed = float("-inf")  # `check` fails from now on.
                self.lost.set()
                raise
            self._renewed = begun

    def _busy(self) -> DestinationError:
        return DestinationError(self._busy_text)
