"""Internal: requests that are repeated during an outage of Prefect's server or of a store.

Budgets use `despite_outage`, and the coordinator of a distribution uses `Outages`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import httpx
from prefect import get_run_logger
from prefect.logging import get_logger

from stac_asset.errors import DestinationError

_T = TypeVar("_T")

_MAX_OUTAGE = 300.0
"""Maximum duration, in seconds, of an outage. Restarts of a server are shorter."""

_MAX_WAIT = 5.0
"""Maximum wait, in seconds, before a call is repeated."""

_logger = get_logger("stac_asset")


async def despite_outage(call: Callable[[], Awaitable[_T]], wait: float = 0.5) -> _T:
    """Return the result of a call, which is repeated while the server does not answer.

    Args:
        call: The call of the API.
        wait: Seconds before the first repetition. Doubled for each further repetition.

    Raises:
        httpx.HTTPError: The server refused the call, or did not answer for five minutes.
    """
    since = time.monotonic()
    while True:
        try:
            return await call()
        except httpx.HTTPError as error:
            if not _is_outage(error) or time.monotonic() - since > _MAX_OUTAGE:
                raise
            _logger.debug("Prefect's API did not answer a call for a budget: %s", error)
        await asyncio.sleep(wait)
        wait = min(2 * wait, _MAX_WAIT)


class Outages:
    """Tolerates outages of several kinds of requests, which a loop repeats.

    Args:
        max_seconds: Maximum duration of an outage, in seconds.
    """

    def __init__(self, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        self._since: dict[str, float] = {}
        """The start of the outage of each kind of request, by the monotonic clock."""

    async def guard(self, name: str, call: Coroutine[Any, Any, None]) -> None:
        """Await requests. An error during an outage is logged once, and not raised.

        Args:
            name: The purpose of the requests, for log lines.
            call: The requests, which the caller repeats later.

        Raises:
            DestinationError: The store did not answer for `max_seconds`.
            httpx.HTTPError: Prefect's server refused a request, or did not answer for as long.
        """
        try:
            await call
        except (DestinationError, httpx.HTTPError) as error:
            if isinstance(error, httpx.HTTPError) and not _is_outage(error):
                raise
            if name not in self._since:
                self._since[name] = time.monotonic()
                get_run_logger().warning("The %s cannot be requested for now: %s", name, error)
            if time.monotonic() - self._since[name] > self._max_seconds:
                raise
        else:
            self._since.pop(name, None)


def _is_outage(error: httpx.HTTPError) -> bool:
    """Return whether a later request may succeed."""
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        return status >= 500 or status in (408, 429)
    return isinstance(error, httpx.TransportError)
