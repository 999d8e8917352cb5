"""Internal: the digest of a file, for parts that become complete in any order."""

from __future__ import annotations

import asyncio

from stac_asset.concurrency import in_thread
from stac_asset.integrity import Multihash, new_hash


class OrderedDigest:
    """Computes the digest of a file. Each part waits until all earlier parts are hashed.

    Args:
        expected: The multihash whose algorithm is used. Default: SHA2-256.
    """

    def __init__(self, expected: Multihash | None) -> None:
        self._code, self._hash = new_hash(expected)
        self._turns: dict[int, asyncio.Event] = {}
        self._before_part = self._hash
        self.next = 1
        """The number of the part to hash next."""

    async def add(self, number: int, data: memoryview) -> None:
        """Hash a part in a thread, after all earlier parts.

        Args:
            number: The number of the part.
            data: The bytes of the part.
        """
        if number != self.next:
            await self._turns.setdefault(number, asyncio.Event()).wait()
        await in_thread(self._hash.update, data)
        self.next = number + 1
        turn = self._turns.pop(self.next, None)
        if turn is not None:
            turn.set()

    def begin_part(self) -> None:
        """Begin a streamed part, after all earlier parts."""
        self._before_part = self._hash.copy()

    async def update(self, data: bytes | memoryview) -> None:
        """Hash bytes of a streamed part in a thread, in order.

        Args:
            data: The bytes.
        """
        await in_thread(self._hash.update, data)

    def drop_part(self) -> None:
        """Forget the bytes of the streamed part."""
        self._hash = self._before_part.copy()

    def multihash(self) -> Multihash:
        """Return the multihash of the hashed parts."""
        return Multihash(self._code, self._hash.digest())
