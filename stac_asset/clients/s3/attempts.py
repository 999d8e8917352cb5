"""Internal: the limit of botocore's retries inside the retries of the engine.

`S3Client` uses `AttemptLimit`, and `connect` registers `refuse_retry` with botocore.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import ContextVar
from types import TracebackType
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

    def with_object(self, url: URL) -> AbstractContextManager[None]:
        """Disable botocore's retries in this context if the last request for an object failed.

        Args:
            url: The URL of the object.
        """
        return _ObjectAttempts(self._failing, url)


class _ObjectAttempts(AbstractContextManager[None]):
    """The context of a request for an object. A generator would take twice as long."""

    __slots__ = ("_failing", "_token", "_url")

    def __init__(self, failing: set[URL], url: URL) -> None:
        self._failing = failing
        self._url = url

    def __enter__(self) -> None:
        self._token = _single_attempt.set(self._url in self._failing)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _single_attempt.reset(self._token)
        if error is None:
            self._failing.discard(self._url)
        elif isinstance(error, TransferError) and error.transient:
            self._failing.add(self._url)


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
