"""The tasks: the only place where Prefect meets the library.

Each takes plain values, so that any task runner can carry them, and is useful in a flow of one's
own. Nothing is cached: a cached result does not prove that a file is still on disk, and the files
themselves decide what is fetched.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Any
from uuid import UUID

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext

from prefect_stac_asset.flows.execution.global_limits import slots_of
from prefect_stac_asset.flows.execution.retries import is_last_attempt, may_pass, retry_condition
from prefect_stac_asset.flows.execution.run_names import (
    download_name,
    downloads_name,
)
from prefect_stac_asset.flows.execution.session import Session, in_session
from prefect_stac_asset.flows.execution.states import BatchError, asset_state, batch_state
from prefect_stac_asset.flows.execution.stoppable import stoppable_task
from prefect_stac_asset.flows.parameters.credentials import TaskCredentials
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from stac_asset.concurrency import bounded
from stac_asset.errors import StacAssetError
from stac_asset.types import Failed, Outcome, Transfer

_finished: dict[UUID, dict[Transfer, Outcome]] = {}
"""What a batch's earlier attempts finished, by its task run: a retry does not do it again."""


@stoppable_task(
    task_run_name=download_name,
    cache_policy=NO_CACHE,
    persist_result=False,
    retry_condition_fn=retry_condition,
)
async def download_asset(
    transfer: Transfer,
    options: DownloadOptions | None = None,
    credentials: TaskCredentials = None,
) -> State[Outcome]:
    """Downloads one asset: Completed, `Skipped`, `Warned`, Cancelled, or Failed with its error.

    Args:
        transfer: What to download, as a plan gives it.
        options: How to download.
        credentials: Blocks that hold credentials, or references to them.

    Returns:
        The state, whose result is what became of the asset. A future of this task, and a call
        with `return_state=True`, have the same result.

    Raises:
        StacAssetError: Why it could not be downloaded.
    """
    wanted = options or DownloadOptions()

    async def download(session: Session) -> State[Outcome]:
        async with slots_of([transfer], wanted):
            outcome = await session.download(transfer)
        again = isinstance(outcome, Failed) and may_pass(outcome.error) and not is_last_attempt()
        return asset_state(outcome, session.config.warn and not again)

    return await in_session(download, wanted, credentials, stops_others=True)


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
) -> State[list[Outcome]]:
    """Downloads a batch of assets in one task run, whose state sums them up.

    With `fail_fast`, the first error ends the batch. A retry of Prefect's does not fetch again
    what the attempt before it finished, even with `overwrite`.

    Args:
        transfers: What to download, as a plan gives it.
        options: How to download.
        credentials: Blocks that hold credentials, or references to them.

    Returns:
        The state, whose result is what became of each asset, in the order of the transfers.

    Raises:
        BatchError: Assets failed.
    """
    context = TaskRunContext.get()
    run_id = context.task_run.id if context is not None else None
    done = _finished.pop(run_id, {}) if run_id is not None else {}
    wanted = options or DownloadOptions()

    async def download(session: Session) -> State[list[Outcome]]:
        waiting = [transfer for transfer in transfers if transfer not in done]
        limit = session.max_concurrent_downloads
        async with (
            slots_of(waiting, wanted),
            aclosing(bounded(session.download, waiting, limit)) as outcomes,
        ):
            async for outcome in outcomes:
                if isinstance(outcome, Failed) and session.config.fail_fast:
                    raise outcome.error
                assert outcome.transfer is not None, "the engine says of which transfer"
                done[outcome.transfer] = outcome
        found = [done[transfer] for transfer in transfers]
        failed = [outcome for outcome in found if isinstance(outcome, Failed)]
        again = any(may_pass(outcome.error) for outcome in failed) and not is_last_attempt()
        if again and run_id is not None:
            _finished[run_id] = {
                transfer: outcome
                for transfer, outcome in done.items()
                if not isinstance(outcome, Failed)
            }
        return batch_state(found, session.config.warn and not again)

    return await in_session(download, wanted, credentials, stops_others=True)


def _without_errors(outcomes: Any) -> list[Outcome]:
    found = outcomes.outcomes if isinstance(outcomes, BatchError) else outcomes
    return [
        Failed(one.owner or "", one.key, one)
        if isinstance(one, StacAssetError) and one.key is not None
        else one
        for one in found
    ]
