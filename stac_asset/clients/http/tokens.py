"""Tokens that many requests share: obtained once, renewed before expiry, replaced if refused.

The OAuth2 credential, the Earthdata login and the SAS tokens of Planetary Computer use
`TokenKeeper`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

from stac_asset.errors import TokenError

_RENEW_EARLY = 60.0
"""Seconds before expiry at which a token is renewed."""
_RENEW_EARLY_SHARE = 0.1
"""Share of the lifetime that applies in place of `_RENEW_EARLY`, if shorter."""
_MIN_INTERVAL = 30.0
"""Minimum seconds between two failed token requests, and between two replacements of a token.

Without the pause, a thousand failing requests would cause a thousand token requests."""


@dataclass(frozen=True, slots=True)
class Token:
    """A secret that expires. All times are measured with `time.monotonic()`."""

    value: str = field(repr=False)
    """The secret."""

    ends: float
    """Time at which the token expires."""

    due: float
    """Time from which the token should be renewed."""

    @classmethod
    def lasting(cls, value: str, seconds: float) -> Self:
        """Return a token that was issued now.

        Args:
            value: The secret.
            seconds: Lifetime in seconds; infinite if unknown. The minimum is one second, so that
                an endpoint with a wrong clock does not receive a token request for each request.
        """
        now = time.monotonic()
        life = max(1.0, seconds)
        return cls(value, now + life, now + life - min(_RENEW_EARLY, life * _RENEW_EARLY_SHARE))


class TokenKeeper:
    """A token shared by concurrent requests. Renewals do not overlap.

    Args:
        obtain: Function that requests a token, with its own retries. If it raises `TokenError`, no
            token is requested for 30 seconds, and calls raise the same error unless the present
            token is still valid.
    """

    def __init__(self, obtain: Callable[[], Awaitable[Token]]) -> None:
        self._obtain = obtain
        self._lock = asyncio.Lock()
        self._failure: tuple[str, bool] | None = None
        self._next_attempt = 0.0
        self._next_replacement = 0.0
        self.token: Token | None = None
        """The present token, which may have expired."""

    async def get(self) -> Token:
        """Return a token that has not expired.

        During a renewal, other calls return the present token until it expires.

        Raises:
            TokenError: The endpoint issued no token.
        """
        if (token := self._current()) is not None:
            return token
        if self._lock.locked() and (token := self._unexpired()) is not None:
            return token
        async with self._lock:
            return self._current() or await self._renew()

    async def replace(self, refused: Token) -> bool:
        """Request a new token in place of a token that a server refused.

        Args:
            refused: The refused token.

        Returns:
            Whether there is a new token, from this call or an earlier call. The result is False
            within 30 seconds of the last replacement: if a server refuses a new token too, the
            token is not the cause.

        Raises:
            TokenError: The endpoint issued no token.
        """
        async with self._lock:
            if self.token is not refused:
                return True
            if time.monotonic() < self._next_replacement:
                return False
            self._next_replacement = time.monotonic() + _MIN_INTERVAL
            self.token = None
            await self._renew()
            return True

    def _current(self) -> Token | None:
        return self.token if self.token and time.monotonic() < self.token.due else None

    def _unexpired(self) -> Token | None:
        return self.token if self.token and time.monotonic() < self.token.ends else None

    async def _renew(self) -> Token:
        if self._failure is None or time.monotonic() >= self._next_attempt:
            self._failure = None
            try:
                self.token = await self._obtain()
                return self.token
            except TokenError as error:
                self._failure = error.message, error.transient
                self._next_attempt = time.monotonic() + _MIN_INTERVAL
        if (token := self._unexpired()) is not None:
            return token
        # A new error for each asset, because the asset's key and owner are set on the error.
        message, transient = self._failure
        failure = TokenError(message)
        failure.transient = transient
        raise failure
