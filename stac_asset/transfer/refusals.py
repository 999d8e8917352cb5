"""Internal: refusals, which are answers of a host that allows fewer connections or requests.

The functions are pure. `HostState` and `HostConnection` apply the results.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from stac_asset.errors import AccessError, ConnectionFailedError, TransferError

_FIRST_INCREASE = 32
"""Number of successes after which a limit that was never lowered would be raised."""

_MAX_INCREASE = 4096
"""Maximum number of successes between two increases."""

_MIN_SHARE = 8
"""A limit is lowered if at least one of this number of answers is a refusal."""

_MAX_FORBIDDEN = 6
"""Maximum number of retries after 403 if the host may limit connections. Otherwise one retry."""

_FREE_PER_ATTEMPT = 10
"""Maximum number of retries that are not counted, for each attempt that the user allows."""


class Refusal(Enum):
    """The kind of a refusal."""

    LIMIT = "limit"
    """The host reports a limit: 429, or an error with a requested wait."""

    OVERLOAD = "overload"
    """The host may limit connections, or may have failed: 503, or no response."""

    FORBIDDEN = "forbidden"
    """Access is denied. Some hosts send 403 for too many connections."""


def refusal_of(error: BaseException) -> Refusal | None:
    """Return the kind of refusal that an error may be, if any.

    Args:
        error: The error of a request that received no byte of the file.
    """
    if not isinstance(error, TransferError):
        return None
    status = getattr(error, "status", None)
    if status in (420, 429, 509, 529) or (error.transient and error.retry_after is not None):
        return Refusal.LIMIT
    if status == 503 or isinstance(error, ConnectionFailedError):
        return Refusal.OVERLOAD
    is_forbidden = isinstance(error, AccessError) and error.may_be_limit
    return Refusal.FORBIDDEN if is_forbidden else None


@dataclass(frozen=True, slots=True)
class ConnectionLimit:
    """The number of connections to a host that a run uses at the same time."""

    maximum: int
    """The configured or documented number of connections."""

    current: int
    """The number of connections that are used at present."""

    refusals: int = 0
    """Number of refusals since the last change."""

    successes: int = 0
    """Number of successful answers since the first of these refusals, or since the last change."""

    opened: int = 0
    """Maximum number of open connections at the time of these refusals."""

    increase_after: int = _FIRST_INCREASE
    """Number of successes after which one more connection is used."""

    @property
    def is_watched(self) -> bool:
        """Whether the successes of the host are counted."""
        return self.refusals > 0 or self.current < self.maximum

    @property
    def is_limiting(self) -> bool:
        """Whether the host seems to limit the number of connections or requests."""
        return self.current < self.maximum or self._is_frequent

    @property
    def _is_frequent(self) -> bool:
        answers = self.refusals + self.successes
        return self.refusals >= 2 and self.refusals * _MIN_SHARE >= answers

    def after_refusal(self, open_connections: int, answering: int) -> ConnectionLimit:
        """Return the limit after a refusal.

        The limit is halved if refusals are frequent, but not below the number of connections that
        the host serves at the same time.

        Args:
            open_connections: Number of connections at the time of the refusal.
            answering: Number of connections with a response that is being received.
        """
        opened = max(self.opened, open_connections)
        counted = replace(self, refusals=self.refusals + 1, opened=opened)
        if not counted._is_frequent or self.current == 1:
            return counted
        half = min(self.current, opened) // 2
        return ConnectionLimit(
            self.maximum,
            max(1, min(self.current - 1, max(answering, half))),
            increase_after=min(_MAX_INCREASE, 2 * self.increase_after),
        )

    def after_success(self) -> ConnectionLimit:
        """Return the limit after a successful answer. Many such answers raise the limit."""
        counted = replace(self, successes=self.successes + 1)
        if counted.successes < self.increase_after:
            return counted
        current = min(self.maximum, self.current + 1)
        return ConnectionLimit(self.maximum, current, increase_after=self.increase_after)


def is_free_retry(
    refusal: Refusal,
    *,
    is_limiting: bool,
    has_progressed: bool,
    serves_others: bool,
    fills_host: bool,
    free_before: int,
    max_attempts: int,
) -> bool:
    """Return whether a refused request is repeated without being counted as an attempt.

    Args:
        refusal: The kind of the refusal.
        is_limiting: Whether the host seems to limit connections, see `ConnectionLimit`.
        has_progressed: Whether the host served a request since the last refusal of this download.
        serves_others: Whether the host serves another download at the same time, or did so just
            before.
        fills_host: Whether the host serves as many connections as it ever served at the same time
            in this run. A further connection may be one too many.
        free_before: Number of earlier refusals of this download that were not counted.
        max_attempts: `Config.http_max_attempts`.
    """
    has_progressed = has_progressed or (is_limiting and serves_others)
    match refusal:
        case Refusal.FORBIDDEN:
            maximum = _MAX_FORBIDDEN if is_limiting or fills_host else 1
            is_free = serves_others and free_before < maximum
        case Refusal.OVERLOAD:
            is_free = has_progressed and (is_limiting or free_before == 0)
        case Refusal.LIMIT:
            is_free = has_progressed
    return is_free and free_before < _FREE_PER_ATTEMPT * max_attempts
