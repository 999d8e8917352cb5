"""Opens the files of a mirror in a local directory, or in a prefix of an object store.

The flow `sync` calls `open_storage` before the first request to the source.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from stac_asset.concurrency import in_thread
from stac_asset.destinations import Destinations
from stac_asset.destinations.location import Location
from stac_asset.errors import ConfigError
from stac_asset.mirror.catalog_document import is_mirror_catalog
from stac_asset.mirror.layout import CATALOG, LOCK, PARQUET
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.mirror.storage.lease import RENEWAL, held_lease
from stac_asset.mirror.storage.listing import Listing
from stac_asset.mirror.storage.local import LocalStorage
from stac_asset.mirror.storage.store import StoreStorage

MAX_CONCURRENCY = 32
"""Maximum number of documents that are read or written at the same time. Each needs a thread."""


@asynccontextmanager
async def open_storage(
    directory: Location,
    destinations: Destinations,
    writable: bool = True,
    renewal: float = RENEWAL,
    concurrency: int = MAX_CONCURRENCY,
) -> AsyncIterator[MirrorStorage]:
    """Open the files of a mirror. In an object store, hold the lease of the mirror.

    Args:
        directory: The absolute location of the mirror, which need not exist.
        destinations: The destinations of the run, which stay open meanwhile.
        writable: Whether the run writes. If False, the mirror gets no lease.
        renewal: Seconds between two renewals of the lease.
        concurrency: Maximum number of documents that are read or written at the same time in an
            object store. At most `MAX_CONCURRENCY` are.

    Raises:
        ConfigError: There is another catalog or GeoParquet file, which a mirror would overwrite.
        DestinationError: Another run updates the mirror, or a request failed.
    """
    if isinstance(directory, Path):
        local = LocalStorage(directory)
        if await in_thread(local.exists, CATALOG):
            _check_catalog(directory, await in_thread(local.read, CATALOG))
        else:
            _check_parquet(directory, local)
        yield local
        return
    destination = destinations.destination_of(str(directory))
    catalog = await destination.read(CATALOG)
    if catalog is not None:
        _check_catalog(directory, catalog.data)
    async with AsyncExitStack() as stack:
        lease = None
        if writable:
            lease = await stack.enter_async_context(
                held_lease(destination, str(directory), renewal)
            )
        files = await Listing.read(destination.list_files())
        limit = min(concurrency, MAX_CONCURRENCY)
        storage = StoreStorage(directory, destination, files, lease, limit)
        stack.callback(storage.close)
        if catalog is None:
            _check_parquet(directory, storage)
        yield storage


def _check_catalog(directory: Location, data: bytes | None) -> None:
    if not is_mirror_catalog(data):
        raise ConfigError(
            f"`directory` '{directory}' has a {CATALOG} that was not written by a mirror. Choose "
            "another directory."
        )


def _check_parquet(directory: Location, storage: MirrorStorage) -> None:
    """Check that a directory without a catalog has no GeoParquet file of another program.

    A run writes the catalog and its state before the GeoParquet file.
    """
    folder, _, lock = LOCK.partition("/")
    if storage.is_listed(PARQUET) and not set(storage.file_names(folder)) - {lock}:
        raise ConfigError(
            f"`directory` '{directory}' has a file {PARQUET} that was not written by a mirror. "
            "Move the file, or choose another directory."
        )
