"""Internal: the meters of a process: received bytes, requests, bandwidth, admission of items.

All sessions of a process share the meter of a budget, across threads and event loops. Each session
has its own client of Prefect's API.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from weakref import WeakSet, WeakValueDictionary

from prefect.client.orchestration import PrefectClient
from yarl import URL

from prefect_stac_asset.flows.execution.budgets.queue import enqueue, queue_name
from prefect_stac_asset.flows.execution.budgets.rates import Allowance, Rate
from prefect_stac_asset.flows.execution.budgets.record import (
    Record,
    changed,
    next_claim,
    warned,
)
from prefect_stac_asset.flows.execution.budgets.store import update_record
from prefect_stac_asset.flows.execution.outages import despite_outage
from prefect_stac_asset.flows.parameters.budgets import Budget
from stac_asset.concurrency import CrossLoopSemaphore
from stac_asset.host_patterns import HostPatterns

_RECORD_SECONDS = 10.0
"""Seconds between two records of many received bytes."""

_MAX_RECORD_SECONDS = 60.0
"""Seconds between two records of few received bytes, and between two renewals of a claim."""

_MANY = 100_000
"""Received bytes are many if they exceed the budget divided by this number."""


class Reservation:
    """Bytes that the items of a task run need from a budget, and that have not been received."""

    __slots__ = ("__weakref__", "received", "size")

    def __init__(self) -> None:
        self.size = 0
        self.received = 0

    @property
    def rest(self) -> int:
        """Number of bytes that have not been received."""
        return max(0, self.size - self.received)


@dataclass(frozen=True, slots=True)
class Usage:
    """The used part of a budget, for the event about this part."""

    budget: str
    """The name of the budget."""

    used: int
    """Received bytes in the window."""

    limit: int
    """Maximum number of bytes in the window."""


class SharedRate:
    """A rate that all processes share.

    Args:
        name: The name of the queue.
        rate: The rate.
    """

    def __init__(self, name: str, rate: Rate) -> None:
        self._name = name
        self._rate = rate
        self._allowance = Allowance(rate)
        self._lock = threading.Lock()
        self._turn = CrossLoopSemaphore(1)

    def take(self, amount: int) -> bool:
        """Use a part of the allowance of this process, if the allowance is sufficient.

        Args:
            amount: Number of requests or bytes.
        """
        if self._turn.held:  # Others wait, and come first.
            return False
        with self._lock:
            return self._allowance.take(amount, time.monotonic())

    async def wait(self, amount: int, client: PrefectClient) -> None:
        """Wait until an amount may be used, and use the amount.

        Args:
            amount: Number of requests or bytes.
            client: The client of Prefect's API.
        """
        async with self._turn:
            with self._lock:
                now = time.monotonic()
                if self._allowance.take(amount, now):
                    return
                size = self._allowance.next_size(amount, now)
            seconds = self._rate.seconds(size)
            queued = await despite_outage(lambda: enqueue(client, self._name, seconds))
            await asyncio.sleep(self._rate.wait(queued))
            with self._lock:
                now = time.monotonic()
                self._allowance.add(size, now)
                self._allowance.take(amount, now)


class BudgetMeter:
    """The meter of a budget in this process.

    Args:
        budget: The budget.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.requests: SharedRate | None = None
        self.bandwidth: SharedRate | None = None
        name = budget.name
        if budget.requests_per_minute is not None:
            rate = Rate.of_requests(budget.requests_per_minute)
            self.requests = SharedRate(queue_name(name, "requests_per_minute"), rate)
        if budget.bandwidth is not None:
            rate = Rate.of_bytes(budget.bandwidth)
            self.bandwidth = SharedRate(queue_name(name, "bandwidth"), rate)
        self._sessions = 0
        """Number of open sessions with this meter."""
        self._hosts = HostPatterns(budget.hosts)
        self._holder = secrets.token_hex(4)
        self._lock = threading.Lock()
        self._turn = CrossLoopSemaphore(1)
        self._received = 0
        """Received bytes that are not recorded."""
        self._claim = 0
        """Claimed bytes of this process in the record."""
        self._recorded = time.monotonic()
        self._reservations: WeakSet[Reservation] = WeakSet()

    def open_session(self) -> None:
        """Note that a session uses this meter."""
        with self._lock:
            self._sessions += 1

    def close_session(self) -> bool:
        """Note the end of a session, and return whether no other session uses this meter."""
        with self._lock:
            self._sessions -= 1
            return not self._sessions

    def has_host(self, host: str) -> bool:
        """Return whether the budget is for a host or bucket.

        Args:
            host: The name of the host or bucket.
        """
        try:
            url = URL.build(scheme="https", host=host)
        except ValueError:
            return False
        return self._hosts.names_host_of(url)

    def count(self, size: int) -> None:
        """Count received bytes.

        Args:
            size: Number of bytes.
        """
        with self._lock:
            self._received += size

    def is_due(self) -> bool:
        """Return whether the received bytes should be recorded now."""
        limit = self.budget.bytes_per_30_days
        if limit is None:
            return False
        waited = time.monotonic() - self._recorded
        if self._received > limit // _MANY:
            return waited >= _RECORD_SECONDS
        return waited >= _MAX_RECORD_SECONDS and bool(self._received or self._claim)

    def reserve(self) -> Reservation:
        """Return a new reservation of this budget, without any byte."""
        reservation = Reservation()
        with self._lock:
            self._reservations.add(reservation)
        return reservation

    def release(self, reservation: Reservation) -> None:
        """End a reservation.

        Args:
            reservation: The reservation.
        """
        with self._lock:
            self._reservations.discard(reservation)

    async def admit(
        self, size: int, reservation: Reservation, client: PrefectClient
    ) -> tuple[bool, Usage | None]:
        """Reserve bytes for an item, if the budget has as many.

        Args:
            size: Bytes that the item needs. An item of unknown size needs at least 1.
            reservation: The reservation to increase.
            client: The client of Prefect's API.

        Returns:
            Whether the bytes were reserved, and the used part if an event is to be sent.
        """
        async with self._turn:
            with self._lock:
                if self._received + self._needed() + size <= self._claim:
                    reservation.size += size
                    return True, None
            is_admitted, usage = await self._record(client, size)
            if is_admitted:
                with self._lock:
                    reservation.size += size
            return is_admitted, usage

    async def record(self, client: PrefectClient) -> Usage | None:
        """Record the received bytes, and renew or end the claim of this process.

        Args:
            client: The client of Prefect's API.

        Returns:
            The used part of the budget, if an event is to be sent.
        """
        async with self._turn:
            if not (self._received or self._claim):
                return None
            _, usage = await self._record(client, 0)
            return usage

    async def _record(self, client: PrefectClient, more: int) -> tuple[bool, Usage | None]:
        """Record the received bytes, and claim bytes for all reservations and for more."""
        budget, limit = self.budget.name, self.budget.bytes_per_30_days
        assert limit is not None, "only bytes in 30 days are recorded"
        with self._lock:
            received, needed = self._received, self._needed()

        def change(record: Record) -> tuple[Record, tuple[int, bool, Usage | None]]:
            now = time.time()
            record = changed(record, self._holder, received, 0, now)
            claim, is_admitted = next_claim(record, limit, self._holder, needed, more, now)
            record = changed(record, self._holder, 0, claim, now)
            record, is_reached = warned(record, limit, now)
            usage = Usage(budget, record.used(now), limit) if is_reached else None
            return record, (claim, is_admitted, usage)

        update = partial(update_record, client, budget, change)
        claim, is_admitted, usage = await despite_outage(update)
        with self._lock:
            self._received -= received
            self._claim, self._recorded = claim, time.monotonic()
        return is_admitted, usage

    def _needed(self) -> int:
        """Return the bytes that the current reservations still need."""
        return sum(one.rest for one in self._reservations)


_meters: WeakValueDictionary[Budget, BudgetMeter] = WeakValueDictionary()
_meters_lock = threading.Lock()


def meters_of(budgets: Iterable[Budget]) -> tuple[BudgetMeter, ...]:
    """Return the meters of budgets in this process.

    Args:
        budgets: The budgets.
    """
    found = []
    with _meters_lock:
        for budget in budgets:
            meter = _meters.get(budget)
            if meter is None:
                meter = _meters[budget] = BudgetMeter(budget)
            found.append(meter)
    return tuple(found)
