"""Internal: calls of Prefect's API that are repeated during an outage of the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx
from prefect.logging import get_logger

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


def _is_outage(error: httpx.HTTPError) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in (502, 503, 504)
    return isinstance(error, httpx.TransportError)
