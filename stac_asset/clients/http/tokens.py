"""Tokens that many requests share: obtained once, renewed in time, replaced where refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

from stac_asset.errors import TokenError

_EARLY = 60.0
_EARLY_SHARE = 0.1
"""A token is renewed so many seconds before its end, or this share of its life if that is less."""
_PAUSE = 30.0
"""Seconds between two failures of an endpoint, and between two replacements of a refused token.

A thousand requests that cannot succeed must not become a thousand token requests."""


@dataclass(frozen=True, slots=True)
class Token:
    """A secret with an end; times are those of the monotonic clock, which nobody sets."""

    value: str = field(repr=False)
    """The secret."""

    ends: float
    """When servers stop to accept it."""

    due: float
    """From when on another one is wanted."""

    @classmethod
    def lasting(cls, value: str, seconds: float) -> Self:
        """Returns a token that was issued now.

        Args:
            value: The secret.
            seconds: How long it is good for; infinite if nobody knows. What is no more than a
                second counts as one, so that an endpoint with a wrong clock is not asked for a
                token by each request.
        """
        now = time.monotonic()
        life = max(1.0, seconds)
        return cls(value, now + life, now + life - min(_EARLY, life * _EARLY_SHARE))


class TokenKeeper:
    """Keeps one token for all who need it, and asks for another by single flight.

    Args:
        obtain: Asks for a token. It tries as often as is worth it and raises `TokenError` then,
            which is told to everybody who asks within the next 30 seconds.
    """

    def __init__(self, obtain: Callable[[], Awaitable[Token]]) -> None:
        self._obtain = obtain
        self._lock = asyncio.Lock()
        self._failure: tuple[str, bool] | None = None
        self._pause_ends = 0.0
        self._replaceable = 0.0
        self.token: Token | None = None
        """The present token, whether it is still good or not."""

    async def get(self) -> Token:
        """Returns a token that is good for some time yet.

        While another one is asked for, the present one serves as long as it lasts.

        Raises:
            TokenError: There is none to be had.
        """
        if (token := self._good()) is not None:
            return token
        if self._lock.locked() and (token := self._lasting()) is not None:
            return token
        async with self._lock:
            return self._good() or await self._renewed()

    async def replace(self, refused: Token) -> bool:
        """Asks for another token in place of one that a server refused.

        Args:
            refused: The token.

        Returns:
            Whether there is another one to try, from this call or an earlier one. A token is not
            replaced soon after it replaced another: then it is not the token's fault.

        Raises:
            TokenError: There is none to be had.
        """
        async with self._lock:
            if self.token is not refused:
                return True
            if time.monotonic() < self._replaceable:
                return False
            self._replaceable = time.monotonic() + _PAUSE
            self.token = None
            await self._renewed()
            return True

    def _good(self) -> Token | None:
        return self.token if self.token and time.monotonic() < self.token.due else None

    def _lasting(self) -> Token | None:
        return self.token if self.token and time.monotonic() < self.token.ends else None

    async def _renewed(self) -> Token:
        if self._failure is None or time.monotonic() >= self._pause_ends:
            self._failure = None
            try:
                self.token = await self._obtain()
                return self.token
            except TokenError as error:
                self._failure = error.message, error.transient
                self._pause_ends = time.monotonic() + _PAUSE
        if (token := self._lasting()) is not None:
            return token
        # Each asset gets an error of its own, for it is told whose it is.
        message, transient = self._failure
        failure = TokenError(message)
        failure.transient = transient
        raise failure
