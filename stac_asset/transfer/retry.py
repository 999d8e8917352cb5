"""The retry loop: decides which errors are retried, and how long the waits are.

Downloads, probes, STAC API searches, token requests and the reader of documents use this loop.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections.abc import Awaitable, Callable
from itertools import count
from typing import TypeVar

from stac_asset.config import Config
from stac_asset.errors import (
    AccessError,
    ChecksumError,
    ConnectionFailedError,
    ContentError,
    DestinationError,
    RangeError,
    RateLimitError,
    ResponseError,
    SizeError,
    StacAssetError,
    StalledError,
    TransferError,
    TruncatedError,
)

_T = TypeVar("_T")

logger = logging.getLogger(__name__)

_LOG_INTERVAL = 10.0
"""Minimum seconds between two messages about retries of requests to the same host."""

_MAX_LOGGED_HOSTS = 1000
"""Maximum number of hosts whose last message is remembered."""

_HOST = re.compile(r"[a-z0-9+.-]+://([^/\s'?]+)", re.IGNORECASE)

_REASONS: dict[type[Exception], str] = {
    StalledError: "stall",
    ConnectionFailedError: "connection",
    TruncatedError: "truncated",
    RateLimitError: "rate_limit",
    RangeError: "range",
    SizeError: "size",
    ChecksumError: "checksum",
    ContentError: "content",
    AccessError: "access",
    DestinationError: "destination",
}

_logged: dict[str, float] = {}
"""The time of the last message about each host, on the monotonic clock."""


def is_transient(error: BaseException) -> bool:
    """Return whether a later attempt may succeed.

    Args:
        error: The error of an attempt.
    """
    return isinstance(error, TransferError) and error.transient


def retry_reason(error: BaseException) -> str:
    """Return the kind of an error as a short name, such as `http_503` or `stall`.

    The number of names is small, so that metrics can have a label for each.

    Args:
        error: The error of an attempt.
    """
    if isinstance(error, ResponseError):
        return f"http_{error.status}" if 100 <= error.status <= 599 else "http_other"
    for kind, name in _REASONS.items():
        if isinstance(error, kind):
            return name
    return "other"


def wait_after(config: Config, attempt: int, error: BaseException | None) -> float:
    """Return the wait after a failed attempt, in seconds.

    Waits grow exponentially with full jitter, so that transfers that fail at the same time
    are retried at different times. `Config.retry_wait_max` is the maximum. The wait that a server
    requests, up to `Config.host_wait_max`, is added.
    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Args:
        config: The configuration.
        attempt: The number of the attempt, from 1.
        error: The error of the attempt.
    """
    requested = error.retry_after if isinstance(error, TransferError) else None
    wait = random.uniform(0, backoff(config, attempt))
    return wait + min(requested or 0.0, config.host_wait_max)


def backoff(config: Config, attempt: int) -> float:
    """Return the maximum wait after a failed attempt, in seconds, if no server requests a wait.

    Args:
        config: The configuration.
        attempt: The number of the attempt, from 1.
    """
    return min(config.retry_wait_max, config.retry_wait * 2.0 ** min(attempt - 1, 30))


def check_requested_wait(config: Config, error: BaseException) -> None:
    """Check that the wait that a server requests is not too long.

    Args:
        config: The configuration.
        error: The error of a request.

    Raises:
        RateLimitError: The requested wait exceeds `Config.host_wait_max`.
    """
    wait = error.retry_after if isinstance(error, TransferError) else None
    if wait is not None and wait > config.host_wait_max:
        text = error.message if isinstance(error, StacAssetError) else str(error)
        raise RateLimitError(
            f"{text}. The host asks for a wait of {wait:,.0f} seconds, which exceeds "
            f"`host_wait_max` ({config.host_wait_max:g} seconds). Try again later, or increase "
            "`host_wait_max`."
        ) from None


async def retry(
    call: Callable[[], Awaitable[_T]],
    config: Config,
    is_retryable: Callable[[Exception], bool] = is_transient,
    max_attempts: int | None = None,
) -> _T:
    """Await a call until success, a permanent error, or the last attempt.

    Retries are logged as warnings, except a short wait after the first attempt.

    Args:
        call: Starts an attempt.
        config: The number of attempts and the waits.
        is_retryable: Called once for each error. Returns whether another attempt may succeed.
        max_attempts: Maximum number of attempts, if lower than `Config.http_max_attempts`.

    Returns:
        The result of the call.

    Raises:
        RateLimitError: A server asks for a longer wait than `Config.host_wait_max`.
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
            check_requested_wait(config, error)
            wait = wait_after(config, attempt, error)
            if attempt > 1 or wait > 1:
                _log_retry(error, wait, attempt + 1, attempts)
        await asyncio.sleep(wait)
    raise AssertionError("the loop returns or raises")


def _log_retry(error: Exception, wait: float, attempt: int, attempts: int) -> None:
    """Log the next attempt, unless a message about the same host was logged just before."""
    text = error.message if isinstance(error, StacAssetError) else type(error).__name__
    found = _HOST.search(text)
    host, now = found[1] if found else "", time.monotonic()
    if now - _logged.get(host, -_LOG_INTERVAL) < _LOG_INTERVAL:
        return
    if len(_logged) >= _MAX_LOGGED_HOSTS:
        _logged.clear()
    _logged[host] = now
    logger.warning("%s. Trying again in %.1f s (attempt %d of %d)", text, wait, attempt, attempts)
