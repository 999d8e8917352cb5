"""The retry loop: decides which errors are retried, and how long the waits are.

Downloads, probes, STAC API searches, token requests and the reader of documents use this loop.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import count
from typing import TypeVar

from stac_asset.config import Config
from stac_asset.errors import TransferError

_T = TypeVar("_T")


def is_transient(error: BaseException) -> bool:
    """Return whether a later attempt may succeed.

    Args:
        error: The error of an attempt.
    """
    return isinstance(error, TransferError) and error.transient


def wait_after(config: Config, attempt: int, error: BaseException | None) -> float:
    """Return the wait after a failed attempt, in seconds.

    Waits grow exponentially with full jitter, so that transfers that fail at the same time
    are retried at different times. `Retry-After` is the minimum, and `Config.retry_wait_max` the
    maximum.
    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Args:
        config: The configuration.
        attempt: The number of the attempt, from 1.
        error: The error of the attempt.
    """
    requested = error.retry_after if isinstance(error, TransferError) else None
    ceiling = config.retry_wait * 2 ** min(attempt - 1, 30)
    return min(config.retry_wait_max, random.uniform(0, ceiling) + (requested or 0.0))


async def retry(
    call: Callable[[], Awaitable[_T]],
    config: Config,
    is_retryable: Callable[[Exception], bool] = is_transient,
    max_attempts: int | None = None,
) -> _T:
    """Await a call until success, a permanent error, or the last attempt.

    Args:
        call: Starts an attempt.
        config: The number of attempts and the waits.
        is_retryable: Called once for each error. Returns whether another attempt may succeed.
        max_attempts: Maximum number of attempts, if lower than `Config.http_max_attempts`.

    Returns:
        The result of the call.

    Raises:
        Exception: The error of the last attempt.
    """
    # tenacity costs 35 µs for each call, even if the first attempt succeeds. A download of a small
    # file takes less than 900 µs.
    attempts = min(config.http_max_attempts, max_attempts or config.http_max_attempts)
    for attempt in count(1):
        try:
            return await call()
        except Exception as error:
            if not is_retryable(error) or attempt >= attempts:
                raise
            wait = wait_after(config, attempt, error)
        await asyncio.sleep(wait)
    raise AssertionError("the loop returns or raises")
