"""The tasks that download an asset, or a batch of assets."""

from __future__ import annotations

from contextlib import aclosing
from uuid import UUID

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext

from prefect_stac_asset.flows.execution.finished import (
    earlier_outcome,
    find_replaced,
    has_file,
    remember,
)
from prefect_stac_asset.flows.execution.global_limits import hold_slots
from prefect_stac_asset.flows.execution.retries import (
    is_last_attempt,
    is_retryable,
    retry_condition,
)
from prefect_stac_asset.flows.execution.run_names import download_name, downloads_name
from prefect_stac_asset.flows.execution.session import Session, in_session
from prefect_stac_asset.flows.execution.states import asset_state, batch_state
from prefect_stac_asset.flows.execution.stoppable import stoppable_task
from prefect_stac_asset.flows.parameters.credentials import TaskCredentials, TaskDestination
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from prefect_stac_asset.flows.tasks.given import (
    AssetLike,
    Directory,
    checked_options,
    transfer_of,
)
from stac_asset.concurrency import bounded
from stac_asset.errors import ConfigError
from stac_asset.types import Failed, Outcome, Transfer

_finished: dict[UUID, dict[int, Outcome]] = {}
"""Outcomes of earlier attempts of a batch, by task run and position of the transfer.

A retry skips these transfers.
"""


@stoppable_task(
    task_run_name=download_name,
    cache_policy=NO_CACHE,
    persist_result=False,
    retry_condition_fn=retry_condition,
)
async def download_asset(
    asset: AssetLike,
    options: DownloadOptions | None = None,
    credentials: TaskCredentials = None,
    destination_credentials: TaskDestination = None,
    directory: Directory | None = None,
) -> Outcome:
    """Download an asset.

    The task run ends Completed, `Skipped`, `Warned`, Cancelled, or Failed with the error of the
    asset.

    Args:
        asset: A planned transfer, such as those of `plan_item`. Or an asset or an href, with the
            file name that a flow would use. Two of these with the same file name are one file, so
            plan the assets of an item with `plan_item`.
        options: The options of the run.
        credentials: Blocks with credentials, or references to blocks.
        destination_credentials: The block of the destination, or a reference to the block.
        directory: The destination of an asset or href. A transfer has its own.

    Returns:
        The outcome of the asset.

    Raises:
        StacAssetError: The asset could not be downloaded.
        ConfigError: `directory` is missing for an asset or href, or is given for a transfer.
    """
    resolved = checked_options(options)
    if directory is None and not isinstance(asset, Transfer):
        raise ConfigError(
            "`directory` is missing. Set `directory`, or pass a transfer of the task `plan_item`."
        )
    transfer = transfer_of(asset, resolved.config(), directory)

    async def download(session: Session) -> State[Outcome]:
        async with hold_slots([transfer], resolved), session.limits.downloads:
            outcome = await _download(transfer, session)
        is_retried = (
            isinstance(outcome, Failed) and is_retryable(outcome.error) and not is_last_attempt()
        )
        return asset_state(outcome, session.config.warn and not is_retried)

    outcome: Outcome = await in_session(
        download,
        resolved,
        credentials,
        stops_others=True,
        destination_credentials=destination_credentials,
    )
    return outcome


@stoppable_task(
    task_run_name=downloads_name,
    cache_policy=NO_CACHE,
    persist_result=False,
    retry_condition_fn=retry_condition,
)
async def download_assets(
    transfers: list[Transfer],
    options: DownloadOptions | None = None,
    credentials: TaskCredentials = None,
    destination_credentials: TaskDestination = None,
) -> list[Outcome]:
    """Download a batch of assets in a single task run.

    The message of the state contains the counts. With `fail_fast`, the first error ends the batch.
    If Prefect retries the task run, assets that an earlier attempt downloaded are not downloaded
    again, even with `overwrite`.

    Args:
        transfers: The planned transfers.
        options: The options of the run.
        credentials: Blocks with credentials, or references to blocks.
        destination_credentials: The block of the destination, or a reference to the block.

    Returns:
        The outcome of each asset, in the order of the transfers.

    Raises:
        BatchError: At least one asset failed.
    """
    context = TaskRunContext.get()
    run_id = context.task_run.id if context is not None else None
    finished = _finished.pop(run_id, {}) if run_id is not None else {}
    done: dict[int, Outcome] = {}
    resolved = checked_options(options)

    def keep_for_retry(failed: list[Failed]) -> bool:
        """Keep the outcomes for a retry of the task run. Return whether Prefect retries it."""
        is_retried = (
            any(is_retryable(outcome.error) for outcome in failed) and not is_last_attempt()
        )
        if is_retried and run_id is not None:
            _finished[run_id] = {
                position: outcome
                for position, outcome in done.items()
                if not isinstance(outcome, Failed)
            }
        return is_retried

    async def download(session: Session) -> State[list[Outcome]]:
        for position, outcome in finished.items():
            if await has_file(outcome, session.destinations):
                done[position] = outcome
        waiting = [position for position in range(len(transfers)) if position not in done]

        async def download_at(position: int) -> tuple[int, Outcome]:
            return position, await _download(transfers[position], session)

        limit = session.max_concurrent_downloads
        with session.batch_span(len(waiting)):
            async with (
                hold_slots((transfers[position] for position in waiting), resolved),
                aclosing(
                    bounded(download_at, waiting, limit, session.limits.downloads)
                ) as outcomes,
            ):
                async for position, outcome in outcomes:
                    if isinstance(outcome, Failed) and session.config.fail_fast:
                        keep_for_retry([outcome])
                        raise outcome.error
                    done[position] = outcome
        found = [done[position] for position in range(len(transfers))]
        failed = [outcome for outcome in found if isinstance(outcome, Failed)]
        is_retried = keep_for_retry(failed)
        return batch_state(found, session.config.warn and not is_retried)

    outcomes: list[Outcome] = await in_session(
        download,
        resolved,
        credentials,
        stops_others=True,
        destination_credentials=destination_credentials,
    )
    return outcomes


async def _download(transfer: Transfer, session: Session) -> Outcome:
    """Download an asset, unless `overwrite` is set and an earlier attempt of the flow run did."""
    # The source may have changed since the earlier attempt if the plan says to replace the file.
    if transfer.overwrite or not session.config.overwrite:
        return await session.download(transfer)
    destinations = session.destinations
    outcome = await earlier_outcome(transfer, destinations)
    if outcome is None:
        outcome = await find_replaced(transfer, session.config, destinations)
    if outcome is None:
        outcome = await session.download(transfer)
    remember(outcome)
    return outcome
