"""Internal: the steps of a run of a mirror without Prefect."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import aclosing

from stac_asset.api.earlier_report import read_earlier_run
from stac_asset.api.progress import shown_progress
from stac_asset.clients.registry import Clients
from stac_asset.concurrency import concurrent_calls
from stac_asset.config import Config
from stac_asset.destinations import Destinations
from stac_asset.destinations.output import Output
from stac_asset.errors import NoAssetsError
from stac_asset.mirror.counts import ItemCounter
from stac_asset.mirror.downloads import download_items
from stac_asset.mirror.failing_items import FailureCounter
from stac_asset.mirror.layout import CATALOG, REPORT
from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.mirror.planning import Prepared
from stac_asset.mirror.run import MirrorUpdate
from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.notices import notice
from stac_asset.plan.summary import PlanSummary, PlanTotals
from stac_asset.sync.summary import AssetCounter, SyncSummary
from stac_asset.sync.totals import MirrorTotals
from stac_asset.transfer.engine import Engine
from stac_asset.types import Failed, Outcome, Transfer, outcome_row


class SyncRun:
    """A run of a mirror.

    Args:
        mirror: The run of the mirror, before `find_changes`.
        storage: The files of the mirror.
        engine: The engine that downloads.
        clients: The clients of the run.
        config: The configuration.
        limits: The limits of the run.
        on_removed: Action for items that left the source.
        limit: Maximum number of assets downloaded at the same time.
        started: Value of `time.monotonic` at the start of the run.
    """

    def __init__(
        self,
        mirror: MirrorUpdate,
        storage: MirrorStorage,
        engine: Engine,
        clients: Clients,
        config: Config,
        limits: RunSizeLimits,
        on_removed: OnRemoved,
        limit: int,
        started: float,
    ) -> None:
        self._mirror = mirror
        self._storage = storage
        self._engine = engine
        self._clients = clients
        self._config = config
        self._limits = limits
        self._on_removed = on_removed
        self._limit = limit
        self._started = started
        self._items = ItemCounter()
        self._assets = AssetCounter()
        self._failures = FailureCounter(storage)
        self._chosen = 0
        self._selected = 0

    async def plan(self, destinations: Destinations) -> SyncSummary:
        """Plan the run, and return the planned changes. No file is written.

        Args:
            destinations: The destinations of the run.
        """
        directory = self._mirror.directory
        earlier = await read_earlier_run(
            directory / REPORT, destinations.destination_of(str(directory))
        )
        config = self._config
        totals = MirrorTotals(
            PlanTotals(config.price_per_gb, self._limit, config.expected_speed, earlier.speed),
            self._clients,
            config,
            asks_sizes=False,
        )
        await self._find_changes()
        async for prepared in self._mirror.choose(self._limits):
            self._add_item(prepared)
            await totals.add(prepared)
        self._check_selection()
        return self._summary(totals.summary(self._mirror, self._on_removed))

    async def execute(self, report: Output, progress: bool) -> SyncSummary:
        """Update the mirror.

        Args:
            report: The report of the run.
            progress: Show a progress bar on standard error.

        Raises:
            NoAssetsError: `exclude` leaves no asset.
            StacAssetError: The first failure, if `Config.fail_fast` is set.
        """
        await self._find_changes()
        transfers: list[Transfer] = []
        async for prepared in self._mirror.choose(self._limits):
            self._add_item(prepared)
            if progress:
                transfers += [one for one in prepared.planned if isinstance(one, Transfer)]
        self._check_selection()
        unreadable = [
            Failed("a document of the source", "", error) for error in self._mirror.errors
        ]
        self._add_rows(report, unreadable)
        self._items.failed += len(unreadable)
        await self._mirror.begin()
        await self._failures.begin()
        try:
            with shown_progress(self._engine, transfers, progress):
                await self._download(report)
        except Exception:
            # Record the items that were finished before the error.
            await self._mirror.save()
            await self._failures.write()
            raise
        await self._mirror.finish(self._on_removed)
        self._failures.remove(self._mirror.removed)
        await self._failures.write()
        await report.commit()
        return self._summary()

    def _add_item(self, prepared: Prepared) -> None:
        """Count an item to download, and its selected assets."""
        self._items.add(prepared)
        self._chosen += 1
        self._selected += len(prepared.planned)

    def _check_selection(self) -> None:
        """Check that `exclude` leaves an asset. The search for changes checks `include`.

        Raises:
            NoAssetsError: The chosen items have no assets, and `exclude` is set.
        """
        if self._config.exclude and self._chosen and not self._selected:
            raise NoAssetsError(
                "`exclude` leaves no asset of the new and changed items. Correct `exclude`."
            )

    async def _find_changes(self) -> None:
        await self._mirror.find_changes()
        if self._on_removed != "keep":
            await self._mirror.find_removed(marked=self._on_removed == "delete")

    async def _download(self, report: Output) -> None:
        async with (
            concurrent_calls(self._storage.concurrency) as start,
            aclosing(download_items(self._mirror, self._engine, self._limit)) as done,
        ):
            async for prepared, outcomes in done:
                await start(self._add(prepared, outcomes, report))
                if self._config.fail_fast:
                    for outcome in outcomes:
                        if isinstance(outcome, Failed):
                            raise outcome.error

    async def _add(self, prepared: Prepared, ended: Sequence[Outcome], report: Output) -> None:
        """Write the document of an item, and count the item."""
        outcomes = await self._mirror.keep_earlier_files(prepared, ended)
        await self._mirror.add(prepared, outcomes)
        has_failed = any(isinstance(outcome, Failed) for outcome in outcomes)
        self._items.failed += has_failed
        self._failures.add(prepared.wanted.key, has_failed)
        self._add_rows(report, outcomes)

    def _add_rows(self, report: Output, outcomes: Sequence[Outcome]) -> None:
        self._assets.add(outcomes)
        for outcome in outcomes:
            report.append(json.dumps(outcome_row(outcome)).encode() + b"\n")

    def _summary(self, plan: PlanSummary | None = None) -> SyncSummary:
        mirror, limits, assets = self._mirror, self._limits, self._assets
        if limits.too_large:
            notice(
                "Items are larger than `max_bytes` and are skipped by every run. Increase "
                "`max_bytes` to mirror them",
                f"{limits.too_large:,} items",
            )
        return SyncSummary(
            directory=str(mirror.directory),
            document=str(mirror.directory / CATALOG),
            report=str(mirror.directory / REPORT),
            items=self._items.counts(mirror, limits, is_plan=plan is not None),
            mirrored=len(mirror.changes.state.rows),
            is_source_complete=mirror.is_complete and not mirror.changes.without_id,
            downloaded=assets.states["downloaded"],
            skipped=assets.states["skipped"],
            bytes=assets.bytes,
            seconds=round(time.monotonic() - self._started, 3),
            errors=tuple(assets.errors),
            plan=plan,
        )
