"""The task that plans the downloads of an item or collection."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeAlias

import pystac
from prefect import get_run_logger
from prefect.cache_policies import NO_CACHE

from prefect_stac_asset.flows.execution.run_names import plan_name
from prefect_stac_asset.flows.execution.session import Session, in_session
from prefect_stac_asset.flows.execution.stoppable import stoppable_task
from prefect_stac_asset.flows.parameters.credentials import TaskCredentials, missing_credential
from prefect_stac_asset.flows.parameters.options import DownloadOptions
from prefect_stac_asset.flows.parameters.source import is_text
from prefect_stac_asset.flows.tasks.given import Directory, checked_options, directory_of
from stac_asset.destinations.location import Location
from stac_asset.errors import (
    DownloadError,
    MissingCredentialError,
    NoAssetsError,
    SourceError,
)
from stac_asset.plan.owners import Owner, document_name, owner_name
from stac_asset.plan.planner import Planner
from stac_asset.stac.given import read_given
from stac_asset.stac.local_facts import facts_of
from stac_asset.types import Failed, Transfer

PlannedLike: TypeAlias = Owner | str | os.PathLike[str] | Mapping[str, Any]
"""An item or collection, or the href, path, JSON text or document of an item."""


@stoppable_task(task_run_name=plan_name, cache_policy=NO_CACHE, persist_result=False)
async def plan_item(
    item: PlannedLike,
    directory: Directory,
    options: DownloadOptions | None = None,
    credentials: TaskCredentials = None,
) -> list[Transfer]:
    """Plan the downloads of the files of an item or collection.

    Nothing is downloaded, except the document if `item` is an href. The file names are those of the
    flow `download_item`. Use a directory for each item, because items can have files of the same
    name.

    Args:
        item: The item or collection, or the href, path, JSON text or document of an item.
        directory: The destination: a directory, or a prefix such as `s3://bucket/prefix`.
        options: Options that select assets and name files.
        credentials: Blocks with credentials, or references to blocks, to read `item`.

    Returns:
        A transfer for each selected asset, in the order of the item. Assets with the same source
        share a transfer.

    Raises:
        SourceError: The item cannot be read, or is of another type.
        NoAssetsError: The item has no assets, or no asset matches `include`.
        DestinationError: The directory is empty or of an unknown kind.
        DownloadError: Assets cannot be planned, and `warn` is not set. With `warn`, they are left
            out and logged.
    """
    resolved = checked_options(options)
    if resolved.allow_local_hrefs is None and (
        isinstance(item, Mapping) or (isinstance(item, str) and is_text(item))
    ):
        # The origin of such a document is unknown.
        resolved = resolved.model_copy(update={"allow_local_hrefs": False})
    location = directory_of(directory)

    async def plan(session: Session) -> list[Transfer]:
        return _planned(await _read(item, session), location, session)

    transfers: list[Transfer] = await in_session(plan, resolved, credentials)
    return transfers


async def _read(item: PlannedLike, session: Session) -> Owner:
    if isinstance(item, pystac.Collection):
        return item
    try:
        found, _ = await read_given(
            item, pystac.Item, "item", "download", session.clients, session.config
        )
    except SourceError as error:
        if isinstance(error.__cause__, MissingCredentialError):
            raise missing_credential(str(item), error.__cause__) from None
        raise
    return found


def _planned(owner: Owner, directory: Location, session: Session) -> list[Transfer]:
    if not owner.assets:
        raise NoAssetsError(f"{owner_name(owner)} has no assets to download")
    config = session.config
    planner: Planner[Location] = Planner(directory, config, facts_of(directory))
    name = document_name(owner) if isinstance(owner, pystac.Item) else "collection.json"
    planner.document(owner_name(owner), name)  # No asset gets the name of the new document.
    planned = list(planner.assets(owner))
    planner.check_selection()
    errors = [entry.error for entry in planned if isinstance(entry, Failed)]
    if errors and not config.warn:
        raise errors[0] if config.fail_fast else DownloadError(errors, total=len(planned))
    for error in errors:
        get_run_logger().warning("%s", error)
    return [entry for entry in planned if isinstance(entry, Transfer)]
