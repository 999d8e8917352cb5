"""Internal: a lease on a key, for services without conditional requests.

A run that writes a large file keeps a lease object beside the key, and renews it. Another run waits
until the lease is gone or has not been renewed for half a minute, as after a kill. Two runs that
start within the time of one request can both get the lease: such services allow nothing better.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from stac_asset.destinations.s3.keys import lease_key
from stac_asset.destinations.s3.store import S3Store
from stac_asset.destinations.values import BusyError
from stac_asset.errors import DestinationError

_RENEWAL = 10.0
"""Seconds between two renewals."""

_EXPIRY = 30.0
"""Seconds after which a lease that was not renewed counts as abandoned."""

_POLL = 1.0
"""Seconds between two attempts to get a lease."""


@asynccontextmanager
async def leased(
    store: S3Store, key: str, wait: bool, renewal: float = _RENEWAL
) -> AsyncIterator[None]:
    """Hold the lease of a key.

    Args:
        store: The bucket.
        key: The key in the bucket.
        wait: Wait while another run holds the lease.
        renewal: Seconds between two renewals.

    Raises:
        BusyError: Another run holds the lease, and `wait` is False.
        DestinationError: A request failed.
    """
    lease = _LeaseObject(store, lease_key(key))
    while not await lease.take():
        if not wait:
            raise BusyError
        await asyncio.sleep(_POLL)
    renewing = asyncio.create_task(lease.renew(renewal))
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.wait([renewing])
        with suppress(DestinationError):  # A lease that is not renewed ends.
            await store.delete(lease.key)


class _LeaseObject:
    """A lease object.

    The clocks of two machines may differ. So a lease counts as abandoned if its content stays the
    same for half a minute by the clock of this machine.
    """

    def __init__(self, store: S3Store, key: str) -> None:
        self.key = key
        self._store = store
        self._owner = uuid.uuid4().hex
        self._renewals = 0
        self._seen: tuple[bytes, float] | None = None

    async def take(self) -> bool:
        """Take a free lease, and return whether this run holds the lease."""
        found = await self._store.content(self.key)
        if found is not None:
            now = time.monotonic()
            if self._seen is None or self._seen[0] != found:
                self._seen = found, now
            if now - self._seen[1] < _EXPIRY:
                return False
        written = await self._write()
        return await self._store.content(self.key) == written

    async def renew(self, renewal: float) -> None:
        """Write the lease again from time to time.

        Args:
            renewal: Seconds between two renewals.
        """
        while True:
            await asyncio.sleep(renewal)
            with suppress(DestinationError):  # The next renewal may succeed.
                await self._write()

    async def _write(self) -> bytes:
        self._renewals += 1
        data = json.dumps({"owner": self._owner, "renewals": self._renewals}).encode()
        digest = hashlib.sha256(data).digest()
        await self._store.put(self.key, io.BytesIO(data), {}, {}, digest)
        return data
