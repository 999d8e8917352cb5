"""Internal: the keys with an open upload in this process. A key has a single open upload."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

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
        on_contested: Called with a key that is opened, if another upload had the key open since
            the key was opened before.
    """

    def __init__(
        self,
        service: str,
        url_of: Callable[[str], str],
        on_contested: Callable[[str], None] | None = None,
    ) -> None:
        self._service, self._url_of = service, url_of
        self._on_contested = on_contested
        self._contested: set[str] = set()

    def alone(self, key: str, wait: bool) -> AbstractAsyncContextManager[None]:
        """Wait until no other upload of a key is open in this process.

        Args:
            key: The key in the bucket.
            wait: Wait while another upload of the key is open.

        Raises:
            BusyError: Another upload of the key is open, and `wait` is False.
        """
        return _OpenKey(self, (self._service, key), wait)

    async def _open(self, name: tuple[str, str], wait: bool) -> None:
        key = name[1]
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
        if key in self._contested:
            self._contested.discard(key)
            if self._on_contested is not None:
                self._on_contested(key)


class _OpenKey:
    """The context of an open key. A class takes a fifth of the time of a generator."""

    __slots__ = ("_keys", "_name", "_wait")

    def __init__(self, keys: OpenKeys, name: tuple[str, str], wait: bool) -> None:
        self._keys, self._name, self._wait = keys, name, wait

    async def __aenter__(self) -> None:
        await self._keys._open(self._name, self._wait)

    async def __aexit__(self, *_: object) -> None:
        _open_keys.discard(self._name)
