"""When a transfer is tried again, and how long the wait is."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from stac_asset.config import Config
from stac_asset.errors import TransferError

if TYPE_CHECKING:
    from tenacity import AsyncRetrying, RetryCallState


def is_transient(error: BaseException) -> bool:
    """Returns whether a later attempt may succeed where this one failed.

    Args:
        error: What an attempt raised.
    """
    return isinstance(error, TransferError) and error.transient


def wait_after(config: Config, attempt: int, error: BaseException | None) -> float:
    """Returns how many seconds to wait after an attempt that failed.

    The waits grow exponentially with full jitter, so that a thousand transfers that fail together
    do not come back together; a `Retry-After` is a lower bound, and the cap holds for both.
    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Args:
        config: How long at most.
        attempt: Which one it was, from 1.
        error: What it raised.
    """
    asked = error.retry_after if isinstance(error, TransferError) else None
    ceiling = config.retry_wait * 2 ** min(attempt - 1, 30)
    return min(config.retry_wait_max, random.uniform(0, ceiling) + (asked or 0.0))


def retrying(config: Config, at_most: int | None = None) -> AsyncRetrying:
    """Returns the attempts at one request, with the waits of `wait_after`.

    Args:
        config: How often, and how long at most.
        at_most: Fewer attempts than the configuration admits, where somebody is waiting.
    """
    # It brings the loops of others along, where they are installed.
    from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

    attempts = min(config.http_max_attempts, at_most or config.http_max_attempts)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return wait_after(config, state.attempt_number, error)

    return AsyncRetrying(
        stop=stop_after_attempt(attempts),
        wait=wait,
        retry=retry_if_exception(is_transient),
        reraise=True,
    )
