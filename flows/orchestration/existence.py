"""Asks for the assets of a run, in task runs of an asset or a batch each."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from prefect_stac_asset.flows.execution.retries import with_retries
from prefect_stac_asset.flows.execution.runner import MAX_SUBMITTED, Runner
from prefect_stac_asset.flows.execution.session import Session
from prefect_stac_asset.flows.orchestration.units import Unit, as_opaque, batches, is_batched
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from prefect_stac_asset.flows.tasks.check import check_asset_exists, check_assets_exist
from prefect_stac_asset.flows.tasks.check_outcomes import Checked, CheckError, answered, unanswered
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
    """Asks for all assets before the first one is downloaded.

    Args:
        units: The items.
        total: How many assets they have.
        granularity: What a task run is.
        options: How to ask; with `warn`, nothing is raised.
        session: The session of the run.

    Raises:
        DownloadError: Some of them do not exist, or cannot be had.
        StacAssetError: With `fail_fast`, the error of the first of them.
    """
    errors = []
    async with aclosing(ask_units(units, total, granularity, options, session)) as asking:
        async for found in asking:
            if found.error is not None:
                errors.append(found.error)
    if errors and not session.config.warn:
        raise DownloadError(errors, total=total)


async def ask_units(
    units: Iterable[Unit],
    total: int,
    granularity: Granularity,
    options: DownloadOptions,
    session: Session,
) -> AsyncGenerator[Checked, None]:
    """Yields what was found of each asset, as soon as that is known.

    Args:
        units: The items; they are drawn as they can be asked for.
        total: How many assets they have.
        granularity: What a task run is.
        options: How to ask.
        session: The session of the run.

    Raises:
        StacAssetError: With `fail_fast`, why the first asset that is missing is.
    """
    batched = is_batched(total, granularity)
    runner = Runner(session)
    one = with_retries(check_asset_exists, options)
    many = with_retries(check_assets_exist, options)

    async def ask_one(asset: Transfer | Failed) -> list[Checked]:
        found = _unplanned(asset) if isinstance(asset, Failed) else None
        if isinstance(asset, Transfer):
            for candidate in asset.candidates:
                try:
                    asked = (asset.key, candidate.href, as_opaque(options), candidate.storage)
                    stat = await runner.run(one, *asked)
                    if isinstance(stat, StacAssetError):
                        raise stat
                    return [answered(asset, candidate, stat)]
                except Exception as error:
                    found = found or unanswered(asset, mapped(error, candidate.href))
        assert found is not None, "a transfer has at least one candidate"
        return _unless_fail_fast([found], session)

    async def ask_many(group: list[Unit]) -> list[Checked]:
        planned = [asset for unit in group for asset in unit.planned]
        failed = [_unplanned(asset) for asset in planned if isinstance(asset, Failed)]
        unplanned = _unless_fail_fast(failed, session)
        transfers = [asset for asset in planned if isinstance(asset, Transfer)]
        try:
            return [*unplanned, *await runner.run(many, as_opaque(transfers), as_opaque(options))]
        except CheckError as error:
            return [*unplanned, *error.found]
        except Exception:
            await runner.stop()
            raise

    assets = (asset for unit in units for asset in unit.planned)
    work = (
        # One after the other, as each has as many requests under way as the run may have.
        bounded(ask_many, batches(units, total), MAX_SUBMITTED if runner.submits else 1)
        if batched
        else bounded(
            ask_one, assets, MAX_SUBMITTED if runner.submits else options.max_concurrent_downloads
        )
    )
    async with aclosing(work) as done:
        async for found in done:
            for checked in found:
                yield checked


def _unplanned(asset: Failed) -> Checked:
    return unanswered(asset, mapped(asset.error, asset.key))


def _unless_fail_fast(found: list[Checked], session: Session) -> list[Checked]:
    """Returns what was found, unless something is missing and that ends the run.

    Raises:
        StacAssetError: Why the first one is missing.
    """
    for one in found if session.config.fail_fast else ():
        if one.error is not None:
            session.stopping = True  # Before the others are cancelled, so that they can say why.
            raise one.error
    return found
