"""Internal: rates, and the allowance of a process.

A process takes several requests, or many bytes, from the shared queue at once, because each call of
Prefect's API takes longer than the request for a small file. An unused allowance lapses soon, so
that it cannot be added to the allowance of a later time.
"""

from __future__ import annotations

from dataclasses import dataclass

_LIFETIME = 2.0
"""Seconds after which an unused allowance lapses."""

_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests or bytes per second."""

    per_second: float
    """The long-term average."""

    largest: int
    """Maximum size of an allowance, which a process may use at once."""

    @classmethod
    def of_requests(cls, per_minute: int) -> Rate:
        """Return a rate that exceeds a number of requests in no minute.

        Args:
            per_minute: Maximum number of requests.
        """
        largest = max(1, per_minute // 60)
        # In a minute, a process can use what it has taken during the minute and the lifetime
        # before, and one allowance that the queue grants immediately.
        return cls((per_minute - (largest - 1)) / (_MINUTE + _LIFETIME), largest)

    @classmethod
    def of_bytes(cls, per_second: int) -> Rate:
        """Return the rate of a bandwidth.

        Args:
            per_second: Bytes per second.
        """
        return cls(per_second, max(1, per_second // 4))

    def seconds(self, amount: int) -> float:
        """Return the time, in seconds, that an amount takes at this rate.

        Args:
            amount: Number of requests or bytes.
        """
        return amount / self.per_second

    def wait(self, queued: float) -> float:
        """Return the wait, in seconds, before an allowance may be used.

        Args:
            queued: Seconds of all amounts in the queue, including the allowance.
        """
        return max(0.0, queued - self.seconds(self.largest))


class Allowance:
    """Requests or bytes that a process has taken from the queue and not used.

    Args:
        rate: The rate.
    """

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._rest = 0
        self._until = 0.0
        self._size = max(1, rate.largest // 8)
        self._used = 0

    def take(self, amount: int, now: float) -> bool:
        """Use a part of the allowance, if the allowance is sufficient.

        Args:
            amount: Number of requests or bytes.
            now: The time in seconds, of a monotonic clock.
        """
        if amount > self._rest or now > self._until:
            return False
        self._rest -= amount
        self._used += amount
        return True

    def next_size(self, amount: int, now: float) -> int:
        """Return the size of the next allowance: larger after full use, smaller after a lapse.

        Args:
            amount: Number of requests or bytes that are needed.
            now: The time in seconds, of a monotonic clock.
        """
        if self._until:
            has_lapsed = now > self._until
            self._size = self._used if has_lapsed else 2 * self._size
        self._size = min(max(1, self._size), self._rate.largest)
        missing = amount if now > self._until else amount - self._rest
        return max(self._size, missing)

    def add(self, size: int, now: float) -> None:
        """Add an allowance that the queue has granted.

        Args:
            size: Number of requests or bytes.
            now: The time in seconds, of a monotonic clock.
        """
        self._rest = size + (self._rest if now <= self._until else 0)
        self._until = now + _LIFETIME
        self._used = 0
