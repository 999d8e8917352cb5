"""Internal: the keys with an open upload in this process. A key has a single open upload."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from stac_asset.destinations.values import BusyError

logger = logging.getLogger(__name__)

_POLL = 0.2
"""Seconds between two attempts to open a key."""

_POLLS_BEFORE_LOG = 5
"""Number of attempts before a warning is logged."""

_open_keys: set[tuple[str, str]] = set()
"""The keys with an open upload in this process."""


class OpenKeys:
    """The keys of a destination with an open upload.

    Args:
        service: Identifies the service and the bucket.
        url_of: Returns the URL of a key, for messages.
    """

    def __init__(self, service: str, url_of: Callable[[str], str]) -> None:
        self._service, self._url_of = service, url_of
        self._contested: set[str] = set()

    @asynccontextmanager
    async def alone(self, key: str, wait: bool) -> AsyncIterator[bool]:
        """Wait until no other upload of a key is open in this process.

        Args:
            key: The key in the bucket.
            wait: Wait while another upload of the key is open.

        Yields:
            Whether another upload had the key open since the last call for the key.

        Raises:
            BusyError: Another upload of the key is open, and `wait` is False.
        """
        name = (self._service, key)
        attempts = 0
        while name in _open_keys:
            self._contested.add(key)
            if not wait:
                raise BusyError
            attempts += 1
            if attempts == _POLLS_BEFORE_LOG:
                url = self._url_of(key)
                logger.warning("waiting for another run or asset that is writing %s", url)
            await asyncio.sleep(_POLL)
        _open_keys.add(name)
        was_contested = key in self._contested
        self._contested.discard(key)
        try:
            yield was_contested
        finally:
            _open_keys.discard(name)
