"""When a transfer is tried again, and how long the wait is."""

from __future__ import annotations

import random

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from stac_asset.config import Config
from stac_asset.errors import TransferError


def is_transient(error: BaseException) -> bool:
    """Returns whether a later attempt may succeed where this one failed.

    Args:
        error: What an attempt raised.
    """
    return isinstance(error, TransferError) and error.transient


def retrying(config: Config, at_most: int | None = None) -> AsyncRetrying:
    """Returns the retries of one transfer, body included.

    The waits grow exponentially with full jitter, so that a thousand transfers that fail together
    do not come back together; a `Retry-After` is a lower bound, and the cap holds for both.
    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Args:
        config: How often, and how long at most.
        at_most: Fewer attempts than the configuration admits, where somebody is waiting.
    """
    attempts = min(config.http_max_attempts, at_most or config.http_max_attempts)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, TransferError) else None
        ceiling = config.retry_wait * 2 ** min(state.attempt_number - 1, 30)
        jittered = random.uniform(0, ceiling)
        return min(config.retry_wait_max, jittered + (asked or 0.0))

    return AsyncRetrying(
        stop=stop_after_attempt(attempts),
        wait=wait,
        retry=retry_if_exception(is_transient),
        reraise=True,
    )
