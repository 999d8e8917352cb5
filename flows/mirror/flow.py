"""Flow `sync`: mirror a STAC source, downloading items that are new or changed."""

from __future__ import annotations

import dataclasses
import logging
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from prefect import get_run_logger
from prefect.states import Completed

from prefect_stac_asset.flows.distribution.parameter import (
    Distribute,
    Target,
    open_distribution,
    target_of,
)
from prefect_stac_asset.flows.execution.library_logs import send_library_logs
from prefect_stac_asset.flows.execution.run_names import run_name
from prefect_stac_asset.flows.execution.session import Session, open_session
from prefect_stac_asset.flows.execution.states import (
    BUDGET_REACHED,
    DRY_RUN,
    NOTHING_NEW,
    flow_state,
)
from prefect_stac_asset.flows.mirror.completeness import headline, write_answer
from prefect_stac_asset.flows.mirror.result import SyncResult
from prefect_stac_asset.flows.mirror.search import Search
from prefect_stac_asset.flows.monitoring.failing_items import FailingItems
from prefect_stac_asset.flows.monitoring.item_times import newest_moment
from prefect_stac_asset.flows.orchestration.preparation import RunPreparation
from prefect_stac_asset.flows.orchestration.units import Unit
from prefect_stac_asset.flows.parameters.credentials import Credentials, DestinationCredentials
from prefect_stac_asset.flows.parameters.destination import checked_destination
from prefect_stac_asset.flows.parameters.flow import asset_flow
from prefect_stac_asset.flows.parameters.form import WithoutEffect, titled
from prefect_stac_asset.flows.parameters.mirror import MirrorBlock, required
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from prefect_stac_asset.flows.parameters.source import is_text
from prefect_stac_asset.flows.planning.approval import ApproveAbove
from prefect_stac_asset.flows.planning.artifact import write_plan
from prefect_stac_asset.flows.planning.step import PlanStep
from prefect_stac_asset.flows.planning.totals import new_totals
from prefect_stac_asset.flows.reporting.artifacts import log_failure
from prefect_stac_asset.flows.reporting.monitor import RunMonitor, open_monitor
from prefect_stac_asset.flows.reporting.report_file import Report, open_report
from prefect_stac_asset.flows.reporting.result import DownloadResult
from stac_asset.concurrency import concurrent_calls, in_executor
from stac_asset.destinations.location import Location
from stac_asset.errors import ConfigError, SourceError
from stac_asset.mirror.counts import ItemCounter
from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.mirror.planning import Prepared
from stac_asset.mirror.run import Mirror
from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.mirror.sources.open import open_source
from stac_asset.mirror.state.layout import CATALOG, REPORT, SHARES
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.mirror.storage.open import open_storage
from stac_asset.notices import notice_lines
from stac_asset.plan.summary import PlanSummary
from stac_asset.sync.totals import MirrorTotals
from stac_asset.types import Failed, Outcome

_WITHOUT_EFFECT = WithoutEffect(frozenset({"write_checksums"}), refused=frozenset({"check_first"}))


@asset_flow(("resolve_client", "download_asset"), name="sync", flow_run_name=run_name("sync"))
async def sync(
    source: Annotated[str | None, titled("Source")] = None,
    directory: Annotated[str | None, titled("Directory")] = None,
    search: Annotated[Search, titled("Search")] = Search(),  # noqa: B008 # never modified
    options: Annotated[DownloadOptions | None, titled("Options"), _WITHOUT_EFFECT] = None,
    on_removed: Annotated[OnRemoved, titled("Removed items")] = "keep",
    max_items: Annotated[int | None, titled("Maximum number of items")] = None,
    max_bytes: Annotated[int | None, titled("Maximum number of bytes")] = None,
    dry_run: Annotated[bool, titled("Dry run")] = False,
    granularity: Annotated[Granularity, titled("Task runs")] = "auto",
    credentials: Annotated[Credentials, titled("Credentials")] = None,
    destination_credentials: Annotated[
        DestinationCredentials, titled("Credentials of the directory")
    ] = None,
    approve_above: Annotated[ApproveAbove | None, titled("Approval")] = None,
    distribute: Distribute = None,
    mirror: Annotated[MirrorBlock | None, titled("Mirror")] = None,
) -> SyncResult:
    """Mirror a STAC source into a directory. Each run downloads items that are new or changed.

    The directory is a static STAC catalog. It also holds the state that the next run needs.

    Args:
        source: URL of a STAC API, or URL or local path of a static catalog or of a file with items
            (JSON item collection, newline-delimited JSON or stac-geoparquet).
        directory: Directory of the mirror, on the machine that runs the flow, or the URL of a
            prefix such as `s3://bucket/prefix`. A relative path is relative to the working
            directory of the run.
        search: Criteria that select the items to mirror.
        options: Options that select assets and configure the download. Checksums are always
            written.
        on_removed: Action for items that were removed from the source: `keep` them unchanged,
            `mark` them as deprecated, or `delete` them with their files.
        max_items: Maximum number of items per run. Further items are left for the next run.
        max_bytes: Maximum number of bytes to download per run. Further items are left for the next
            run.
        dry_run: Show the planned changes as a table, without downloading or removing files.
        granularity: Work of one task run: an `asset`, a `batch` of whole items, or `auto`. With
            `auto`, runs of up to 200 assets use one task run per asset. Larger runs, and runs with
            `concurrency_limits`, use batches.
        credentials: Saved credential blocks, one or several. Each URL, including that of a STAC
            API, uses the first block that applies to it.
        destination_credentials: Saved block with the credentials of a `directory` in an object
            store. With a bucket block, a relative `directory` is relative to the block's folder.
        approve_above: Limits above which a run waits for a person's approval.
        distribute: Name of a deployment of the flow `download-batch`, whose runs download the
            items on the machines of its work pool. Requires a `directory` in an object store.
        mirror: Saved block `Mirror` in place of the other parameters, except `dry_run`.

    Returns:
        The location of the catalog, and the number of items, assets and bytes.

    Raises:
        SourceError: The source cannot be read, or is not a STAC source.
        ConfigError: A parameter has an invalid value. The message names the parameter.
        DestinationError: The directory cannot be created or written to.
        MissingCredentialError: A required credential is not configured.
        DownloadError: Assets failed, and `warn` is not set. All other assets were downloaded,
            unless `fail_fast` is set. The next run retries the failed items.
    """
    started = time.monotonic()
    source, directory = required(source, directory)
    options = (options or DownloadOptions()).model_copy(update={"write_checksums": True})
    config = options.config()
    destination = checked_destination(directory, config, destination_credentials)
    criteria = search.criteria()
    RunSizeLimits(max_items, max_bytes)  # Reports an invalid limit before the first request.
    if is_text(source):
        raise SourceError(
            "`source` is JSON text. Set `source` to the URL of a STAC API, or to the URL or path "
            "of a catalog or file."
        )
    if options.check_first:
        raise ConfigError(
            "`check_first` is not supported by `sync`, because the next run retries failed items. "
            "Set `check_first=False`."
        )
    target = await target_of(distribute, destination)
    send_library_logs()
    limit = options.max_concurrent_downloads
    step = PlanStep(dry_run, approve_above, config)

    async def attempt() -> SyncResult:
        limits = RunSizeLimits(max_items, max_bytes)
        with (
            tempfile.TemporaryDirectory(prefix="stac-asset-") as scratch,
            tempfile.TemporaryFile() as documents,
        ):
            async with (
                open_session(
                    config, limit, credentials, destination_credentials, options.budgets
                ) as session,
                _opened_storage(destination, session, not dry_run, limit) as storage,
            ):
                remote = await open_source(source, session.clients, config, Path(scratch))
                await remote.check(criteria)
                changes = Mirror(
                    storage,
                    remote,
                    criteria,
                    config,
                    session.clients,
                    datetime.now(UTC),
                    documents,
                )
                run = _Run(
                    changes,
                    storage,
                    session,
                    options,
                    granularity,
                    limits,
                    on_removed,
                    step,
                    started,
                    target,
                )
                if dry_run:
                    state: SyncResult = await run.dry_run()
                    return state
                # In a directory, the lock of the report prevents concurrent runs on the mirror.
                async with open_report(destination / REPORT, destination, session) as report:
                    state = await run.execute(report)
                    return state

    final: SyncResult = await step.run(attempt)
    return final


@asynccontextmanager
async def _opened_storage(
    directory: Location, session: Session, writable: bool, limit: int
) -> AsyncIterator[MirrorStorage]:
    """Open the files of the mirror, before the first request to the source."""
    await session.prepare(directory, writable)
    async with open_storage(
        directory, session.destinations, writable, concurrency=limit
    ) as storage:
        yield storage


class _Run:
    """A run of the flow with validated parameters."""

    def __init__(
        self,
        mirror: Mirror,
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
            try:
                await self._download(preparation, monitor, report)
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
            await log_failure(write_answer(monitor.client, result))
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
        self, preparation: RunPreparation, monitor: RunMonitor, report: Report
    ) -> None:
        in_progress: dict[int, Prepared] = {}

        def units() -> Iterator[Unit]:
            for number, prepared in enumerate(self._mirror.prepared()):
                in_progress[number] = prepared
                yield _unit(number, prepared)

        async def add(unit: Unit, ended: Sequence[Outcome]) -> None:
            prepared = in_progress.pop(unit.number)
            outcomes = await self._mirror.keep_earlier_files(prepared, ended)
            is_complete = await self._mirror.add(prepared, outcomes)
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


def _empty_result(mirror: Mirror, started: float) -> DownloadResult:
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
