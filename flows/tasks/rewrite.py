"""TODO."""

from __future__ import annotations

from pathlib import Path

from prefect.cache_policies import NO_CACHE

from prefect_stac_asset.flows.execution.run_names import (
    rewrite_name,
)
from prefect_stac_asset.flows.execution.session import stopped_with_run
from prefect_stac_asset.flows.execution.stoppable import stoppable_task
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from prefect_stac_asset.flows.tasks.download import _without_errors
from stac_asset.destinations import LocalDestination
from stac_asset.plan.planner import Owner
from stac_asset.rewrite.rewriter import rewrite
from stac_asset.rewrite.serialize import document_of, json_bytes
from stac_asset.types import Outcome


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
        destination = LocalDestination(document.parent, config.make_directory)
        await destination.write(document.name, data)
        return document

    return await stopped_with_run(write, config.fail_fast)  # type: ignore[return-value] # or Cancelled
