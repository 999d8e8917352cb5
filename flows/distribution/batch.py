"""Flow `download_batch`: download a share of the items of another flow run.

`sync` and `download_item_collection` start runs of this flow if `distribute` is set.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated, Any

import pystac
from prefect import get_run_logger
from prefect.context import FlowRunContext
from prefect.states import Completed

from prefect_stac_asset.flows.distribution.documents import (
    ShareOutcome,
    failed_transfer,
    result_bytes,
)
from prefect_stac_asset.flows.distribution.folder import ShareFolder, share_of
from prefect_stac_asset.flows.distribution.shares import Share
from prefect_stac_asset.flows.execution.budgets.errors import left_transfer, reason_to_leave
from prefect_stac_asset.flows.execution.finished import find_written
from prefect_stac_asset.flows.execution.flow import asset_flow
from prefect_stac_asset.flows.execution.library_logs import send_library_logs
from prefect_stac_asset.flows.execution.session import Session, open_session
from prefect_stac_asset.flows.execution.state_names import SKIPPED
from prefect_stac_asset.flows.execution.stopping import StopMonitor
from prefect_stac_asset.flows.orchestration.preparation import RunPreparation
from prefect_stac_asset.flows.orchestration.units import Unit
from prefect_stac_asset.flows.parameters.credentials import Credentials, DestinationCredentials
from prefect_stac_asset.flows.parameters.form import titled
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from prefect_stac_asset.flows.reporting.flow_state import flow_state
from prefect_stac_asset.flows.reporting.result import DownloadResult
from prefect_stac_asset.flows.reporting.stored_files import store_access
from stac_asset.concurrency import bounded, cancel_all
from stac_asset.errors import DestinationError, StacAssetError
from stac_asset.mirror.storage.lease import Lease
from stac_asset.notices import notice_lines
from stac_asset.types import Downloaded, Failed, Outcome, Skipped, asset_key


@asset_flow(("resolve_client", "download_assets"), name="download-batch")
async def download_batch(
    share: Annotated[str, titled("Share")],
    options: Annotated[DownloadOptions | None, titled("Options")] = None,
    granularity: Annotated[Granularity, titled("Task runs")] = "batch",
    credentials: Annotated[Credentials, titled("Credentials")] = None,
    destination_credentials: Annotated[
        DestinationCredentials, titled("Credentials of the directory")
    ] = None,
) -> DownloadResult:
    """Download a share: a part of the items of a run with `distribute`. That run starts this flow.

    The run writes the files of the assets, and a result for the coordinating run. The coordinating
    run writes the documents.

    Args:
        share: URL of the share, which the coordinating run wrote into the destination.
        options: Options of the download.
        granularity: Work of one task run: an `asset`, a `batch` of whole items, or `auto`.
        credentials: Saved credential blocks, one or several. Each URL uses the first block
            that applies to it.
        destination_credentials: Saved block with the credentials of the destination.

    Returns:
        The share as the document, the result as the report, and the number of assets and bytes.

    Raises:
        SourceError: The share does not exist, or is invalid.
        DestinationError: Another run downloads the share, or the destination cannot be written to.
        ConfigError: The options contradict each other.
        MissingCredentialError: A required credential is not configured.
        DownloadError: Assets failed, and `warn` is not set. All other assets were downloaded,
            unless `fail_fast` is set.
    """
    started = time.monotonic()
    place, id = share_of(share)
    options = options or DownloadOptions()
    config = options.config()
    send_library_logs()
    limit = options.max_concurrent_downloads
    async with open_session(
        config, limit, credentials, destination_credentials, options.budgets
    ) as session:
        await session.prepare(place)
        run = _ShareRun(
            ShareFolder(session.destination_of(place), place), options, granularity, session
        )
        state: DownloadResult = await run.execute(id, started)
        return state


class _ShareRun:
    """A run of the flow with validated parameters."""

    def __init__(
        self,
        folder: ShareFolder,
        options: DownloadOptions,
        granularity: Granularity,
        session: Session,
    ) -> None:
        self._folder = folder
        self._options = options
        self._granularity = granularity
        self._session = session

    async def execute(self, id: str, started: float) -> Any:
        """Download a share, and return the final state of the flow.

        Args:
            id: The name of the share.
            started: The start of the run, by the monotonic clock.
        """
        async with self._folder.lease(id) as lease:
            share = await self._folder.read(id)
            result = await self._folder.result(share)
            if result is not None:
                done = self._result(share, [one for item in result for one in item], started)
                message = "The share was downloaded by an earlier run"
                return Completed(name=SKIPPED, message=message, data=done)
            since = await self._folder.begin(id)
            context = FlowRunContext.get()
            run = context.flow_run if context is not None else None
            monitor = StopMonitor(
                run.id if run is not None else None,
                run.run_count if run is not None else 0,
                None,
                fail_fast=False,
            )
            work = _until_lost(self._download(share, since, started), lease)
            return await monitor.until_stopped(work, self._session)

    async def _download(self, share: Share, since: float | None, started: float) -> Any:
        """Download the assets, and write the result.

        Args:
            share: The share.
            since: The time when the share was written, if an earlier run began the share.
            started: The start of the run, by the monotonic clock.
        """
        written = await self._written(share, since) if since is not None else []
        units = _units(share, written)
        preparation = RunPreparation(self._options, self._granularity, self._session)
        for unit in units:
            preparation.add(unit)
        await preparation.begin(lambda: units)
        found = list(written)
        try:
            async with aclosing(preparation.download(units)) as done:
                async for unit, ended in done:
                    if unit.is_left:
                        ended = [left_transfer(one, unit.left_because) for one in unit.transfers]
                    found += _outcomes(share, unit.number, ended)
        except StacAssetError as error:
            if self._options.fail_fast:
                found.append(failed_transfer(share, error))
                await self._folder.write_result(share.id, result_bytes(found))
            raise
        await self._folder.write_result(share.id, result_bytes(found))
        left = {one.item for one in found if reason_to_leave([one.outcome])}
        outcomes = [one.outcome for one in found if not reason_to_leave([one.outcome])]
        result = self._result(share, outcomes, started)
        result.left_by_budget = len(left)
        get_run_logger().info("%s: %s", result.summary(), result.directory)
        errors = [one.error for one in outcomes if isinstance(one, Failed)]
        return flow_state(errors, len(outcomes), self._session.config.warn, result)

    async def _written(self, share: Share, since: float) -> list[ShareOutcome]:
        """Return the files that an earlier run of the share replaced, which must not be repeated.

        Files that are not to be replaced need no search: the download finds them.
        """
        config, destinations = self._session.config, self._session.destinations

        async def find(place: tuple[int, int]) -> ShareOutcome | None:
            at, number = place
            transfer = share.items[at].transfers[number]
            known = dataclasses.replace(transfer, overwrite=False)
            kept = await find_written(known, since, config, destinations)
            if kept is None:
                return None
            return ShareOutcome(at, number, dataclasses.replace(kept, transfer=transfer))

        places = [
            (at, number)
            for at, item in enumerate(share.items)
            for number, transfer in enumerate(item.transfers)
            if transfer.overwrite or config.overwrite
        ]
        found = bounded(find, places, self._session.max_concurrent_downloads)
        async with aclosing(found) as searched:
            return [one async for one in searched if one is not None]

    def _result(self, share: Share, outcomes: Sequence[Outcome], started: float) -> DownloadResult:
        present = [one for one in outcomes if not isinstance(one, Failed)]
        return DownloadResult(
            directory=share.directory,
            document=self._folder.href(share.id),
            report=self._folder.result_href(share.id),
            downloaded=sum(isinstance(one, Downloaded) for one in outcomes),
            skipped=sum(isinstance(one, Skipped) for one in outcomes),
            failed=len(outcomes) - len(present),
            bytes=sum(one.size for one in present),
            seconds=round(time.monotonic() - started, 3),
            notices=notice_lines(),
            store=store_access(self._session.config, self._session.destination_credentials),
        )


def _units(share: Share, written: Sequence[ShareOutcome]) -> list[Unit]:
    """Return the items of a share with the transfers that are left."""
    done = {(one.item, one.transfer) for one in written}
    units = []
    for at, item in enumerate(share.items):
        left = [one for number, one in enumerate(item.transfers) if (at, number) not in done]
        if left:
            # The item is a placeholder, because the coordinating run writes the document.
            name = left[0].owner_id or left[0].owner
            owner = pystac.Item(name, None, None, datetime.now(UTC), {})
            units.append(Unit(at, owner, tuple(left)))
    return units


def _outcomes(share: Share, item: int, ended: Sequence[Outcome]) -> list[ShareOutcome]:
    """Return an outcome for each transfer. Assets that share a file have a common transfer."""
    by_key = {asset_key(outcome): outcome for outcome in ended}
    return [
        ShareOutcome(item, number, by_key[transfer.key])
        for number, transfer in enumerate(share.items[item].transfers)
        if transfer.key in by_key
    ]


async def _until_lost(work: Coroutine[Any, Any, Any], lease: Lease) -> Any:
    """Return the result of work, unless another run takes the lease.

    Raises:
        DestinationError: Another run took the lease. The work is cancelled.
    """
    working, losing = asyncio.create_task(work), asyncio.create_task(lease.lost.wait())
    try:
        await asyncio.wait({working, losing}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise DestinationError(
            "Another run has taken over the share, because this run did not renew its lease in "
            "time. This run does nothing more"
        )
    finally:
        await cancel_all([working, losing])
