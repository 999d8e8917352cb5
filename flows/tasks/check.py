"""The tasks that check whether an asset, or a batch of assets, exists."""

from __future__ import annotations

import dataclasses
from contextlib import aclosing

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from prefect_stac_asset.flows.execution.retries import (
    is_last_attempt,
    is_retryable,
    retry_condition,
)
from prefect_stac_asset.flows.execution.run_names import (
    check_name,
    checks_name,
)
from prefect_stac_asset.flows.execution.session import Session, in_session
from prefect_stac_asset.flows.execution.state_names import WARNED
from prefect_stac_asset.flows.execution.states import check_state
from prefect_stac_asset.flows.execution.stoppable import stoppable_task
from prefect_stac_asset.flows.parameters.credentials import TaskCredentials
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from prefect_stac_asset.flows.tasks.check_outcomes import (
    Checked,
    CheckError,
    existing_asset,
    failed_check,
)
from prefect_stac_asset.flows.tasks.given import AssetLike, checked_options, transfer_of
from stac_asset.concurrency import bounded
from stac_asset.errors import StacAssetError
from stac_asset.transfer.interface import Stat
from stac_asset.transfer.probe import probe
from stac_asset.types import Storage, Transfer


@stoppable_task(
    task_run_name=checks_name,
    cache_policy=NO_CACHE,
    persist_result=False,
    retry_condition_fn=retry_condition,
)
async def check_assets_exist(
    transfers: list[Transfer],
    options: DownloadOptions | None = None,
    credentials: TaskCredentials = None,
) -> list[Checked]:
    """Check whether the assets of a batch exist, without downloading.

    The message of the state contains the counts. With `fail_fast`, the first missing asset ends the
    batch.

    Args:
        transfers: The assets, as planned transfers.
        options: The options of the run.
        credentials: Blocks with credentials, or references to blocks.

    Returns:
        The check of each asset, in the order of the transfers.

    Raises:
        CheckError: Assets do not exist, or their check failed.
    """
    resolved = checked_options(options)

    async def check(session: Session) -> State[list[Checked]]:
        config = session.config
        limit = min(resolved.max_concurrent_downloads, config.max_connections_per_host)
        found: dict[int, Checked] = {}

        async def check_one(entry: tuple[int, Transfer]) -> None:
            number, transfer = entry
            result = found[number] = await _check(transfer, session)
            if result.error is not None and config.fail_fast:
                raise result.error

        async with aclosing(bounded(check_one, list(enumerate(transfers)), limit)) as results:
            async for _ in results:
                pass
        return _state([found[number] for number in range(len(transfers))], config.warn)

    checked: list[Checked] = await in_session(check, resolved, credentials)
    return checked


def _state(results: list[Checked], warn: bool) -> State[list[Checked]]:
    errors = [checked.error for checked in results if checked.error is not None]
    is_retried = any(is_retryable(error) for error in errors) and not is_last_attempt()
    if errors and (is_retried or not warn):
        raise CheckError(results)
    if errors:
        return Completed(name=WARNED, message=str(CheckError(results)), data=results)
    return Completed(message=f"{len(results)} assets exist", data=results)


async def _check(transfer: Transfer, session: Session) -> Checked:
    # The content type does not matter for existence. Only downloads check it.
    probed = dataclasses.replace(transfer, content_type=None)
    result = await probe(probed, session.clients, session.config, connect=session.connect)
    if result.error is not None:
        return failed_check(transfer, result.error)
    return existing_asset(transfer, result.candidate, result.stat or Stat())


@stoppable_task(
    task_run_name=check_name,
    cache_policy=NO_CACHE,
    persist_result=False,
    retry_condition_fn=retry_condition,
)
async def check_asset_exists(
    asset: AssetLike,
    options: DownloadOptions | None = None,
    credentials: TaskCredentials = None,
    storage: Storage | None = None,
) -> Stat | StacAssetError:
    """Check whether an asset exists, without a download.

    The task run ends Completed, `Warned`, Cancelled or Failed.

    Args:
        asset: A planned transfer, an asset, or an href.
        options: The options of the run.
        credentials: Blocks with credentials, or references to blocks.
        storage: The object store of an href. An asset and a transfer have their own.

    Returns:
        The size and content type that the source reports. With `warn`, the result can also be the
        error of the check.

    Raises:
        StacAssetError: The asset does not exist, or its check failed.
    """
    resolved = checked_options(options)
    planned = transfer_of(asset, resolved.config(), storage=storage)
    # The content type does not matter for existence. Only downloads check it.
    transfer = dataclasses.replace(planned, content_type=None)

    async def check(session: Session) -> State[Stat | StacAssetError]:
        result = await probe(transfer, session.clients, session.config, connect=session.connect)
        if result.error is None:
            return check_state(result.stat or Stat(), session.config.warn)
        is_retried = is_retryable(result.error) and not is_last_attempt()
        return check_state(result.error, session.config.warn and not is_retried)

    found: Stat | StacAssetError = await in_session(check, resolved, credentials)
    return found
