"""Internal: the run that distributes the download of items over a work pool.

The coordinating run writes shares, starts and follows runs of the deployment, and yields the
outcomes of each item. The coordinating run alone writes the documents and the report. Therefore a
lost or repeated share leaves no incomplete document.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

import anyio
import httpx
from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType

from prefect_stac_asset.flows.distribution.active_share import ActiveShare
from prefect_stac_asset.flows.distribution.deployment import ShareRuns
from prefect_stac_asset.flows.distribution.folder import ShareFolder
from prefect_stac_asset.flows.distribution.intake import Intake
from prefect_stac_asset.flows.distribution.leftovers import Leftovers, stop_shares
from prefect_stac_asset.flows.distribution.target import Target
from prefect_stac_asset.flows.distribution.tracking import (
    IDLE_POOL_TIMEOUT,
    MAX_FAILURES,
    PoolState,
    ShareStep,
    in_flight,
    next_step,
    pool_problem,
)
from prefect_stac_asset.flows.execution.budgets.errors import reason_to_leave
from prefect_stac_asset.flows.execution.outages import Outages
from prefect_stac_asset.flows.execution.runner import WorkerError, lost_outcomes
from prefect_stac_asset.flows.execution.session import Session
from prefect_stac_asset.flows.orchestration.units import (
    Unit,
    download_units,
    is_batched,
    merged,
)
from prefect_stac_asset.flows.parameters.credentials import references
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from stac_asset.errors import DestinationError
from stac_asset.notices import notice
from stac_asset.types import Failed, Outcome

_POLL = 2.0
"""Seconds between two requests for the states of the runs."""

_LISTING = 5.0
"""Seconds between two listings of the leases and results."""

_POOL_CHECK = 15.0
"""Seconds between two requests for the state of the work pool."""

_MAX_OUTAGE = 900.0
"""Seconds of failed requests to Prefect or the store after which the run fails."""

_STOP_TIMEOUT = 30.0
"""Seconds to wait for the end of all shares, in a run that ends early."""

_Ended = tuple[Unit, list[Outcome]]


class Distribution:
    """Downloads items by runs of a deployment. Created by `parameter.open_distribution`.

    Args:
        target: The deployment.
        folder: The folder of the shares.
        options: The options of the run.
        granularity: The `granularity` of the run.
        session: The session of the run.
        leftovers: The shares of an earlier run.
        idle_timeout: Seconds without a running share after which the work pool is examined.
    """

    def __init__(
        self,
        target: Target,
        folder: ShareFolder,
        options: DownloadOptions,
        granularity: Granularity,
        session: Session,
        leftovers: Leftovers,
        idle_timeout: float = IDLE_POOL_TIMEOUT,
    ) -> None:
        self._target, self._folder, self._session = target, folder, session
        self._options, self._granularity = options, granularity
        self._leftovers, self._idle_timeout = leftovers, idle_timeout
        self._ids = set(leftovers.ids)
        self._intake = Intake(leftovers)
        self._active: dict[str, ActiveShare] = {}
        self._own_task: asyncio.Task[list[_Ended]] | None = None
        self._pool = PoolState(target.pool)
        self._pool_checked = self._listed = self._last_running = float("-inf")
        self._problem: str | None = None
        self._outages = Outages(_MAX_OUTAGE)

    def add(self, unit: Unit) -> None:
        """Count an item, before the download begins.

        Args:
            unit: The item with the planned transfers.
        """
        self._intake.count(unit)

    async def download(self, units: Iterable[Unit]) -> AsyncGenerator[_Ended, None]:
        """Download items, and yield each item with the outcomes of all assets.

        Args:
            units: The items. They are read as needed.

        Raises:
            StacAssetError: An asset failed, and `fail_fast` is set.
            DestinationError: The store did not answer for several minutes.
        """
        async with get_client() as client:
            runs = ShareRuns(client, self._target, self._parameters())
            try:
                await self._adopt(runs)
                self._intake.begin(units, self._active)
                self._last_running = time.monotonic()
                while True:
                    if time.monotonic() - self._pool_checked >= _POOL_CHECK:
                        self._pool_checked = time.monotonic()
                        await self._outages.guard("work pool", self._check_pool(runs))
                    done = self._ended()  # No share is created after a budget is reached.
                    self._create_shares()
                    if any(one.is_waiting for one in self._active.values()):
                        await self._outages.guard("start of shares", self._start(runs))
                    finished = await self._intake.finished(self._session.destinations)
                    for ended in [*finished, *done]:
                        yield ended
                    if self._is_finished():
                        return
                    await self._pause()
                    await self._outages.guard("states of shares", self._observe(runs))
            finally:
                await self._stop(runs)

    async def finish(self) -> None:
        """Remove the shares, after the results are recorded."""
        try:
            await self._folder.remove(self._ids)
        except DestinationError as error:  # The next run removes the documents.
            get_run_logger().warning("The documents of the shares cannot be removed: %s", error)

    def _parameters(self) -> dict[str, object]:
        """Return the parameters of all runs. Shares send no events, because this run does."""
        own = {"item_events": False, "lineage": False, "check_first": False}
        options = self._options.model_copy(update=own)
        batched = is_batched(self._intake.assets, self._granularity)
        given: dict[str, object] = {
            "options": options.model_dump(mode="json", exclude_unset=True),
            "granularity": "batch" if batched else "asset",
        }
        if blocks := references(self._session.credentials):
            given["credentials"] = [block.parameter() for block in blocks]
        for block in references(self._session.destination_credentials):
            given["destination_credentials"] = block.parameter()
        return given

    async def _adopt(self, runs: ShareRuns) -> None:
        """Continue the unfinished shares of an earlier run that this run plans unchanged."""
        # Another run may have ended between the reading of the shares and the lock of the report.
        existing = await self._folder.files() if self._leftovers.ids else {}
        adopted = {id: one for id, one in self._leftovers.adopted().items() if id in existing}
        await stop_shares(self._leftovers.unfinished.keys() - adopted, self._folder, runs)
        for share in adopted.values():
            attempt, run = await runs.last_attempt(share.id)
            is_over = run is None or run.state is None or run.state.is_final()
            active = ActiveShare(share, {}, attempt + 1 if is_over else attempt)
            if run is not None and not is_over:
                active.started(run.id)
            self._active[share.id] = active
        if adopted or self._leftovers.finished:
            get_run_logger().info(
                "Continuing an earlier run: %d items are downloaded, %d shares are unfinished.",
                len(self._leftovers.finished),
                len(adopted),
            )

    async def _check_pool(self, runs: ShareRuns) -> None:
        self._pool = await runs.pool()

    def _create_shares(self) -> None:
        """Create shares, up to the limit of unfinished runs."""
        unfinished = sum(one.outcomes is None for one in self._active.values())
        for share in self._intake.shares(in_flight(self._pool) - unfinished):
            self._ids.add(share.share.id)
            self._active[share.share.id] = share

    async def _start(self, runs: ShareRuns) -> None:
        """Write and start the shares without a run. A repetition starts no run twice."""
        for active in self._active.values():
            if active.is_waiting:
                id = active.share.id
                if active.document is not None:
                    await self._folder.write(id, active.document)
                    active.document = None
                name = f"{self._target.name.partition('/')[2]} {active.name}"
                run = await runs.start(id, self._folder.href(id), active.attempt, name)
                active.started(run.id)

    def _ended(self) -> list[_Ended]:
        """Return the items that ended since the last call.

        Raises:
            StacAssetError: An asset failed, and `fail_fast` is set.
        """
        ended: list[_Ended] = []
        if self._own_task is not None and self._own_task.done():
            task, self._own_task = self._own_task, None
            ended += task.result()
        if self._own_task is None and self._intake.own:
            own, self._intake.own = self._intake.own, []
            self._own_task = asyncio.create_task(self._download_own(own))
        for id, active in list(self._active.items()):
            if active.outcomes is None or not (active.is_given or self._intake.is_read):
                continue
            del self._active[id]
            for unit, outcomes in active.results():
                if reason := reason_to_leave(outcomes):
                    self._intake.leave(unit, reason)
                    continue
                for one in outcomes:
                    if self._options.fail_fast and isinstance(one, Failed):
                        raise one.error
                ended.append((unit, merged(unit, outcomes)))
        return ended

    async def _download_own(self, units: list[Unit]) -> list[_Ended]:
        total = self._intake.assets
        done = download_units(units, total, self._granularity, self._options, self._session)
        async with aclosing(done) as ended:
            return [one async for one in ended]

    def _is_finished(self) -> bool:
        return self._intake.is_empty and not self._active and self._own_task is None

    async def _pause(self) -> None:
        if self._own_task is not None:
            await asyncio.wait({self._own_task}, timeout=_POLL)
        elif self._active:
            await asyncio.sleep(_POLL)

    async def _observe(self, runs: ShareRuns) -> None:
        """Read the states of the runs, and the leases and results of the shares."""
        now = time.monotonic()
        by_run = {one.run: one for one in self._active.values() if one.run and not one.outcomes}
        states = await runs.states(by_run)
        changed = [one.saw(states.get(run), now) for run, one in by_run.items()]
        active = [one for one in by_run.values() if one.state is StateType.RUNNING]
        if active or not by_run:
            self._last_running, self._problem = now, None
        elif now - self._last_running >= self._idle_timeout:
            self._note_problem()
        if not any(changed) and now - self._listed < _LISTING:
            return
        self._listed = now
        files = await self._folder.files()
        for one in by_run.values():
            seen = one.observed(files.get(one.share.id), now)
            step = next_step(seen)
            if step is ShareStep.READ:
                one.outcomes = await self._folder.result(one.share)
            elif step is not ShareStep.WAIT:
                await self._end_attempt(one, step, runs)

    async def _end_attempt(self, active: ActiveShare, step: ShareStep, runs: ShareRuns) -> None:
        """Restart a share, or fail all items of the share."""
        get_run_logger().warning("%s ended without a result: %s", active.name, active.reason)
        if active.run is not None and not active.is_final:
            await runs.end_lost(active.run)
        if active.lease is not None:
            await self._folder.end_lease(active.share.id, active.lease)
        active.failures += 1
        is_refused = self._options.fail_fast and active.state is StateType.FAILED
        if step is ShareStep.GIVE_UP or is_refused or active.failures >= MAX_FAILURES:
            error = WorkerError(
                f"The run that downloads this asset ended {active.failures} times without a "
                f"result ({active.reason}). Run the flow again to resume."
            )
            transfers = [list(item.transfers) for item in active.share.items]
            active.outcomes = [lost_outcomes(one, error) for one in transfers]
        else:
            active.restart()

    def _note_problem(self) -> None:
        problem = pool_problem(self._pool)
        if problem is not None and problem != self._problem:
            get_run_logger().warning("%s.", problem)
            notice(problem)
        self._problem = problem

    async def _stop(self, runs: ShareRuns) -> None:
        """Cancel the runs of unfinished shares, also if this run is being cancelled."""
        if self._own_task is not None:
            self._own_task.cancel()
            await asyncio.gather(self._own_task, return_exceptions=True)
        pending = {one.run for one in self._active.values() if one.run and not one.outcomes}
        if not pending:
            return
        with anyio.move_on_after(_STOP_TIMEOUT, shield=True):
            try:
                message = "The run that coordinates the shares has ended."
                await asyncio.gather(*(runs.cancel(run, message) for run in pending))
                while pending:
                    states = await runs.states(pending)
                    pending = {run for run, one in states.items() if one and not one.is_final()}
                    await asyncio.sleep(1.0 if pending else 0.0)
            except (httpx.HTTPError, OSError) as error:
                get_run_logger().warning("The runs of the shares cannot be cancelled: %s", error)
