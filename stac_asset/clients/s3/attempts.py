"""Internal: the limit of botocore's retries inside the retries of the engine.

`S3Client` uses `AttemptLimit`, and `connect` registers `refuse_retry` with botocore.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from yarl import URL

from stac_asset.errors import TransferError

_single_attempt: ContextVar[bool] = ContextVar("_single_attempt", default=False)
"""Whether the current request is sent only once."""


class AttemptLimit:
    """Limit of botocore's retries for objects with failed requests.

    The engine retries downloads, and botocore retries requests inside each attempt of the engine.
    After a failed attempt, botocore sends a single request per attempt of the engine, until a
    request for the object succeeds. The two numbers of attempts then add up and do not multiply.
    """

    def __init__(self) -> None:
        self._failing: set[URL] = set()

    @contextmanager
    def with_object(self, url: URL) -> Iterator[None]:
        """Disable botocore's retries in this context if the last request for an object failed.

        Args:
            url: The URL of the object.
        """
        token = _single_attempt.set(url in self._failing)
        try:
            yield
        except TransferError as error:
            if error.transient:
                self._failing.add(url)
            raise
        finally:
            _single_attempt.reset(token)
        self._failing.discard(url)


def refuse_retry(
    response: Any = None, caught_exception: Exception | None = None, **_: Any
) -> bool | None:
    """Handle botocore's `needs-retry` event.

    Returns:
        False to refuse the retry of a failed request that is sent only once, or None to leave the
        decision to botocore.
    """
    failed = caught_exception is not None or (
        response is not None and response[0].status_code >= 429
    )
    return False if failed and _single_attempt.get() else None
