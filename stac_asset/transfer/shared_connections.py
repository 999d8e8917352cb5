"""Internal: the connections that the large files of a host share, in all threads of the process.

Each large file has a `ConnectionShare`. While files arrive, `HostConnections` samples the
throughput of the process, asks `ramp.next_ramp`, and distributes the allowed connections over the
shares.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from stac_asset.destinations.interface import Upload
from stac_asset.transfer.interface import Response
from stac_asset.transfer.ramp import Ramp, Sample, next_ramp

MIB = 1024 * 1024

_MIN_MISSING = 32 * MIB
"""Minimum number of missing bytes for several connections."""

_INTERVAL, _PAUSED_INTERVAL = 0.01, 0.05
"""Seconds of a sample, and of a sample while no trial may start."""

_MAX_BUSY = 0.7
"""Maximum share of an interval in which a process uses, or waits for, the processor."""

_SCHEDULER_STATISTICS = "/proc/thread-self/schedstat"
"""File of Linux with the time that a thread ran and waited for a processor, in nanoseconds."""


class Traffic:
    """The bytes that the process received."""

    received = 0
    """Number of bytes from all hosts. Simultaneous threads may lose a few."""


TRAFFIC = Traffic()
"""The bytes of all transfers in this process."""


def can_split(response: Response, upload: Upload) -> bool:
    """Return whether a file can arrive in several ranges, and is large enough.

    Args:
        response: The response of its source.
        upload: The upload, which has accepted the response.
    """
    is_large = upload.size is not None and upload.size - upload.offset >= _MIN_MISSING
    can_request = response.ranges and response.validator is not None
    return is_large and can_request and upload.accepts_ranges


class ConnectionShare:
    """Further connections of a large file. Call `close` at the end.

    Args:
        host: The host of the file. An empty text stands for sources without a host.
        wanted: Maximum number of further connections.
        free: Returns the number of connections that the limit of the host still admits.
    """

    granted = 0
    """Number of further connections that the file may have."""

    running = 0
    """Number of further connections that are open, or wait for a response."""

    on_granted: Callable[[], None] | None = None
    """Called in the event loop of the file when more connections are granted."""

    receiving = 0
    """Number of further connections that receive bytes."""

    def __init__(self, host: str, wanted: int, free: Callable[[], int]) -> None:
        self.wanted, self.free = wanted, free
        self.loop = asyncio.get_running_loop()
        with _lock:
            self._host = _hosts.setdefault(host, HostConnections(host))
            self._host.add(self)

    @property
    def is_exceeded(self) -> bool:
        """Whether a further connection must end."""
        return self.running > self.granted

    def ended(self, is_surplus: bool) -> None:
        """Note the end of a further connection.

        Args:
            is_surplus: Whether the connection ended because it was not granted any more. Otherwise,
                the file needs no further connection, or the host refuses more.
        """
        self.running -= 1
        if not is_surplus:
            self.wanted = min(self.wanted, self.running)

    def close(self) -> None:
        """Let the other files of the host use the connections."""
        with _lock:
            self._host.remove(self)


class HostConnections:
    """Distributes the further connections of a host over its large files.

    Args:
        host: The host.
    """

    def __init__(self, host: str) -> None:
        self._name = host
        self._shares: list[ConnectionShare] = []
        self._ramp = Ramp()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, share: ConnectionShare) -> None:
        """Add a file.

        Args:
            share: The share of the file.
        """
        self._forget_closed_loops()
        self._shares.append(share)
        if self._loop is None:
            self._start(share.loop)

    def remove(self, share: ConnectionShare) -> None:
        """Remove a file. The samples continue in the event loop of another file.

        Args:
            share: The share of the file.
        """
        if share not in self._shares:
            return
        self._shares.remove(share)
        self._forget_closed_loops()
        if any(other.loop is self._loop for other in self._shares):
            return
        if self._timer is not None and share.loop is self._loop:
            self._timer.cancel()
        self._loop = self._timer = None
        if self._shares:
            self._loop = self._shares[0].loop
            self._loop.call_soon_threadsafe(self._restart, self._loop)
        else:
            _hosts.pop(self._name, None)

    def _forget_closed_loops(self) -> None:
        """Remove the files of event loops that were closed before the files were."""
        self._shares = [share for share in self._shares if not share.loop.is_closed()]
        if self._loop is not None and self._loop.is_closed():
            self._loop = self._timer = None

    def _restart(self, loop: asyncio.AbstractEventLoop) -> None:
        with _lock:
            if loop is self._loop:
                self._start(loop)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._since, self._cpu_before = time.perf_counter(), time.process_time()
        self._received_before = TRAFFIC.received
        self._waited_before = _waited()
        delay = _PAUSED_INTERVAL if self._ramp.pause else _INTERVAL
        self._due = self._since + delay
        self._timer = loop.call_later(delay, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        with _lock:
            if loop is not self._loop:
                return
            self._forget_closed_loops()
            self._ramp = next_ramp(self._ramp, self._sample())
            self._distribute(self._ramp.allowed)
            self._start(loop)

    def _sample(self) -> Sample:
        now = time.perf_counter()
        seconds = now - self._since
        used = time.process_time() - self._cpu_before
        waited = _waited() - self._waited_before
        shares = self._shares
        wanted = sum(share.wanted for share in shares)
        return Sample(
            seconds=seconds,
            received=TRAFFIC.received - self._received_before,
            active=len(shares) + sum(share.receiving for share in shares),
            pending=sum(
                max(0, min(share.granted, share.wanted) - share.receiving) for share in shares
            ),
            room=min(wanted - self._ramp.allowed, min(share.free() for share in shares)),
            is_busy=used + max(now - self._due, waited) > _MAX_BUSY * seconds,
        )

    def _distribute(self, allowed: int) -> None:
        """Grant connections to all files in turn.

        Args:
            allowed: Number of connections.
        """
        granted = dict.fromkeys(self._shares, 0)
        while allowed > 0:
            before = allowed
            for share in self._shares:
                if allowed and granted[share] < share.wanted:
                    granted[share] += 1
                    allowed -= 1
            if allowed == before:
                break
        for share, number in granted.items():
            has_more, share.granted = number > share.granted, number
            if has_more and share.on_granted is not None:
                share.loop.call_soon_threadsafe(share.on_granted)


def _waited() -> float:
    """Return the seconds that this thread has waited for a processor, or 0 if unknown."""
    try:
        with open(_SCHEDULER_STATISTICS, "rb") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


_lock = threading.Lock()
_hosts: dict[str, HostConnections] = {}
"""The hosts from which large files arrive now."""
