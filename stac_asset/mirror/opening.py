"""Internal: opens a run of a mirror, with files and source."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from stac_asset.clients.registry import Clients
from stac_asset.concurrency import in_executor
from stac_asset.config import Config
from stac_asset.destinations import Destinations
from stac_asset.destinations.location import Location
from stac_asset.errors import SourceError
from stac_asset.mirror.run import MirrorUpdate
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.sources.open import open_source
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.mirror.storage.open import MAX_CONCURRENCY, open_storage


@asynccontextmanager
async def open_mirror(
    source: str,
    directory: Location,
    criteria: Criteria,
    config: Config,
    clients: Clients,
    destinations: Destinations,
    *,
    writable: bool,
    must_exist: bool = False,
    concurrency: int = MAX_CONCURRENCY,
) -> AsyncIterator[tuple[MirrorUpdate, MirrorStorage]]:
    """Open a new run of a mirror.

    Args:
        source: Href of the source.
        directory: The absolute location of the mirror.
        criteria: The search of the mirror.
        config: The configuration of the run.
        clients: The clients of the run.
        destinations: The destinations of the run.
        writable: Whether the run writes.
        must_exist: Whether the mirror must have files.
        concurrency: Maximum number of documents of an object store that are read or written at the
            same time.

    Raises:
        SourceError: The source cannot be read, or the mirror does not exist.
        ConfigError: The source does not support the search, or the directory is no mirror.
        DestinationError: Another run updates the mirror, or a request failed.
    """
    with (
        tempfile.TemporaryDirectory(prefix="stac-asset-") as scratch,
        tempfile.TemporaryFile() as documents,
    ):
        opening = open_storage(directory, destinations, writable, concurrency=concurrency)
        async with opening as storage:
            if must_exist:
                await _check_exists(storage, directory)
            remote = await open_source(source, clients, config, Path(scratch))
            await remote.check(criteria)
            now = datetime.now(UTC)
            yield MirrorUpdate(storage, remote, criteria, config, clients, now, documents), storage


async def _check_exists(storage: MirrorStorage, directory: Location) -> None:
    if await in_executor(storage.executor, next, storage.files(), None) is None:
        raise SourceError(
            f"`directory` '{directory}' has no files. Give the directory of a mirror that a run of "
            "`sync` wrote."
        )
