"""The tasks: the only place where Prefect meets the library.

Each takes plain values, so that any task runner can carry them, and is useful in a flow of one's
own. Nothing is cached: a cached result does not prove that a file is still on disk, and the files
themselves decide what is fetched.
"""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect import get_run_logger
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext

from flows.credentials import TaskCredentials, missing_credential
from flows.names import check_name, client_name, download_name, downloads_name, rewrite_name
from flows.options import DownloadOptions
from flows.retries import is_last_attempt, may_pass, retry_condition
from flows.session import Session, in_session, stopped_with_run
from flows.slots import slots_of
from flows.states import BatchError, asset_state, batch_state, check_state
from flows.stoppable import stoppable_task
from stac_asset.clients import Request, Stat
from stac_asset.clients.named import NamedClient
from stac_asset.document import write_document
from stac_asset.errors import MissingCredentialError, StacAssetError
from stac_asset.hrefs import parse_href
from stac_asset.plan import Owner
from stac_asset.pool import bounded
from stac_asset.redact import redact_href
from stac_asset.retry import retrying
from stac_asset.rewrite import document_of, json_bytes, rewrite
from stac_asset.types import Failed, Outcome, Storage, Transfer

_finished: dict[UUID, dict[Transfer, Outcome]] = {}
"""What a batch's earlier attempts finished, by its task run: a retry does not do it again."""


@stoppable_task(task_run_name=client_name, cache_policy=NO_CACHE, persist_result=False)
async def resolve_client(
    href: str,
    options: DownloadOptions | None = None,
    credentials: TaskCredentials = None,
    storage: Storage | None = None,
) -> str:
    """Returns the name of the client that claims an href, and makes sure that it can be used.

    The log says which block's credentials are used for it, if any are. If the flow run is stopped,
    the task run ends Cancelled.

    Args:
        href: An absolute href.
        options: How to download.
        credentials: Blocks that hold credentials, or references to them.
        storage: What the item says of the object store, if anything.

    Raises:
        SchemeError: No client claims it.
        MissingCredentialError: A credential is missing; the message names the block that is wanted.
    """

    async def resolve(session: Session) -> str:
        try:
            client = await session.clients.get_client(href)
            await client.check(Request(parse_href(href), storage=storage))
        except MissingCredentialError as error:
            raise missing_credential(href, error) from None
        if isinstance(client, NamedClient):
            shown = redact_href(href)
            get_run_logger().info("%s is served by %s", shown, client.credentials)
        return client.name

    return await in_session(resolve, options or DownloadOptions(), credentials)  # type: ignore[return-value] # or Cancelled


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

    async def check(session: Session) -> State[Stat | StacAssetError]:
        try:
            client = await session.clients.get_client(href)
            request = Request(parse_href(href), storage=storage)
            async for attempt in retrying(session.config):
                with attempt:
                    found = await client.stat(request)
        except StacAssetError as error:
            again = may_pass(error) and not is_last_attempt()
            return check_state(error, session.config.warn and not again)
        return check_state(found, session.config.warn)

    return await in_session(check, options or DownloadOptions(), credentials)


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


@stoppable_task(task_run_name=rewrite_name, cache_policy=NO_CACHE, persist_result=False)
async def rewrite_item(
    item: Owner,
    outcomes: list[Outcome],
    document: Path,
    options: DownloadOptions | None = None,
    keep_non_downloaded: bool = False,
) -> Path:
    """Writes the item as it is now: whose assets are the files that were downloaded.

    If the flow run is stopped, the task run ends Cancelled.

    Args:
        item: The source item, or collection; it is not changed.
        outcomes: What became of its assets. An error, as `allow_failure` gives it in place of an
            outcome, is that of an asset that failed.
        document: Where the new document goes.
        options: How it was downloaded.
        keep_non_downloaded: Whether assets stay that were not wanted.

    Returns:
        Where the new document is.
    """
    config = (options or DownloadOptions()).config()

    async def write() -> Path:
        new: Owner = rewrite(  # type: ignore[type-var] # an item stays an item
            item, _without_errors(outcomes), config, document, keep_non_downloaded
        )
        data = json_bytes(document_of(new))
        await write_document(document, data, document.parent, config.make_directory)
        return document

    return await stopped_with_run(write, config.fail_fast)  # type: ignore[return-value] # or Cancelled


def _without_errors(outcomes: Any) -> list[Outcome]:
    found = outcomes.outcomes if isinstance(outcomes, BatchError) else outcomes
    return [
        Failed(one.owner or "", one.key, one)
        if isinstance(one, StacAssetError) and one.key is not None
        else one
        for one in found
    ]
