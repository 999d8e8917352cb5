"""Watches a run: tells Prefect how it goes on, and what came of it.

What cannot be told is said in the log, and never fails a run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from prefect_stac_asset.flows.execution.session import Session
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from prefect_stac_asset.flows.reporting.artifacts import Progress, log_failure, write_artifacts
from prefect_stac_asset.flows.reporting.events import Events
from prefect_stac_asset.flows.reporting.result import DownloadResult
from prefect_stac_asset.flows.reporting.statistics import Statistics, StatisticsReporter
from prefect_stac_asset.flows.reporting.warnings import WarningLog
from stac_asset.plan.planner import Owner
from stac_asset.types import Failed, Outcome, Transfer

_CLOSING = 15.0
"""Seconds for the connections to Prefect to be closed, the last events sent."""


class Amount:
    """How much there is to download."""

    def __init__(self) -> None:
        self.assets = 0
        self._bytes = 0
        self._is_known = True

    @property
    def bytes(self) -> int | None:
        """How many bytes there are, if the size of each asset is known."""
        return self._bytes if self._is_known and self.assets else None

    def add(self, planned: Iterable[Transfer | object]) -> None:
        """Counts what is planned of an item.

        Args:
            planned: Transfers, and the failures of those of which there can be none.
        """
        for entry in planned:
            self.assets += 1
            size = entry.size if isinstance(entry, Transfer) else None
            self._is_known &= size is not None
            self._bytes += size or 0


class RunMonitor:
    """Writes artifacts and sends events while it is entered.

    Args:
        session: The session of the run.
        amount: How much there is to download.
        options: What to tell.
    """

    def __init__(self, session: Session, amount: Amount, options: DownloadOptions) -> None:
        self._session = session
        self._options = options
        self._statistics = Statistics(amount.assets, amount.bytes)
        self._warned = WarningLog(session.config.warn)
        self._is_finished = False

    async def add(
        self, owner: Owner, outcomes: Sequence[Outcome], document: Path | None = None
    ) -> None:
        """Takes note of an item that has ended.

        Args:
            owner: The item, or collection.
            outcomes: What became of its assets.
            document: The rewritten document of the item alone, if there is one.
        """
        self._statistics.add(owner, outcomes)
        self.log(outcomes)
        await self._events.item(owner, outcomes, document)

    def log(self, outcomes: Iterable[Outcome]) -> None:
        """Logs what failed, where that is a warning.

        Args:
            outcomes: What became of some assets.
        """
        for outcome in outcomes:
            if isinstance(outcome, Failed):
                self._warned.add(outcome.owner, outcome.key, outcome.error)

    async def finish(self, result: DownloadResult) -> None:
        """Writes what came of the run, before its end is made a failure or not.

        Args:
            result: The result of the run.
        """
        self._is_finished = True
        self._warned.finish(result.report)
        await self._write(result)
        await self._events.completed(result)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._client = await stack.enter_async_context(get_client())
            self._events = await stack.enter_async_context(Events(str(flow_run.id), self._options))
            self._progress = Progress(self._client, self._statistics)
            await log_failure(self._progress.update())
            self._following = asyncio.create_task(log_failure(self._progress.follow()))
            # The engine is the session's; what it reports goes nowhere until somebody watches.
            self._session.engine.reporter = StatisticsReporter(self._statistics)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if isinstance(error, Exception) and not self._is_finished:
                self._statistics.stop(error)
                await self._write(None)
        finally:
            # Where a flow has run into its timeout, it cancels every await that is not shielded.
            with anyio.move_on_after(_CLOSING, shield=True):
                await self._stop_following()
                await self._stack.__aexit__(kind, error, trace)

    async def _stop_following(self) -> None:
        self._progress.stop()
        await asyncio.gather(self._following, return_exceptions=True)

    async def _write(self, result: DownloadResult | None) -> None:
        await self._stop_following()
        await log_failure(self._progress.update())
        await log_failure(write_artifacts(self._client, self._statistics, result))
