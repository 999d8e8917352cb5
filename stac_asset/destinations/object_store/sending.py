"""Internal: sends the parts of a file to obstore, which pulls the parts from an iterator.

The upload is completed only if the iterator ends without an error. Any error in the iterator aborts
the upload, so the iterator verifies the file before its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Literal

from stac_asset.concurrency import cancel_all, in_thread
from stac_asset.destinations.object_store.errors import AbortedError
from stac_asset.destinations.object_store.store import ObjectStore

_ABORT_TIMEOUT = 10.0
"""Maximum time, in seconds, for the request that aborts an upload."""


class PartsSender:
    """An upload in parts. Callers hand the parts over in order.

    Args:
        store: The bucket.
        key: The key in the bucket.
        part_size: Size of a part in bytes.
        metadata: The metadata of the object.
        update: Adds a part to the digest of the file. None without a digest.
        verify: Verifies the file before the upload is completed.
    """

    def __init__(
        self,
        store: ObjectStore,
        key: str,
        part_size: int,
        metadata: dict[str, str],
        update: Callable[[bytearray], None] | None,
        verify: Callable[[], Awaitable[None]],
    ) -> None:
        self._update, self._verify = update, verify
        self._next: bytearray | Literal["end", "abort"] | None = None
        self._filled, self._free = asyncio.Event(), asyncio.Event()
        self._free.set()
        self._error: Exception | None = None
        sent = store.put_parts(key, self._parts(), part_size, **metadata)
        self._task: asyncio.Task[Any] = asyncio.create_task(sent)

    async def ready(self) -> None:
        """Wait until the next part can be handed over.

        Raises:
            DestinationError: The service refused a part.
        """
        if not self._free.is_set():
            free = asyncio.ensure_future(self._free.wait())
            try:
                await asyncio.wait((free, self._task), return_when=asyncio.FIRST_COMPLETED)
            finally:
                free.cancel()
        if self._task.done():
            self._task.result()

    def hand_over(self, part: bytearray) -> None:
        """Send a part, after `ready`.

        Args:
            part: The bytes. The caller does not change them later.
        """
        self._set(part)

    async def complete(self) -> None:
        """Verify the file, and complete the upload.

        Raises:
            DestinationError: A request failed.
            Exception: The error of `verify`. The upload was aborted.
        """
        await self.ready()
        self._set("end")
        try:
            await asyncio.shield(self._task)
        except Exception as error:
            raise (self._error or error) from None

    async def abort(self) -> None:
        """End the upload without an object."""
        if not self._task.done():
            self._set("abort")
            await asyncio.wait((self._task,), timeout=_ABORT_TIMEOUT)
        await cancel_all([self._task])
        with suppress(Exception, asyncio.CancelledError):
            self._task.result()

    def _set(self, part: bytearray | Literal["end", "abort"]) -> None:
        self._next = part
        self._free.clear()
        self._filled.set()

    async def _parts(self) -> AsyncIterator[bytearray]:
        try:
            while True:
                await self._filled.wait()
                part = self._next
                assert part is not None, "a part was handed over"
                self._next = None
                self._filled.clear()
                if part == "abort":
                    raise AbortedError
                if isinstance(part, str):
                    await self._verify()
                    return
                if self._update is not None:
                    await in_thread(self._update, part)
                self._free.set()
                yield part
        except Exception as error:
            self._error = error
            raise
