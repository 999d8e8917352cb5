"""Report a flow run to Prefect: progress, summary, failures, events and log lines.

The download flows and `sync` open one monitor per run with `open_monitor`. An artifact or event
that cannot be sent is logged as a warning and never fails the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

import anyio
from prefect.client.orchestration import PrefectClient, get_client
from prefect.runtime import deployment, flow_run

from prefect_stac_asset.flows.execution.session import Session
from prefect_stac_asset.flows.monitoring.activity import Activity
from prefect_stac_asset.flows.monitoring.item_times import completed_moment
from prefect_stac_asset.flows.monitoring.metrics_endpoint import open_metrics
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from prefect_stac_asset.flows.reporting.artifacts import (
    Progress,
    log_failure,
    progress,
    write_artifacts,
)
from prefect_stac_asset.flows.reporting.events import Events, open_events
from prefect_stac_asset.flows.reporting.result import DownloadResult
from prefect_stac_asset.flows.reporting.statistics import Statistics, StatisticsReporter
from prefect_stac_asset.flows.reporting.warnings import WarningLog
from stac_asset.destinations.location import Location
from stac_asset.plan.owners import Owner
from stac_asset.types import Failed, Outcome, Transfer

if TYPE_CHECKING:
    from prefect_stac_asset.flows.monitoring.metrics import RunMetrics

_CLOSE_TIMEOUT = 15.0
"""Maximum number of seconds for sending the last events and closing connections to Prefect."""


class Amount:
    """Number and total size of the assets of a run, including assets that could not be planned."""

    def __init__(self) -> None:
        self.assets = 0
        self._bytes = 0
        self._is_known = True
        self.has_asset_tasks = False
        """Whether each asset has a task run of its own in this flow run."""

    @property
    def bytes(self) -> int | None:
        """Total size in bytes, if the size of every asset is known."""
        return self._bytes if self._is_known and self.assets else None

    @property
    def known_bytes(self) -> int:
        """Total size in bytes of the assets with a known size."""
        return self._bytes

    def add(self, planned: Iterable[Transfer | Failed]) -> None:
        """Count the planned assets of an item.

        Args:
            planned: A transfer for each asset. `Failed` for an asset that could not be planned.
        """
        for entry in planned:
            self.assets += 1 + len(entry.shared_with if isinstance(entry, Transfer) else ())
            size = entry.size if isinstance(entry, Transfer) else None
            self._is_known &= size is not None
            self._bytes += size or 0


@dataclass(slots=True)
class RunMonitor:
    """Report the outcomes of a run to Prefect. Created by `open_monitor`."""

    client: PrefectClient
    """The connection to Prefect's API."""

    statistics: Statistics
    """The statistics of the run."""

    events: Events
    """The events of the run."""

    warnings: WarningLog
    """The log of failed assets."""

    activity: Activity
    """The reports of the activity of the run."""

    metrics: RunMetrics | None = None
    """The metrics of the run, if the option `metrics` is set."""

    _progress: Progress = field(init=False)
    _tasks: list[asyncio.Task[None]] = field(init=False)
    _is_finished: bool = field(init=False, default=False)

    async def add(
        self, owner: Owner, outcomes: Sequence[Outcome], document: Location | None = None
    ) -> None:
        """Record a finished item.

        Args:
            owner: The item or collection.
            outcomes: The outcomes of the assets.
            document: The rewritten document of the item, if the item has its own.
        """
        self.statistics.add(owner, outcomes)
        if self.metrics is not None:
            self.metrics.ended(outcomes, completed_moment(owner, outcomes))
        self.log(outcomes)
        await self.events.item(owner, outcomes, document)

    def log(self, outcomes: Iterable[Outcome]) -> None:
        """Log failed assets.

        Args:
            outcomes: The outcomes of assets.
        """
        for outcome in outcomes:
            if isinstance(outcome, Failed):
                transfer = outcome.transfer
                is_planned = transfer is not None
                self.warnings.add(outcome.owner, outcome.key, outcome.error, transfer, is_planned)

    async def finish(self, result: DownloadResult, is_complete: bool | None = None) -> None:
        """Write the artifacts and send the final event, before the flow returns a state.

        Args:
            result: The result of the run.
            is_complete: Whether the mirror is complete, if the run updates a mirror.
        """
        self._is_finished = True
        self.warnings.finish(result.report)
        await self._write(result)
        await self.events.completed(result)
        if self.metrics is not None:
            self.metrics.finish(self.warnings.warn or not result.failed, is_complete)

    async def fail(self, error: Exception) -> None:
        """Write the artifacts of a run that an error ended, unless `finish` was called.

        Args:
            error: The error.
        """
        if not self._is_finished:
            self.statistics.record_error(error)
            if self.metrics is not None:
                self.metrics.finish(is_successful=False)
            await self._write(None)

    async def start_progress(self) -> None:
        """Create the progress artifact, and start the tasks that report the progress."""
        self._progress = Progress(self.client, partial(progress, self.statistics))
        await log_failure(self._progress.update())
        self._tasks = [
            asyncio.create_task(log_failure(self._progress.follow())),
            asyncio.create_task(log_failure(self.activity.follow())),
        ]

    async def stop_progress(self) -> None:
        """Stop updating the progress artifact, and reporting the activity."""
        self._progress.stop()
        self.activity.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _write(self, result: DownloadResult | None) -> None:
        await self.stop_progress()
        await log_failure(self._progress.update())
        await log_failure(write_artifacts(self.client, self.statistics, result))


class _ShieldedExitStack(AsyncExitStack):
    """Exit stack that closes within `_CLOSE_TIMEOUT`, also in a cancelled scope.

    A flow that exceeds its timeout cancels every await that is not shielded.
    """

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> bool:
        with anyio.move_on_after(_CLOSE_TIMEOUT, shield=True):
            return bool(await super().__aexit__(kind, error, trace))
        return False


@asynccontextmanager
async def open_monitor(
    session: Session, amount: Amount, options: DownloadOptions, directory: Location
) -> AsyncIterator[RunMonitor]:
    """Monitor a run until the context ends.

    Args:
        session: The session of the run.
        amount: Number and total size of the assets.
        options: The options that select events and lineage.
        directory: The directory of the run.
    """
    statistics = Statistics(amount.assets, amount.bytes)
    async with _ShieldedExitStack() as stack:
        client = await stack.enter_async_context(get_client())
        events = await stack.enter_async_context(open_events(str(flow_run.id), options))
        metrics = await stack.enter_async_context(
            open_metrics(options.metrics, str(flow_run.flow_name), deployment.name)
        )
        activity = Activity(statistics, events, directory, options.low_space_percent, metrics)
        warnings = WarningLog(session.config.warn, tasks_log=amount.has_asset_tasks)
        monitor = RunMonitor(client, statistics, events, warnings, activity, metrics)
        await monitor.start_progress()
        stack.push_async_callback(monitor.stop_progress)
        # The engine was created with the session, before the number of assets was known.
        session.engine.reporter = _reporter(statistics, metrics)
        if metrics is not None:
            metrics.begin(amount.assets)
        try:
            yield monitor
        except Exception as error:
            await monitor.fail(error)
            raise


def _reporter(statistics: Statistics, metrics: RunMetrics | None) -> StatisticsReporter:
    if metrics is None:
        return StatisticsReporter(statistics)
    # Imports `prometheus_client`, which most runs do not need.
    from prefect_stac_asset.flows.monitoring.metrics import MetricsReporter

    return MetricsReporter(statistics, metrics)
