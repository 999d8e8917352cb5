"""Hashes a part file in a thread while its next bytes arrive."""

from __future__ import annotations

import asyncio

from stac_asset.concurrency import ended, in_thread
from stac_asset.destinations.local.part_file import PartFile

_WORTH = 1024 * 1024
"""Bytes from which on a thread is worth its start while others arrive."""

_LITTLE = 256 * 1024
"""Bytes up to which the event loop can wait for it."""


class Hashing:
    """Lets the digest of a part file follow its bytes.

    Args:
        part: The part file.
    """

    __slots__ = ("_job", "_part")

    def __init__(self, part: PartFile) -> None:
        self._part = part
        self._job: asyncio.Future[None] | None = None

    def go_on(self) -> None:
        """Starts to hash what has come, if it is much and nobody does so yet.

        Raises:
            DestinationError: What had come before could not be read.
        """
        if self._part.unhashed < _WORTH:
            return
        if self._job is not None:
            if not self._job.done():
                return
            self._job.result()
        self._job = asyncio.get_running_loop().run_in_executor(None, self._part.hash_on)

    async def pause(self) -> None:
        """Returns when no thread is at the part file any more."""
        if self._job is not None:
            job, self._job = self._job, None
            await ended(job)

    async def finish(self) -> None:
        """Hashes what is left, but for so little that a thread is not worth it."""
        while self._part.unhashed > _LITTLE:
            await in_thread(self._part.hash_on)
