"""The task that writes the rewritten document of an item or collection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect.cache_policies import NO_CACHE

from prefect_stac_asset.flows.execution.run_names import rewrite_name
from prefect_stac_asset.flows.execution.session import with_destinations
from prefect_stac_asset.flows.execution.states import BatchError
from prefect_stac_asset.flows.execution.stoppable import stoppable_task
from prefect_stac_asset.flows.parameters.credentials import TaskDestination
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from prefect_stac_asset.flows.tasks.given import checked_options
from stac_asset.api.destinations import RunDestinations
from stac_asset.destinations import Destination, LocalDestination
from stac_asset.destinations.location import Location, StorePath, location_of
from stac_asset.errors import StacAssetError
from stac_asset.plan.owners import Owner
from stac_asset.rewrite.rewriter import rewrite
from stac_asset.rewrite.serialize import document_of, json_bytes
from stac_asset.stac.earlier_document import EarlierDocument, replace_document, would_be_empty
from stac_asset.stac.earlier_files import keep_earlier_files, unselected_files
from stac_asset.stac.foreign_documents import check_replaceable
from stac_asset.types import Failed, Outcome, outcomes_per_asset


@stoppable_task(task_run_name=rewrite_name, cache_policy=NO_CACHE, persist_result=False)
async def rewrite_item(
    item: Owner,
    outcomes: list[Outcome],
    document: Path | StorePath | str,
    options: DownloadOptions | None = None,
    keep_non_downloaded: bool = False,
    destination_credentials: TaskDestination = None,
) -> Path | StorePath:
    """Write the document of an item or collection, with hrefs of the downloaded files.

    If the flow run is stopped, the task run ends Cancelled. If all assets failed, and no file of an
    earlier run is left, no document is written, unless `error_strategy` is KEEP. The document of
    the earlier run is kept.

    Args:
        item: The source item or collection. It is not modified.
        outcomes: The outcomes of the assets. Errors that Prefect's `allow_failure` passes are also
            accepted: an asset's error in place of an outcome counts as a failed asset, and a
            `BatchError` in place of the list counts as the outcomes of the batch.
        document: Path of the new document, or the URL of an object.
        options: The options of the download.
        keep_non_downloaded: Whether to keep assets that were not selected for download.
        destination_credentials: The block of the destination, or a reference to the block.

    Returns:
        The path of the new document. For a URL, an object whose text is the URL.

    Raises:
        DestinationError: The document cannot be written.
    """
    config = checked_options(options).config()
    location = document if isinstance(document, Path) else location_of(str(document), "document")

    async def write(destinations: RunDestinations) -> Location:
        destination: Destination
        if isinstance(location, Path):
            destination = LocalDestination(location.parent, config.make_directory, config.fsync)
        else:
            destination = destinations.destination_of(str(location.parent))

        async def build(earlier: EarlierDocument) -> tuple[Location, bytes | None]:
            found = _without_errors(outcomes)
            found = await keep_earlier_files(item, found, earlier, config, destination)
            unselected = await unselected_files(item, found, earlier, config, destination)
            new: Owner = rewrite(  # type: ignore[type-var] # an item stays an item
                item, found, config, location, keep_non_downloaded, unselected
            )
            is_empty = would_be_empty(found, config)
            return location, None if is_empty else json_bytes(document_of(new))

        await check_replaceable(location, destination)
        return await replace_document(location, destination, build)

    written: Location = await with_destinations(write, config, destination_credentials)
    return written


def _without_errors(outcomes: Any) -> list[Outcome]:
    """Return the outcome of each asset, with `Failed` in place of errors."""
    found = outcomes.outcomes if isinstance(outcomes, BatchError) else outcomes
    return [
        outcome
        for one in found
        for outcome in (
            [Failed(one.owner or "", one.key, one)]
            if isinstance(one, StacAssetError) and one.key is not None
            else outcomes_per_asset(one)
        )
    ]
