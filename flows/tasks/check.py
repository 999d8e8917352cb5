"""The task that asks for a batch of assets whether they exist."""

from __future__ import annotations

import dataclasses
from contextlib import aclosing

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from prefect_stac_asset.flows.execution.retries import is_last_attempt, may_pass, retry_condition
from prefect_stac_asset.flows.execution.run_names import (
    check_name,
    checks_name,
)
from prefect_stac_asset.flows.execution.session import Session, in_session
from prefect_stac_asset.flows.execution.states import WARNED, check_state
from prefect_stac_asset.flows.execution.stoppable import stoppable_task
from prefect_stac_asset.flows.parameters.credentials import TaskCredentials
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from prefect_stac_asset.flows.tasks.check_outcomes import Checked, CheckError, answered, unanswered
from stac_asset.concurrency import bounded
from stac_asset.errors import StacAssetError
from stac_asset.transfer.interface import Stat
from stac_asset.transfer.probe import probe
from stac_asset.types import Candidate, Storage, Transfer


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
) -> State[list[Checked]]:
    """Asks for a batch of assets in one task run, whose state sums them up.

    With `fail_fast`, the first asset that does not exist ends the batch.

    Args:
        transfers: The assets, as a plan gives them.
        options: How to ask.
        credentials: Blocks that hold credentials, or references to them.

    Returns:
        The state, whose result is what was found of each asset, in the order of the transfers.

    Raises:
        CheckError: Assets do not exist, or cannot be asked for.
    """
    wanted = options or DownloadOptions()

    async def check(session: Session) -> State[list[Checked]]:
        config = session.config
        limit = min(wanted.max_concurrent_downloads, config.max_connections_per_host)
        found: dict[int, Checked] = {}

        async def ask(entry: tuple[int, Transfer]) -> None:
            number, transfer = entry
            one = found[number] = await _ask(transfer, session)
            if one.error is not None and config.fail_fast:
                raise one.error

        async with aclosing(bounded(ask, list(enumerate(transfers)), limit)) as asking:
            async for _ in asking:
                pass
        return _state([found[number] for number in range(len(transfers))], config.warn)

    return await in_session(check, wanted, credentials)


def _state(results: list[Checked], warn: bool) -> State[list[Checked]]:
    errors = [one.error for one in results if one.error is not None]
    again = any(may_pass(error) for error in errors) and not is_last_attempt()
    if errors and (again or not warn):
        raise CheckError(results)
    if errors:
        return Completed(name=WARNED, message=str(CheckError(results)), data=results)
    return Completed(message=f"{len(results)} assets exist", data=results)


async def _ask(transfer: Transfer, session: Session) -> Checked:
    # It is there whatever its content type, which is for a download to judge.
    asked = dataclasses.replace(transfer, content_type=None)
    result = await probe(asked, session.clients, session.config)
    if result.error is not None:
        return unanswered(transfer, result.error)
    return answered(transfer, result.candidate, result.stat or Stat())


@stoppable_task(
    task_run_name=check_name,
    cache_policy=NO_CACHE,
    persist_result=False,
    retry_condition_fn=retry_condition,
)
async def check_asset_exists(
    key: str,
    href: str,
    options: DownloadOptions | None = None,
    storage: Storage | None = None,
    credentials: TaskCredentials = None,
) -> State[Stat | StacAssetError]:
    """Asks for an asset without downloading it: Completed, `Warned`, Cancelled, or Failed.

    Args:
        key: The asset's key, which names the task run.
        href: The asset's absolute href.
        options: How to ask.
        storage: What the item says of the object store, if anything.
        credentials: Blocks that hold credentials, or references to them.

    Returns:
        The state, whose result is what the source says of the asset; with `warn`, the error of one
        that cannot be had.

    Raises:
        StacAssetError: It does not exist, or cannot be had.
    """
    transfer = Transfer("", key, (Candidate(href, "", storage),), "")

    async def check(session: Session) -> State[Stat | StacAssetError]:
        result = await probe(transfer, session.clients, session.config)
        if result.error is None:
            return check_state(result.stat or Stat(), session.config.warn)
        again = may_pass(result.error) and not is_last_attempt()
        return check_state(result.error, session.config.warn and not again)

    return await in_session(check, options or DownloadOptions(), credentials)
