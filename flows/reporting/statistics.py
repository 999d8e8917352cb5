"""Statistics for the artifacts of a run. Memory use does not depend on the number of assets."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from prefect_stac_asset.flows.reporting.footprints import FootprintSample, Outline
from stac_asset.errors import DownloadError, StacAssetError
from stac_asset.plan.owners import Owner
from stac_asset.redact import redact_href, redact_text
from stac_asset.transfer.reporter import Reporter
from stac_asset.types import Candidate, Downloaded, Failed, Outcome, Skipped, Transfer

MAX_TOP_ASSETS = 10
"""Maximum number of assets in each of the lists of slowest and most retried assets."""

MAX_FAILURES = 100
"""Maximum number of failed assets to keep."""

_MAX_BUCKETS = 240
"""Maximum number of buckets of `Throughput`."""


@dataclass(frozen=True, slots=True, order=True)
class AssetRow:
    """Duration, attempts, name and size of a downloaded asset, for the lists of the summary."""

    seconds: float
    attempts: int
    name: str
    size: int


_Entry = TypeVar("_Entry", AssetRow, tuple[int, AssetRow])


class Throughput:
    """Bytes received over time, in buckets of equal width.

    Buckets are one second wide. The width doubles whenever their number exceeds the maximum.
    """

    def __init__(self) -> None:
        self.width = 1
        """Width of a bucket, in seconds."""

        self.buckets: list[int] = []
        """Bytes received in each bucket."""

    def add(self, seconds: float, size: int) -> None:
        """Count received bytes.

        Args:
            seconds: The time of receipt, in seconds since the start.
            size: The number of bytes.
        """
        while seconds // self.width >= _MAX_BUCKETS:
            self.buckets = [sum(self.buckets[at : at + 2]) for at in range(0, len(self.buckets), 2)]
            self.width *= 2
        at = int(seconds // self.width)
        self.buckets += [0] * (at + 1 - len(self.buckets))
        self.buckets[at] += size


class Statistics:
    """Counts and sums of a run, the first failures, and the slowest and most retried assets.

    Args:
        total: The number of planned assets.
        total_bytes: Their total size in bytes, if the size of every asset is known.
        clock: Function that returns the current time in seconds.
    """

    def __init__(
        self,
        total: int,
        total_bytes: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self.total_bytes = total_bytes
        self.items = self.downloaded = self.skipped = self.failed = self.retried = 0
        self.received = 0
        """Bytes received for finished assets, including bytes of failed attempts."""

        self.received_so_far = 0
        """Bytes received for finished and unfinished assets."""

        self.failures: list[dict[str, str]] = []
        self.throughput = Throughput()
        self._clock, self._started = clock, clock()
        self._ended = self._bytes = 0
        self._slowest: list[AssetRow] = []
        self._retried: list[tuple[int, AssetRow]] = []
        self._footprints = FootprintSample()

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return self._clock() - self._started

    @property
    def done(self) -> int:
        """Number of finished assets."""
        return min(self.total, max(self.downloaded + self.skipped, self._ended) + self.failed)

    @property
    def done_bytes(self) -> int:
        """Size of finished files plus bytes received for unfinished assets."""
        return self._bytes + max(0, self.received_so_far - self.received)

    @property
    def footprints(self) -> list[list[Outline]]:
        """The footprints of the items. Large runs keep a uniform random sample."""
        return self._footprints.footprints

    @property
    def slowest(self) -> list[AssetRow]:
        """The slowest assets, slowest first."""
        return sorted(self._slowest, reverse=True)

    @property
    def most_retried(self) -> list[AssetRow]:
        """The assets with the most attempts, in descending order."""
        return [row for _, row in sorted(self._retried, reverse=True)]

    def count_received(self, size: int) -> None:
        """Count bytes received for an unfinished asset.

        Args:
            size: The number of bytes.
        """
        if size:
            self.received_so_far += size
            self.throughput.add(self.seconds, size)

    def count_ended(self) -> None:
        """Count a downloaded or skipped asset of an unfinished item."""
        self._ended += 1

    def add(self, owner: Owner, outcomes: Iterable[Outcome]) -> None:
        """Record a finished item.

        Args:
            owner: The item or collection.
            outcomes: The outcomes of the assets.
        """
        self.items += 1
        self._footprints.add(owner)
        for outcome in outcomes:
            match outcome:
                case Downloaded():
                    self.downloaded += 1
                    self._bytes += outcome.size
                    self.received += outcome.received
                    self._rank(outcome)
                case Skipped():
                    self.skipped += 1
                    self._bytes += outcome.size
                case Failed():
                    self.received += outcome.received
                    self._fail(outcome)
        # Bytes received by other processes are known only when an item is finished.
        self.count_received(max(0, self.received - self.received_so_far))

    def record_error(self, error: Exception) -> None:
        """Record the error that ended the run early.

        Args:
            error: The error of an asset, a `DownloadError` with the errors of several assets, or
                any other error.
        """
        for cause in error.exceptions if isinstance(error, DownloadError) else (error,):
            owner = cause.owner if isinstance(cause, StacAssetError) else None
            key = cause.key if isinstance(cause, StacAssetError) else None
            self.failed += key is not None
            self._add_failure(owner or "", key or "", "", cause)

    def _rank(self, outcome: Downloaded) -> None:
        transfer = outcome.transfer
        name = f"{transfer.owner_id}/{transfer.key}"
        row = AssetRow(outcome.seconds, outcome.attempts, name, outcome.size)
        _keep_largest(self._slowest, row)
        if outcome.attempts > 1:
            self.retried += 1
            _keep_largest(self._retried, (outcome.attempts, row))

    def _fail(self, outcome: Failed) -> None:
        self.failed += 1
        self.retried += outcome.attempts > 1
        href = redact_href(outcome.transfer.href) if outcome.transfer else ""
        self._add_failure(outcome.owner, outcome.key, href, outcome.error)

    def _add_failure(self, owner: str, key: str, href: str, error: Exception) -> None:
        if len(self.failures) < MAX_FAILURES:
            reason = redact_text(f"{type(error).__name__}: {error}")[:1000]
            self.failures.append({"owner": owner, "key": key, "href": href, "error": reason})


class StatisticsReporter(Reporter):
    """Pass the progress of transfers in this process to the statistics of a run.

    Args:
        statistics: The statistics of the run.
    """

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics

    def wrote(self, candidate: Candidate, size: int) -> None:
        """Count bytes written to a part file."""
        self._statistics.count_received(size)

    async def finished(self, transfer: Transfer, candidate: Candidate) -> None:
        """Count a downloaded asset."""
        self._statistics.count_ended()

    async def skipped(self, transfer: Transfer, candidate: Candidate) -> None:
        """Count a skipped asset."""
        self._statistics.count_ended()


def _keep_largest(heap: list[_Entry], entry: _Entry) -> None:
    if len(heap) < MAX_TOP_ASSETS:
        heapq.heappush(heap, entry)
    else:
        heapq.heappushpop(heap, entry)
