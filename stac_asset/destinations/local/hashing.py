"""Hashes a part file in a thread while further bytes arrive. `LocalUpload` calls this."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from stac_asset.concurrency import ended, in_thread
from stac_asset.destinations.local.digest import FollowingDigest
from stac_asset.destinations.local.os_errors import map_os_errors

_MIN_IN_THREAD = 1024 * 1024
"""Minimum number of bytes to hash in a thread while further bytes arrive."""

_MAX_IN_LOOP = 256 * 1024
"""Maximum number of bytes to hash in the event loop."""


class BackgroundHashing:
    """Computes the digest of the received bytes of a part file, in order.

    Args:
        digest: The digest.
        path: The path of the file, for messages.
        prefix: Returns the number of received bytes before the first missing byte.
    """

    def __init__(self, digest: FollowingDigest, path: str, prefix: Callable[[], int]) -> None:
        self.digest = digest
        self._path = path
        self._prefix = prefix
        self._job: asyncio.Future[None] | None = None

    @property
    def unhashed(self) -> int:
        """Number of received bytes before the first missing byte that are not hashed."""
        return self._prefix() - self.digest.position

    def proceed(self) -> None:
        """Start to hash in a thread if many bytes are unhashed and no thread is running.

        Raises:
            DestinationError: The previous thread could not read the file.
        """
        if self.unhashed < _MIN_IN_THREAD:
            return
        if self._job is not None:
            if not self._job.done():
                return
            self._job.result()
        self._job = asyncio.get_running_loop().run_in_executor(None, self.follow)

    def follow(self) -> None:
        """Hash the next bytes, up to 32 MiB.

        Raises:
            DestinationError: The bytes cannot be read.
        """
        with map_os_errors(self._path):
            self.digest.follow(self._prefix())

    async def pause(self) -> None:
        """Wait until no thread uses the part file."""
        if self._job is not None:
            job, self._job = self._job, None
            await ended(job)

    async def finish(self) -> None:
        """Hash all bytes except the last 256 KiB at most, which are left for the event loop."""
        await self.pause()
        while self.unhashed > _MAX_IN_LOOP:
            await in_thread(self.follow)
