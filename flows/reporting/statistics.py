"""What the artifacts say of a run, gathered as it goes on, in memory that does not grow."""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from prefect_stac_asset.flows.reporting.footprints import Outline, outlines
from stac_asset.errors import DownloadError, StacAssetError
from stac_asset.plan.planner import Owner
from stac_asset.redact import redact_href, redact_text
from stac_asset.transfer.reporter import Reporter
from stac_asset.types import Candidate, Downloaded, Failed, Outcome, Skipped, Transfer

TOP = 10
"""How many of the slowest and of the most retried assets are kept."""

FAILURES = 100
"""How many failures are kept."""

FOOTPRINTS = 300
"""How many items' footprints are kept: a fair sample where there are more."""

_BUCKETS = 240


@dataclass(frozen=True, slots=True, order=True)
class AssetRow:
    """One asset among the slowest or the most retried."""

    seconds: float
    attempts: int
    name: str
    size: int


_Kept = TypeVar("_Kept", AssetRow, tuple[int, AssetRow])


class Throughput:
    """Bytes over time: by the second, and coarser the longer it takes."""

    def __init__(self) -> None:
        self.width = 1
        """Seconds of a bucket."""

        self.buckets: list[int] = []
        """Bytes that came in each."""

    def add(self, seconds: float, size: int) -> None:
        """Counts bytes.

        Args:
            seconds: When they came, since the start.
            size: How many.
        """
        while seconds // self.width >= _BUCKETS:
            self.buckets = [sum(self.buckets[at : at + 2]) for at in range(0, len(self.buckets), 2)]
            self.width *= 2
        at = int(seconds // self.width)
        self.buckets += [0] * (at + 1 - len(self.buckets))
        self.buckets[at] += size


class Statistics:
    """Counts, sums and the few assets that stand out.

    Args:
        total: How many assets there are.
        total_bytes: How many bytes they are, where that is known of each.
        clock: What tells the time, in seconds.
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
        """Bytes that came over the network, those for nothing included."""

        self.moved = 0
        """The same, with those of transfers that have not ended yet."""

        self.failures: list[dict[str, str]] = []
        self.footprints: list[list[Outline]] = []
        self.throughput = Throughput()
        self._clock, self._started = clock, clock()
        self._ended = self._bytes = 0
        self._slowest: list[AssetRow] = []
        self._retried: list[tuple[int, AssetRow]] = []
        self._sampled = 0
        self._random = random.Random(0)

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return self._clock() - self._started

    @property
    def done(self) -> int:
        """How many assets have ended."""
        return min(self.total, max(self.downloaded + self.skipped, self._ended) + self.failed)

    @property
    def done_bytes(self) -> int:
        """Bytes of the assets that have ended, and what came of those that have not."""
        return self._bytes + max(0, self.moved - self.received)

    @property
    def slowest(self) -> list[AssetRow]:
        """The assets that took longest, the slowest first."""
        return sorted(self._slowest, reverse=True)

    @property
    def most_retried(self) -> list[AssetRow]:
        """The assets that took most attempts, the most first."""
        return [row for _, row in sorted(self._retried, reverse=True)]

    def moving(self, size: int) -> None:
        """Takes note of bytes that have come for an asset.

        Args:
            size: How many.
        """
        if size:
            self.moved += size
            self.throughput.add(self.seconds, size)

    def ended(self) -> None:
        """Takes note of an asset that is there, whose item is still in work."""
        self._ended += 1

    def add(self, owner: Owner, outcomes: Iterable[Outcome]) -> None:
        """Takes note of an item that has ended.

        Args:
            owner: The item, or collection.
            outcomes: What became of its assets.
        """
        self.items += 1
        self._sample(owner)
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
        # What came to another process is known only now.
        self.moving(max(0, self.received - self.moved))

    def stop(self, error: Exception) -> None:
        """Takes note of the error that ended the run before its end.

        Args:
            error: An asset's, those of several assets, or any other.
        """
        for one in error.exceptions if isinstance(error, DownloadError) else (error,):
            owner = one.owner if isinstance(one, StacAssetError) else None
            key = one.key if isinstance(one, StacAssetError) else None
            self.failed += key is not None
            self._note(owner or "", key or "", "", one)

    def _rank(self, outcome: Downloaded) -> None:
        transfer = outcome.transfer
        name = f"{transfer.owner_id}/{transfer.key}"
        row = AssetRow(outcome.seconds, outcome.attempts, name, outcome.size)
        _keep(self._slowest, row)
        if outcome.attempts > 1:
            self.retried += 1
            _keep(self._retried, (outcome.attempts, row))

    def _fail(self, outcome: Failed) -> None:
        self.failed += 1
        self.retried += outcome.attempts > 1
        href = redact_href(outcome.transfer.href) if outcome.transfer else ""
        self._note(outcome.owner, outcome.key, href, outcome.error)

    def _note(self, owner: str, key: str, href: str, error: Exception) -> None:
        if len(self.failures) < FAILURES:
            reason = redact_text(f"{type(error).__name__}: {error}")[:1000]
            self.failures.append({"owner": owner, "key": key, "href": href, "error": reason})

    def _sample(self, owner: Owner) -> None:
        found = outlines(owner)
        if not found:
            return
        self._sampled += 1
        if len(self.footprints) < FOOTPRINTS:
            self.footprints.append(found)
        elif (at := self._random.randrange(self._sampled)) < FOOTPRINTS:
            self.footprints[at] = found


class StatisticsReporter(Reporter):
    """Lets statistics see how transfers go on.

    Args:
        statistics: Who sees it.
    """

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics

    def wrote(self, candidate: Candidate, size: int) -> None:
        """Some more bytes are in a part file."""
        self._statistics.moving(size)

    async def finished(self, transfer: Transfer, candidate: Candidate) -> None:
        """A file is in its place."""
        self._statistics.ended()

    async def skipped(self, transfer: Transfer, candidate: Candidate) -> None:
        """A file was there already."""
        self._statistics.ended()


def _keep(heap: list[_Kept], entry: _Kept) -> None:
    if len(heap) < TOP:
        heapq.heappush(heap, entry)
    else:
        heapq.heappushpop(heap, entry)
