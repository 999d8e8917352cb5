"""Internal: the steps of a run of the flow `sync`, from the search to the final state."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from typing import Any

from prefect import get_run_logger
from prefect.states import Completed

from prefect_stac_asset.flows.distribution.parameter import open_distribution
from prefect_stac_asset.flows.distribution.target import Target
from prefect_stac_asset.flows.execution.session import Session
from prefect_stac_asset.flows.execution.state_names import BUDGET_REACHED, DRY_RUN, NOTHING_NEW
from prefect_stac_asset.flows.mirror.before_after import BeforeAfter
from prefect_stac_asset.flows.mirror.completeness import headline, write_answer
from prefect_stac_asset.flows.mirror.result import SyncResult
from prefect_stac_asset.flows.monitoring.failing_items import FailingItems
from prefect_stac_asset.flows.monitoring.item_times import newest_moment
from prefect_stac_asset.flows.monitoring.monitor import RunMonitor, open_monitor
from prefect_stac_asset.flows.orchestration.preparation import RunPreparation
from prefect_stac_asset.flows.orchestration.units import Unit
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from prefect_stac_asset.flows.planning.artifact import write_plan
from prefect_stac_asset.flows.planning.step import PlanStep
from prefect_stac_asset.flows.planning.totals import new_totals
from prefect_stac_asset.flows.reporting.artifacts import log_failure
from prefect_stac_asset.flows.reporting.flow_state import flow_state
from prefect_stac_asset.flows.reporting.report_file import Report
from prefect_stac_asset.flows.reporting.result import DownloadResult
from stac_asset.concurrency import concurrent_calls, in_executor
from stac_asset.mirror.counts import ItemCounter
from stac_asset.mirror.layout import CATALOG, REPORT, SHARES
from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.mirror.planning import Prepared
from stac_asset.mirror.run import MirrorUpdate
from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.notices import notice_lines
from stac_asset.plan.summary import PlanSummary
from stac_asset.sync.totals import MirrorTotals
from stac_asset.types import Failed, Outcome


class SyncFlowRun:
    """A run of the flow with validated parameters.

    Args:
        mirror: A new run of the mirror.
        storage: The files of the mirror.
        session: The session of the flow.
        options: The options of the download.
        granularity: Work of one task run.
        limits: Limits of the run, which count the items.
        on_removed: Action for items that left the source.
        step: The plan of a dry run, or of a run that may need an approval.
        started: Start of the run, as `time.monotonic()` returned it.
        target: The deployment whose runs download the items, if any.
    """

    def __init__(
        self,
        mirror: MirrorUpdate,
        storage: MirrorStorage,
        session: Session,
        options: DownloadOptions,
        granularity: Granularity,
        limits: RunSizeLimits,
        on_removed: OnRemoved,
        step: PlanStep,
        started: float,
        target: Target | None,
    ) -> None:
        self._mirror = mirror
        self._storage = storage
        self._session = session
        self._options = options
        self._granularity = granularity
        self._limits = limits
        self._on_removed = on_removed
        self._step = step
        self._started = started
        self._target = target
        self._counts = ItemCounter()
        self._failing = FailingItems(storage)

    async def dry_run(self) -> Any:
        """Write the table of planned changes, and return the final state of the flow."""
        await self._find_changes()
        plan = await self._choose()
        base = _empty_result(self._mirror, self._started).model_copy(update={"plan": plan})
        result = self._result(base)
        if plan is not None:
            await write_plan(plan, result.summary())
        await log_failure(write_answer(None, result))
        return Completed(
            name=NOTHING_NEW if _has_no_changes(result) else DRY_RUN,
            message=result.message(result.summary()),
            data=result,
        )

    async def _choose(self, preparation: RunPreparation | None = None) -> PlanSummary | None:
        """Choose the items of this run, and return the plan if the run needs a plan.

        Args:
            preparation: The preparation of the downloads, which counts the items.
        """
        directory = self._mirror.directory
        step, session, totals = self._step, self._session, None
        if step.is_needed:
            earlier = await step.earlier(session, directory / REPORT, directory)
            totals = MirrorTotals(
                new_totals(session, earlier),
                session.clients,
                session.config,
                step.may_ask,
                session.connect,
            )
        async for prepared in self._mirror.choose(self._limits):
            self._counts.add(prepared)
            if preparation is not None:
                preparation.add(_unit(0, prepared))
            if totals is not None:
                await totals.add(prepared)
        return None if totals is None else totals.summary(self._mirror, self._on_removed)

    async def execute(self, report: Report) -> Any:
        """Update the mirror, and return the final state of the flow.

        Args:
            report: The report of the run.

        Raises:
            DownloadError: Assets failed, and `warn` is not set.
        """
        await self._find_changes()
        options, granularity, session = self._options, self._granularity, self._session
        shares = self._storage.directory / SHARES
        distribution = await open_distribution(self._target, shares, options, granularity, session)
        preparation = RunPreparation(options, granularity, session, distribution)
        plan = await self._choose(preparation)
        if plan is not None:
            self._step.check_approval(plan)
        unreadable = [
            Failed("a document of the source", "", error) for error in self._mirror.errors
        ]
        report.add(unreadable)
        self._counts.failed += len(unreadable)
        async with open_monitor(
            self._session, preparation.amount, self._options, report.directory
        ) as monitor:
            await preparation.begin(self._units)
            await self._mirror.begin()
            await self._failing.begin()
            monitor.log(unreadable)
            pictured = BeforeAfter(self._mirror.changes.state.rows)
            try:
                await self._download(preparation, monitor, report, pictured)
            except Exception:
                # Record the items that were finished before the error.
                await self._mirror.save()
                await self._failing.finish(monitor.events)
                raise
            await self._mirror.finish(self._on_removed)
            self._failing.remove(self._mirror.removed)
            await self._failing.finish(monitor.events)
            await preparation.finish()
            seconds = time.monotonic() - self._started
            result = self._result(await report.finish(report.directory / CATALOG, seconds))
            if monitor.metrics is not None:
                newest = await in_executor(self._storage.executor, newest_moment, self._storage)
                if newest is not None:
                    monitor.metrics.newest(newest)
            await monitor.finish(result, result.complete)
            picture = await pictured.section()
            await log_failure(write_answer(monitor.client, result, picture))
        # A mirror without items has no catalog.
        exists = self._storage.exists
        has_catalog = await in_executor(self._storage.executor, exists, CATALOG)
        where = result.document if has_catalog else self._mirror.searched
        get_run_logger().info("%s: %s", result.summary(), where)
        level = logging.INFO if result.complete else logging.WARNING
        get_run_logger().log(level, "%s.", headline(result))
        if report.errors:
            return flow_state(report.errors, report.total, self._session.config.warn, result)
        name = NOTHING_NEW if _has_no_changes(result) else None
        name = BUDGET_REACHED if result.left_by_budget else name
        return Completed(name=name, message=result.message(result.summary()), data=result)

    async def _find_changes(self) -> None:
        await self._mirror.find_changes()
        if self._on_removed != "keep":
            await self._mirror.find_removed(marked=self._on_removed == "delete")

    async def _download(
        self,
        preparation: RunPreparation,
        monitor: RunMonitor,
        report: Report,
        pictured: BeforeAfter,
    ) -> None:
        in_progress: dict[int, Prepared] = {}

        def units() -> Iterator[Unit]:
            for number, prepared in enumerate(self._mirror.prepared()):
                in_progress[number] = prepared
                yield _unit(number, prepared)

        async def add(unit: Unit, ended: Sequence[Outcome]) -> None:
            prepared = in_progress.pop(unit.number)
            outcomes = await self._mirror.keep_earlier_files(prepared, ended)
            is_new = not pictured.has_item(prepared)
            is_complete = await self._mirror.add(prepared, outcomes)
            if is_complete:
                pictured.add(prepared, is_new)
            has_failed = any(isinstance(outcome, Failed) for outcome in outcomes)
            self._counts.failed += has_failed
            self._failing.add(prepared.wanted.key, has_failed)
            report.add(outcomes)
            await monitor.add(unit.owner, outcomes, prepared.document if is_complete else None)

        def leave(prepared: Prepared) -> None:
            self._mirror.leave(prepared)
            self._counts.leave(prepared)
            report.leave(_unit(0, prepared).transfers)

        async with (
            concurrent_calls(self._storage.concurrency) as start,
            aclosing(preparation.download(units())) as done,
        ):
            async for unit, ended in done:
                if unit.is_left:
                    leave(in_progress.pop(unit.number))
                    continue
                await start(add(unit, ended))

    def _units(self) -> Iterator[Unit]:
        return (_unit(0, prepared) for prepared in self._mirror.prepared())

    def _result(self, base: DownloadResult) -> SyncResult:
        if self._limits.too_large:
            get_run_logger().warning(
                "%d items are larger than `max_bytes` and are skipped by every run. Increase "
                "`max_bytes` to mirror them.",
                self._limits.too_large,
            )
        counts = self._counts.counts(self._mirror, self._limits, base.dry_run, base.left_by_budget)
        return SyncResult(**base.model_dump(), **dataclasses.asdict(counts))


def _has_no_changes(result: SyncResult) -> bool:
    items = result.new or result.changed or result.again or result.left or result.removed
    return not (items or result.metadata_updated or result.collections_updated)


def _unit(number: int, prepared: Prepared) -> Unit:
    return Unit(number, prepared.item, prepared.planned)


def _empty_result(mirror: MirrorUpdate, started: float) -> DownloadResult:
    return DownloadResult(
        directory=str(mirror.directory),
        document=str(mirror.directory / CATALOG),
        report=str(mirror.directory / REPORT),
        downloaded=0,
        skipped=0,
        failed=0,
        bytes=0,
        seconds=round(time.monotonic() - started, 3),
        dry_run=True,
        notices=notice_lines(),
    )
