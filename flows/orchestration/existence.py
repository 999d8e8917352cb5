"""Check whether the assets of a run exist, in task runs per asset or per batch."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from prefect_stac_asset.flows.execution.retries import with_retries
from prefect_stac_asset.flows.execution.runner import MAX_SUBMITTED, Runner
from prefect_stac_asset.flows.execution.session import Session
from prefect_stac_asset.flows.orchestration.units import Unit, as_opaque, batches, is_batched
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from prefect_stac_asset.flows.tasks.check import check_asset_exists, check_assets_exist
from prefect_stac_asset.flows.tasks.check_outcomes import (
    Checked,
    CheckError,
    existing_asset,
    failed_check,
)
from stac_asset.concurrency import bounded
from stac_asset.error_mapping import mapped
from stac_asset.errors import DownloadError, StacAssetError
from stac_asset.types import Failed, Transfer


async def check_first(
    units: Iterable[Unit],
    total: int,
    granularity: Granularity,
    options: DownloadOptions,
    session: Session,
) -> None:
    """Check that all assets exist, before the first download.

    Args:
        units: The items.
        total: Number of assets.
        granularity: Whether a task run checks one asset or a batch.
        options: The options of the run.
        session: The session of the run.

    Raises:
        DownloadError: Assets do not exist, or their check failed, and `warn` is not set.
        StacAssetError: The error of the first such asset, if `fail_fast` is set.
    """
    errors = []
    async with aclosing(check_units(units, total, granularity, options, session)) as results:
        async for found in results:
            if found.error is not None:
                errors.append(found.error)
    if errors and not session.config.warn:
        raise DownloadError(errors, total=total)


async def check_units(
    units: Iterable[Unit],
    total: int,
    granularity: Granularity,
    options: DownloadOptions,
    session: Session,
) -> AsyncGenerator[Checked, None]:
    """Check whether assets exist, and yield the results in the order of completion.

    Args:
        units: The items. They are read as needed.
        total: Number of assets.
        granularity: Whether a task run checks one asset or a batch.
        options: The options of the run.
        session: The session of the run.

    Raises:
        StacAssetError: The error of the first missing asset, if `fail_fast` is set.
    """
    batched = is_batched(total, granularity)
    runner = Runner(session)
    asset_task = with_retries(check_asset_exists, options)
    batch_task = with_retries(check_assets_exist, options)

    async def check_asset(asset: Transfer | Failed) -> list[Checked]:
        found = _unplanned(asset) if isinstance(asset, Failed) else None
        if isinstance(asset, Transfer):
            for candidate in asset.candidates:
                try:
                    one = dataclasses.replace(asset, candidates=(candidate,))
                    stat = await runner.run(asset_task, as_opaque(one), as_opaque(options))
                    if isinstance(stat, StacAssetError):
                        raise stat
                    return [existing_asset(asset, candidate, stat)]
                except Exception as error:
                    found = found or failed_check(asset, mapped(error, candidate.href))
        assert found is not None, "a transfer has at least one candidate"
        return _raise_if_fail_fast([found], session)

    async def check_batch(group: list[Unit]) -> list[Checked]:
        planned = [asset for unit in group for asset in unit.planned]
        failed = [_unplanned(asset) for asset in planned if isinstance(asset, Failed)]
        unplanned = _raise_if_fail_fast(failed, session)
        transfers = [asset for asset in planned if isinstance(asset, Transfer)]
        try:
            return [
                *unplanned,
                *await runner.run(batch_task, as_opaque(transfers), as_opaque(options)),
            ]
        except CheckError as error:
            return [*unplanned, *error.found]
        except Exception:
            await runner.stop()
            raise

    assets = (asset for unit in units for asset in unit.planned)
    work = (
        # One batch at a time, because each sends as many requests as the run may send at once.
        bounded(check_batch, batches(units, total), MAX_SUBMITTED if runner.submits else 1)
        if batched
        else bounded(
            check_asset,
            assets,
            MAX_SUBMITTED if runner.submits else options.max_concurrent_downloads,
        )
    )
    async with aclosing(work) as done:
        async for found in done:
            for checked in found:
                yield checked


def _unplanned(asset: Failed) -> Checked:
    return failed_check(asset, mapped(asset.error, asset.key))


def _raise_if_fail_fast(found: list[Checked], session: Session) -> list[Checked]:
    """Return the results, or raise the first error if `fail_fast` is set.

    Raises:
        StacAssetError: The first error.
    """
    for result in found if session.config.fail_fast else ():
        if result.error is not None:
            session.stopping = True  # Set first, so that cancelled tasks end Cancelled.
            raise result.error
    return found
