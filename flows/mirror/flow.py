"""The flow that mirrors a STAC source: takes what is new or changed since the last run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from prefect import get_run_logger
from prefect.states import Completed

from prefect_stac_asset.flows.execution.library_logs import send_library_logs
from prefect_stac_asset.flows.execution.run_names import run_name
from prefect_stac_asset.flows.execution.session import Session, open_session
from prefect_stac_asset.flows.execution.states import flow_state
from prefect_stac_asset.flows.mirror.result import Counts, SyncPlan, SyncResult
from prefect_stac_asset.flows.mirror.search import Search
from prefect_stac_asset.flows.orchestration.preparation import RunPreparation
from prefect_stac_asset.flows.orchestration.units import Unit
from prefect_stac_asset.flows.parameters.credentials import Credentials
from prefect_stac_asset.flows.parameters.destination import checked_directory
from prefect_stac_asset.flows.parameters.flow import asset_flow
from prefect_stac_asset.flows.parameters.form import titled
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from prefect_stac_asset.flows.parameters.source import is_text
from prefect_stac_asset.flows.reporting.monitor import RunMonitor
from prefect_stac_asset.flows.reporting.report_file import Report, open_report
from prefect_stac_asset.flows.reporting.result import DownloadResult
from stac_asset.errors import ConfigError, SourceError
from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.mirror.planning import Prepared
from stac_asset.mirror.run import Mirror
from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.mirror.sources.open import open_source
from stac_asset.mirror.state.layout import CATALOG, REPORT
from stac_asset.types import Failed

NOTHING_NEW = "NothingNew"
"""The state of a run that found nothing new, nothing changed and nothing gone."""

DRY_RUN = "DryRun"
"""The state of a run that only said what it would do."""


@asset_flow(name="sync", flow_run_name=run_name("sync"))
async def sync(
    source: Annotated[str, titled("Source")],
    directory: Annotated[str, titled("Directory")],
    search: Annotated[Search, titled("Search")] = Search(),  # noqa: B008 # it is not changed
    options: Annotated[DownloadOptions | None, titled("Options")] = None,
    on_removed: Annotated[OnRemoved, titled("Items that left the source")] = "keep",
    max_items: Annotated[int | None, titled("Items at most")] = None,
    max_bytes: Annotated[int | None, titled("Bytes at most")] = None,
    dry_run: Annotated[bool, titled("Dry run")] = False,
    granularity: Annotated[Granularity, titled("Task runs")] = "auto",
    credentials: Annotated[Credentials, titled("Credentials")] = None,
) -> SyncResult:
    """Mirrors a STAC source into a directory: downloads what is new or changed since the last run.

    The directory is a static STAC catalog, and all that the next run needs to know.

    Args:
        source: The address of a STAC API, of a static catalog, or of a file of items (a JSON item
            collection, newline-delimited JSON, or stac-geoparquet).
        directory: The directory of the mirror, on the machine of the run. A relative one is
            within the run's working directory.
        search: Which items are mirrored.
        options: How to download, and which assets. Checksums are always written.
        on_removed: What becomes of items that have left the source: they stay as they are (keep),
            are marked as deprecated (mark), or are deleted with their files (delete).
        max_items: How many items a run takes at most; the others are left for the next one.
        max_bytes: How many bytes a run downloads at most; what does not fit is left for the next
            one.
        dry_run: Only show what would be done, as a table.
        granularity: What a task run is: an `asset`, a `batch` of whole items, or `auto`: an asset
            up to 200 assets, and a batch beyond.
        credentials: Saved blocks that hold credentials, one or several. The first one that is
            for an href is used for it, and for a STAC API as well.

    Returns:
        Where the catalog is, how many items and assets there are.

    Raises:
        SourceError: The source cannot be read, or is none.
        ConfigError: A parameter makes no sense; the text names it.
        DestinationError: The directory cannot be made, or written to.
        MissingCredentialError: A credential is missing.
        DownloadError: Assets failed; the others are there, and these are tried again next time.
    """
    started = time.monotonic()
    options = (options or DownloadOptions()).model_copy(update={"write_checksums": True})
    config = options.config()
    place = checked_directory(directory, config)
    criteria, limits = search.criteria(), RunSizeLimits(max_items, max_bytes)
    if is_text(source):
        raise SourceError("source must be the address of an API, a catalog or a file, and no JSON")
    if options.check_first:
        raise ConfigError(
            "check_first is not for mirrors, where what fails never holds back the others: "
            "leave it out"
        )
    send_library_logs()
    with (
        tempfile.TemporaryDirectory(prefix="stac-asset-") as scratch,
        tempfile.TemporaryFile() as kept,
    ):
        async with open_session(config, options.max_concurrent_downloads, credentials) as session:
            remote = await open_source(source, session.clients, config, Path(scratch))
            await remote.check(criteria)
            mirror = Mirror(
                place, remote, criteria, config, session.clients, datetime.now(UTC), kept
            )
            run = _Run(mirror, session, options, granularity, limits, on_removed, started)
            if dry_run:
                state: SyncResult = await run.show()
                return state
            # The report is locked as long as it is written, and so is the mirror.
            with open_report(mirror.directory / REPORT, mirror.directory) as report:
                state = await run.carry_out(report)
                return state


class _Run:
    """One run of the flow, whose parameters are checked."""

    def __init__(
        self,
        mirror: Mirror,
        session: Session,
        options: DownloadOptions,
        granularity: Granularity,
        limits: RunSizeLimits,
        on_removed: OnRemoved,
        started: float,
    ) -> None:
        self._mirror = mirror
        self._session = session
        self._options = options
        self._granularity = granularity
        self._limits = limits
        self._on_removed = on_removed
        self._started = started
        self._counts = Counts()

    async def show(self) -> Any:
        """Shows what there is to do, and does nothing."""
        await self._look()
        plan = SyncPlan()
        async for prepared in self._mirror.choose(self._limits):
            self._counts.add(prepared)
            plan.add(prepared)
        plan.add_removed(self._mirror.gone, self._on_removed)
        result = self._result(_nothing(self._mirror, self._started), dry_run=True)
        await plan.write(result.summary())
        return Completed(
            name=NOTHING_NEW if self._is_nothing(result) else DRY_RUN,
            message=result.summary(),
            data=result,
        )

    async def carry_out(self, report: Report) -> Any:
        """Does what there is to do.

        Args:
            report: Where it is written down.

        Raises:
            DownloadError: Assets failed.
        """
        await self._look()
        ahead = RunPreparation(self._options, self._granularity, self._session)
        async for prepared in self._mirror.choose(self._limits):
            self._counts.add(prepared)
            ahead.add(_unit(0, prepared))
        unread = [Failed("a document of the source", "", error) for error in self._mirror.errors]
        report.add(unread)
        self._counts.failed += len(unread)
        async with RunMonitor(self._session, ahead.amount, self._options) as watch:
            await ahead.begin()
            await self._mirror.begin()
            watch.log(unread)
            try:
                await self._download(ahead, watch, report)
            except Exception:
                await self._mirror.save()  # What came to its end is there, whatever went wrong.
                raise
            await self._mirror.finish(self._on_removed)
            seconds = time.monotonic() - self._started
            result = self._result(report.finish(self._mirror.directory / CATALOG, seconds))
            await watch.finish(result)
        get_run_logger().info("%s: %s", result.summary(), result.document)
        if report.errors:
            return flow_state(report.errors, report.total, self._session.config.warn, result)
        name = NOTHING_NEW if self._is_nothing(result) else None
        return Completed(name=name, message=result.summary(), data=result)

    async def _look(self) -> None:
        await self._mirror.look()
        if self._on_removed != "keep":
            await self._mirror.look_for_removed(marked=self._on_removed == "delete")
            if not self._mirror.is_whole:
                get_run_logger().warning(
                    "the source gave less than it says there is: nothing is taken for removed"
                )
        night = self._mirror.night
        for count, text in (
            (night.nameless, "have no id, and cannot be mirrored"),
            (night.repeated, "were given more than once, of which the first counts"),
        ):
            if count:
                get_run_logger().warning("%d items of the source %s", count, text)

    async def _download(self, ahead: RunPreparation, watch: RunMonitor, report: Report) -> None:
        under_way: dict[int, Prepared] = {}

        def units() -> Iterator[Unit]:
            for number, prepared in enumerate(self._mirror.prepared()):
                under_way[number] = prepared
                yield _unit(number, prepared)

        async with aclosing(ahead.download(units())) as done:
            async for unit, outcomes in done:
                prepared = under_way.pop(unit.number)
                is_there = await self._mirror.add(prepared, outcomes)
                self._counts.failed += any(isinstance(outcome, Failed) for outcome in outcomes)
                report.add(outcomes)
                await watch.add(unit.owner, outcomes, prepared.document if is_there else None)

    def _result(self, base: DownloadResult, dry_run: bool = False) -> SyncResult:
        if self._limits.too_large:
            get_run_logger().warning(
                "%d items have more bytes than max_bytes, and are never taken with that limit",
                self._limits.too_large,
            )
        removed = len(self._mirror.gone)
        return self._counts.result(base, self._mirror.night, self._limits, removed, dry_run)

    def _is_nothing(self, result: SyncResult) -> bool:
        return not (result.new or result.changed or result.again or result.left or result.removed)


def _unit(number: int, prepared: Prepared) -> Unit:
    return Unit(number, prepared.item, prepared.planned)


def _nothing(mirror: Mirror, started: float) -> DownloadResult:
    return DownloadResult(
        directory=str(mirror.directory),
        document=str(mirror.directory / CATALOG),
        report=str(mirror.directory / REPORT),
        downloaded=0,
        skipped=0,
        failed=0,
        bytes=0,
        seconds=round(time.monotonic() - started, 3),
    )
