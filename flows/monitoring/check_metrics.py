"""Internal: the metrics of the flows that check or compare files: counts by result."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from prefect.runtime import deployment, flow_run

from prefect_stac_asset.flows.monitoring.metrics_endpoint import open_metrics
from prefect_stac_asset.flows.parameters.options import DownloadOptions

if TYPE_CHECKING:
    from prefect_stac_asset.flows.monitoring.metrics import RunMetrics


class CheckMetrics:
    """Record the end of a check. Created by `open_check_metrics`.

    Args:
        metrics: The metrics of the run, if the option `metrics` is set.
    """

    def __init__(self, metrics: RunMetrics | None) -> None:
        self._metrics = metrics
        self._is_finished = False

    def finish(
        self, counts: Mapping[str, int], is_successful: bool, is_complete: bool | None = None
    ) -> None:
        """Record the result of a run.

        Args:
            counts: The number of assets, files or differences, by result.
            is_successful: Whether the flow run completes.
            is_complete: Whether the mirror is complete, if the run compares a mirror.
        """
        if self._metrics is not None:
            self._metrics.checked(counts)
            self._metrics.finish(is_successful, is_complete)
        self._is_finished = True

    def fail(self) -> None:
        """Record a run that an error ended, unless `finish` was called."""
        if self._metrics is not None and not self._is_finished:
            self._metrics.finish(is_successful=False)


@asynccontextmanager
async def open_check_metrics(options: DownloadOptions) -> AsyncIterator[CheckMetrics]:
    """Serve or push the metrics of a check until the context ends.

    Args:
        options: The options of the flow.

    Raises:
        ConfigError: The address to serve is in use, or does not belong to this machine.
    """
    opening = open_metrics(options.metrics, str(flow_run.flow_name), deployment.name)
    async with opening as opened:
        metrics = CheckMetrics(opened)
        try:
            yield metrics
        except Exception:
            metrics.fail()
            raise
