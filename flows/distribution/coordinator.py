"""Internal: the run that distributes the download of items over a work pool.

The run writes shares, starts runs of the deployment, follows them, and yields the outcomes of each
item. It writes the documents and the report itself, as a run without distribution does. So a share
that is lost or repeated publishes nothing.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import replace

import anyio
import httpx
from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType

from prefect_stac_asset.flows.distribution.active_share import ActiveShare
from prefect_stac_asset.flows.distribution.deployment import ShareRuns
from prefect_stac_asset.flows.distribution.documents import item_bytes, share_bytes
from prefect_stac_asset.flows.distribution.folder import ShareFolder
from prefect_stac_asset.flows.distribution.leftovers import (
    Leftovers,
    stop_shares,
)
from prefect_stac_asset.flows.distribution.parameter import Target
from prefect_stac_asset.flows.distribution.shares import (
    Cutter,
    Share,
    ShareItem,
    can_be_shared,
    digest_of,
    load_of,
    share_load,
)
from prefect_stac_asset.flows.distribution.tracking import (
    MAX_FAILURES,
    SILENT_POOL,
    Pool,
    Step,
    in_flight,
    next_step,
    pool_problem,
)
from prefect_stac_asset.flows.execution.budgets.errors import reason_to_leave
from prefect_stac_asset.flows.execution.finished import has_file
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
from stac_asset.plan.owners import owner_name
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

_MAX_ASIDE = 256
"""Maximum number of items that wait for this run itself. Bounds the memory of the run."""

_OWN = "This run downloads items itself whose hrefs are signed or local"
"""The notice for items that no share can contain."""

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
    """

    def __init__(
        self,
        target: Target,
        folder: ShareFolder,
        options: DownloadOptions,
        granularity: Granularity,
        session: Session,
        leftovers: Leftovers,
    ) -> None:
        self._target, self._folder, self._session = target, folder, session
        self._options, self._granularity = options, granularity
        self._leftovers = leftovers
        self._ids = set(leftovers.ids)
        self._load = 0.0
        self._total = 0
        self._source: Iterator[Unit] = iter(())
        self._is_read = False
        """Whether all items of the source are in shares or waiting."""
        self._cutter = Cutter[Unit](1.0)
        self._active: dict[str, ActiveShare] = {}
        self._adopted: dict[str, str] = {}
        """The names of adopted shares, by the digest of each item."""
        self._known: list[tuple[Unit, list[Outcome]]] = []
        """Items with outcomes of an earlier run, before the check of the files."""
        self._again: list[Unit] = []
        """Items of an earlier run with missing files."""
        self._own: list[Unit] = []
        self._left: list[Unit] = []
        """Items that are left because of a budget."""
        self._reason = ""
        """Reason why further items are left."""
        self._own_task: asyncio.Task[list[_Ended]] | None = None
        self._pool = Pool(target.pool)
        self._pool_checked = self._listed = self._last_running = float("-inf")
        self._problem: str | None = None
        self._outage: float | None = None

    def add(self, unit: Unit) -> None:
        """Count an item, before the download begins.

        Args:
            unit: The item with the planned transfers.
        """
        transfers = unit.transfers
        self._total += len(transfers)
        self._load += load_of(transfers)
        if self._leftovers.unfinished and transfers:
            self._leftovers.plan(digest_of(unit))

    async def download(self, units: Iterable[Unit]) -> AsyncGenerator[_Ended, None]:
        """Download items, and yield each item with the outcomes of all assets.

        Args:
            units: The items. They are read as needed.

        Raises:
            StacAssetError: An asset failed, and `fail_fast` is set.
            DestinationError: The store did not answer for several minutes.
        """
        self._source = iter(units)
        self._cutter = Cutter(share_load(self._load))
        async with get_client() as client:
            runs = ShareRuns(client, self._target, self._parameters())
            try:
                await self._adopt(runs)
                self._last_running = time.monotonic()
                while True:
                    await self._guarded(self._check_pool(runs))
                    self._take()
                    await self._guarded(self._start(runs))
                    for ended in [*await self._checked(), *self._ended()]:
                        yield ended
                    if self._is_finished():
                        return
                    await self._pause()
                    await self._guarded(self._observe(runs))
            finally:
                await self._stop(runs)

    async def finish(self) -> None:
        """Remove the shares, after the results are recorded.

        Raises:
            DestinationError: An object cannot be removed.
        """
        await self._folder.remove(self._ids)

    def _parameters(self) -> dict[str, object]:
        """Return the parameters of all runs. Shares send no events, because this run does."""
        own = {"item_events": False, "lineage": False, "check_first": False}
        options = self._options.model_copy(update=own)
        batched = is_batched(self._total, self._granularity)
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
            self._adopted |= {item.digest: share.id for item in share.items}
        if adopted or self._leftovers.finished:
            get_run_logger().info(
                "Continuing an earlier run: %d items are downloaded, %d shares are unfinished.",
                len(self._leftovers.finished),
                len(adopted),
            )

    async def _check_pool(self, runs: ShareRuns) -> None:
        now = time.monotonic()
        if now - self._pool_checked >= _POOL_CHECK:
            self._pool, self._pool_checked = await runs.pool(), now

    @property
    def _aside(self) -> int:
        """Number of items that wait for this run itself."""
        return len(self._own) + len(self._known) + len(self._left)

    def _take(self) -> None:
        """Read items of the source and cut shares, up to the limit of unfinished runs."""
        limit = in_flight(self._pool)
        while not self._is_read and self._aside < _MAX_ASIDE:
            if sum(one.outcomes is None for one in self._active.values()) >= limit:
                break
            unit = self._again.pop() if self._again else next(self._source, None)
            self._is_read = unit is None
            share = self._cutter.rest() if unit is None else self._sorted(unit)
            if share:
                self._create(share)

    async def _start(self, runs: ShareRuns) -> None:
        """Write and start the shares without a run. A repetition starts no run twice."""
        for active in self._active.values():
            if active.run is None and active.outcomes is None:
                id = active.share.id
                if active.document is not None:
                    await self._folder.write(id, active.document)
                    active.document = None
                name = f"{self._target.name.partition('/')[2]} {active.name}"
                run = await runs.start(id, self._folder.href(id), active.attempt, name)
                active.started(run.id)

    def _sorted(self, unit: Unit) -> list[Unit]:
        """Assign an item to a share or to this run. Return the items of a complete share."""
        digest = ""
        if self._leftovers.ids:
            digest = digest_of(unit)
        if not unit.transfers:
            self._known.append((unit, []))
        elif digest in self._leftovers.finished:
            self._known.append((unit, self._leftovers.finished.pop(digest)))
        elif digest in self._adopted:
            self._active[self._adopted.pop(digest)].units[digest] = unit
        elif not can_be_shared(unit.transfers):
            notice(_OWN, f"{unit.transfers[0].owner}")
            self._own.append(unit)
        elif self._reason:
            self._leave(unit, self._reason)
        else:
            return self._cutter.add(unit, load_of(unit.transfers))
        return []

    def _create(self, units: list[Unit]) -> None:
        """Create a share. `_start` writes the share and starts the run."""
        items, rows, found = [], [], dict[str, Unit]()
        for unit in units:
            item = ShareItem(digest_of(unit), tuple(unit.transfers))
            row = item_bytes(item)
            if row is None or item.digest in found:
                self._own.append(unit)
                continue
            items.append(item)
            rows.append(row)
            found[item.digest] = unit
        if items:
            id, directory = uuid.uuid4().hex, items[0].transfers[0].directory
            self._ids.add(id)
            share = Share(id, directory, tuple(items))
            self._active[id] = ActiveShare(share, found, document=share_bytes(directory, rows))

    async def _checked(self) -> list[_Ended]:
        """Return the items of an earlier run with existing files."""
        ended = []
        for unit, outcomes in self._known:
            destinations = self._session.destinations
            found = await asyncio.gather(*(has_file(one, destinations) for one in outcomes))
            if all(found):
                ended.append((unit, merged(unit, outcomes)))
            else:
                self._again.append(unit)
                self._is_read = False
        self._known = []
        return ended

    def _ended(self) -> list[_Ended]:
        """Return the items that ended since the last call.

        Raises:
            StacAssetError: An asset failed, and `fail_fast` is set.
        """
        ended: list[_Ended] = []
        if self._own_task is not None and self._own_task.done():
            task, self._own_task = self._own_task, None
            ended += task.result()
        if self._own_task is None and self._own:
            own, self._own = self._own, []
            self._own_task = asyncio.create_task(self._download_own(own))
        for id, active in list(self._active.items()):
            if active.outcomes is None or not (active.is_given or self._is_read):
                continue
            del self._active[id]
            for unit, outcomes in active.results():
                if reason := reason_to_leave(outcomes):
                    self._leave(unit, reason)
                    continue
                for one in outcomes:
                    if self._options.fail_fast and isinstance(one, Failed):
                        raise one.error
                ended.append((unit, merged(unit, outcomes)))
        ended += ((unit, []) for unit in self._left)
        self._left = []
        return ended

    def _leave(self, unit: Unit, reason: str) -> None:
        """Leave an item, and all items that are not in shares yet, because of a budget."""
        notice(reason, owner_name(unit.owner))
        self._left.append(replace(unit, left_because=reason))
        self._reason = reason

    async def _download_own(self, units: list[Unit]) -> list[_Ended]:
        done = download_units(units, self._total, self._granularity, self._options, self._session)
        async with aclosing(done) as ended:
            return [one async for one in ended]

    def _is_finished(self) -> bool:
        waiting = self._active or self._known or self._again or self._own or self._left
        return self._is_read and not waiting and self._own_task is None

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
        elif now - self._last_running >= SILENT_POOL:
            self._note_problem()
        if not any(changed) and now - self._listed < _LISTING:
            return
        self._listed = now
        files = await self._folder.files()
        for one in by_run.values():
            seen = one.observed(files.get(one.share.id), now)
            step = next_step(seen)
            if step is Step.READ:
                one.outcomes = await self._folder.result(one.share)
            elif step is not Step.WAIT:
                await self._end_attempt(one, step, runs)

    async def _end_attempt(self, active: ActiveShare, step: Step, runs: ShareRuns) -> None:
        """Restart a share, or fail all items of the share."""
        get_run_logger().warning("%s ended without a result: %s", active.name, active.reason)
        if active.run is not None and not active.is_final:
            await runs.end_lost(active.run)
        if active.lease is not None:
            await self._folder.end_lease(active.share.id, active.lease)
        active.failures += 1
        is_refused = self._options.fail_fast and active.state is StateType.FAILED
        if step is Step.GIVE_UP or is_refused or active.failures >= MAX_FAILURES:
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

    async def _guarded(self, call: object) -> None:
        """Await requests to Prefect and the store. An outage of a few minutes is no error."""
        try:
            await call  # type: ignore[misc]
            self._outage = None
        except (DestinationError, httpx.HTTPError) as error:
            now = time.monotonic()
            if self._outage is None:
                self._outage = now
                get_run_logger().warning("The shares cannot be followed for now: %s", error)
            if now - self._outage > _MAX_OUTAGE:
                raise

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
