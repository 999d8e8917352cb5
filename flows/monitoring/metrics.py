"""Internal: the metrics of runs for Prometheus.

All labels have few values: the name of the flow, the name of the deployment, the outcome of an
asset, the host, and the reason of a retry. No label contains an href, an id or a path.

This module imports `prometheus_client`, so it is imported only in runs with the option `metrics`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from yarl import URL

from prefect_stac_asset.flows.reporting.statistics import Statistics, StatisticsReporter
from stac_asset.types import Candidate, Downloaded, Failed, Outcome, Transfer

_RUN = ("flow", "deployment")

_MAX_HOSTS = 50
"""Maximum number of hosts with a separate label. Further hosts share the label `other`."""

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
_BYTES = tuple(4**power * 1024 for power in range(1, 13))
"""16 KiB to 16 GiB."""


class Metrics:
    """The metrics of all runs that share an endpoint.

    Args:
        registry: The registry of the endpoint.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"stac_asset_{name}", text, (*_RUN, *labels), registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"stac_asset_{name}", text, _RUN, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            name = f"stac_asset_{name}"
            return Histogram(name, text, _RUN, buckets=buckets, registry=registry)

        self.received = counter("received_bytes", "Bytes received, including failed attempts.")
        self.assets = counter("assets", "Finished assets: downloaded, skipped, failed.", "outcome")
        self.retries = counter("retries", "Retries of downloads.", "host", "reason")
        self.runs = counter("runs", "Finished runs by result: success, failure.", "result")
        self.asset_seconds = histogram("asset_seconds", "Time of downloaded assets.", _SECONDS)
        self.asset_bytes = histogram("asset_bytes", "Size of downloaded assets.", _BYTES)
        self.run_seconds = gauge("run_seconds", "Time of the last run, without the search.")
        self.queued = gauge("queued_assets", "Planned assets that have not ended.")
        self.newest = gauge(
            "newest_item_timestamp_seconds",
            "Time of the newest item of the mirror or run.",
        )
        self.success = gauge("last_success_timestamp_seconds", "End of the last successful run.")
        self.complete = gauge("mirror_complete", "1 if the mirror is complete, otherwise 0.")
        self.checked = Gauge(
            "stac_asset_check_results",
            "Assets, files or differences of the last check by result.",
            (*_RUN, "result"),
            registry=registry,
        )
        self.free = gauge("destination_free_bytes", "Free bytes on the disk of the destination.")
        self.hosts: set[str] = set()
        """Hosts with a separate label."""


class RunMetrics:
    """Record the metrics of a run.

    Args:
        metrics: The metrics of the endpoint.
        flow: The name of the flow.
        deployment: The name of the deployment, or `none`.
    """

    def __init__(self, metrics: Metrics, flow: str, deployment: str) -> None:
        self._metrics = metrics
        self._labels = flow, deployment
        self._queued = 0
        self._newest: datetime | None = None
        self._started = time.monotonic()
        self._received_of_outcomes = self._received = 0
        self._is_in_process = False
        """Whether downloads in this process report to this object."""

        metrics.received.labels(*self._labels)  # Zero until bytes arrive.

    def begin(self, assets: int) -> None:
        """Record the number of planned assets.

        Args:
            assets: The number.
        """
        self._queued += assets
        self._metrics.queued.labels(*self._labels).inc(assets)

    def received(self, size: int) -> None:
        """Record bytes received for an asset in this process.

        Args:
            size: The number of bytes.
        """
        self._received += size
        self._metrics.received.labels(*self._labels).inc(size)

    def started(self) -> None:
        """Record that downloads in this process report to this object."""
        self._is_in_process = True

    def retried(self, candidate: Candidate, reason: str, count: int = 1) -> None:
        """Record retries.

        Args:
            candidate: The candidate of the asset.
            reason: The kind of the error.
            count: The number of retries.
        """
        host = self._host(candidate.href)
        self._metrics.retries.labels(*self._labels, host, reason).inc(count)

    def ended(self, outcomes: Iterable[Outcome], moment: datetime | None = None) -> None:
        """Record the outcomes of an item.

        Args:
            outcomes: The outcomes of the assets.
            moment: The time of the item, if the item is complete.
        """
        metrics, labels = self._metrics, self._labels
        for outcome in outcomes:
            metrics.assets.labels(*labels, outcome.state).inc()
            self._dequeue(1)
            if isinstance(outcome, Downloaded):
                metrics.asset_seconds.labels(*labels).observe(outcome.seconds)
                metrics.asset_bytes.labels(*labels).observe(outcome.size)
            if isinstance(outcome, Downloaded | Failed):
                self._received_of_outcomes += outcome.received
                self._count_retries(outcome)
        # Bytes received by other processes are known only when an item is finished.
        if self._received_of_outcomes > self._received:
            self.received(self._received_of_outcomes - self._received)
        if moment is not None:
            self.newest(moment)

    def newest(self, moment: datetime) -> None:
        """Record the time of an item, if no other item of the run is newer.

        Args:
            moment: The time, with a time zone.
        """
        if self._newest is None or moment > self._newest:
            self._newest = moment
            self._metrics.newest.labels(*self._labels).set(moment.timestamp())

    def free(self, size: int) -> None:
        """Record the free space on the disk of the destination.

        Args:
            size: The free space in bytes.
        """
        self._metrics.free.labels(*self._labels).set(size)

    def checked(self, counts: Mapping[str, int]) -> None:
        """Record the result of a check, an audit or a verification.

        Args:
            counts: The number of assets, files or differences, by result.
        """
        for result, count in counts.items():
            self._metrics.checked.labels(*self._labels, result).set(count)

    def finish(self, is_successful: bool, is_complete: bool | None = None) -> None:
        """Record the end of the run.

        Args:
            is_successful: Whether no asset failed.
            is_complete: Whether the mirror is complete, if the run updates a mirror.
        """
        metrics, labels = self._metrics, self._labels
        metrics.runs.labels(*labels, "success" if is_successful else "failure").inc()
        metrics.run_seconds.labels(*labels).set(time.monotonic() - self._started)
        if is_successful:
            metrics.success.labels(*labels).set_to_current_time()
        if is_complete is not None:
            metrics.complete.labels(*labels).set(is_complete)
        self.close()

    def close(self) -> None:
        """Remove the assets of the run from the queue. A cancelled run has unfinished assets."""
        self._dequeue(self._queued)

    def _dequeue(self, count: int) -> None:
        count = min(count, self._queued)
        if count:
            self._queued -= count
            self._metrics.queued.labels(*self._labels).dec(count)

    def _count_retries(self, outcome: Downloaded | Failed) -> None:
        """Record retries in another process. The reasons are unknown."""
        if self._is_in_process or outcome.attempts < 2 or outcome.transfer is None:
            return
        if isinstance(outcome, Downloaded):
            candidate = outcome.candidate
        else:
            candidate = outcome.transfer.candidates[0]
        self.retried(candidate, "unknown", outcome.attempts - 1)

    def _host(self, href: str) -> str:
        try:
            host = URL(href).host or "local"
        except ValueError:
            return "other"
        hosts = self._metrics.hosts
        if host not in hosts:
            if len(hosts) >= _MAX_HOSTS:
                return "other"
            hosts.add(host)
        return host


class MetricsReporter(StatisticsReporter):
    """Pass the progress of transfers in this process to the statistics and metrics of a run.

    Args:
        statistics: The statistics of the run.
        metrics: The metrics of the run.
    """

    def __init__(self, statistics: Statistics, metrics: RunMetrics) -> None:
        super().__init__(statistics)
        self._metrics = metrics

    async def started(self, transfer: Transfer, candidate: Candidate) -> None:
        """Note that downloads in this process report to this object."""
        self._metrics.started()

    def wrote(self, candidate: Candidate, size: int) -> None:
        """Count bytes written to a part file."""
        super().wrote(candidate, size)
        self._metrics.received(size)

    def retried(self, candidate: Candidate, reason: str) -> None:
        """Count a retry."""
        self._metrics.retried(candidate, reason)
