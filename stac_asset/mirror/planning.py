"""Plans the files of the items that a run downloads, and determines the size of each item.

`mirror.run` calls these functions. Existing files are kept, unless they can be of another version.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pystac

from stac_asset.clients.registry import Clients
from stac_asset.config import Config
from stac_asset.destinations.location import Location
from stac_asset.errors import AssetOverwriteError, StacAssetError
from stac_asset.integrity import Multihash
from stac_asset.mirror.changes import ChangeSet, WantedItem
from stac_asset.mirror.foreign_documents import documents_of
from stac_asset.mirror.layout import (
    COLLECTION,
    RESERVED,
    collection_folder,
    document_path,
    item_folder,
)
from stac_asset.mirror.neighbors import neighbors
from stac_asset.mirror.source_item import Key, SourceDocument
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.state.started import StartedItem
from stac_asset.mirror.state.version import digests_of_undeclared
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.plan.owners import owner_name
from stac_asset.plan.planner import Planner
from stac_asset.stac.foreign_documents import foreign_error
from stac_asset.stac.local_facts import facts_of
from stac_asset.stac.parse import item_of
from stac_asset.transfer.probe import probe_all
from stac_asset.types import Failed, Transfer


@dataclass(frozen=True, slots=True)
class Prepared:
    """An item with the planned transfers."""

    wanted: WantedItem
    """The item to download, with the reason."""

    item: pystac.Item
    """The item of the source, or a placeholder for an invalid document."""

    planned: tuple[Transfer | Failed, ...]
    """Transfers of the wanted assets, and errors of assets that cannot be planned."""

    document: Location | None
    """Location of the item's document. Unset for an item that cannot be mirrored; see `planned`."""

    storage: MirrorStorage = field(repr=False)
    """The files of the mirror."""

    @property
    def files(self) -> dict[str, str]:
        """Names of the planned files in the item's folder, with the key of each asset."""
        if self.document is None:
            return {}
        folder = str(self.document.parent)
        paths = (
            (os.path.split(candidate.path), entry.key)
            for entry in self.planned
            if isinstance(entry, Transfer)
            for candidate in entry.candidates
        )
        return {name: key for (parent, name), key in paths if parent == folder}

    @property
    def errors(self) -> list[Exception]:
        """Errors of the item, or of assets that cannot be planned."""
        return [entry.error for entry in self.planned if isinstance(entry, Failed)]

    @property
    def missing(self) -> list[Transfer]:
        """Transfers of files that are missing or must be replaced."""
        return [
            entry
            for entry in self.planned
            if isinstance(entry, Transfer) and (entry.overwrite or not self._is_listed(entry))
        ]

    def _is_listed(self, transfer: Transfer) -> bool:
        paths = (self.storage.path_of(candidate.path) for candidate in transfer.candidates)
        return any(map(self.storage.is_listed, paths))


def prepare(
    changes: ChangeSet,
    wanted: Iterable[WantedItem],
    storage: MirrorStorage,
    config: Config,
) -> Iterator[Prepared]:
    """Yield items with the planned transfers of assets.

    An item that cannot be mirrored is yielded with its error. Other items are not affected.

    Args:
        changes: Differences between source and mirror.
        wanted: The items to prepare.
        storage: The files of the mirror.
        config: The configuration.
    """
    wanted = list(wanted)
    planner = Planner(storage.directory, config, facts_of(storage.directory))
    for name, owner in RESERVED.items():
        planner.document(owner, name)
    collections: set[str] = set()
    wanted_keys = {entry.key for entry in wanted}
    rows = changes.state.rows
    for collection in [found for found, count in rows.collections.items() if count]:
        with suppress(AssetOverwriteError):
            _reserve_collection(planner, collection, collections)
    for key in neighbors(rows, wanted_keys, str(storage.directory), planner.facts):
        # An existing item may have a reserved name. The run keeps the item and does not fail.
        with suppress(AssetOverwriteError):
            if key not in wanted_keys:
                planner.document(f"item '{key.id}'", document_path(key))
    for entry in wanted:
        yield _prepare_item(changes, entry, storage, planner, collections)


def _prepare_item(
    changes: ChangeSet,
    wanted: WantedItem,
    storage: MirrorStorage,
    planner: Planner[Location],
    collections: set[str],
) -> Prepared:
    source, key = changes.document(wanted), wanted.key
    try:
        item = item_of(source.document, source.base)
        for path in documents_of(key):
            if path in changes.foreign:
                raise foreign_error(storage.directory / path)
        _reserve_collection(planner, key.collection, collections)
        document = planner.document(owner_name(item), document_path(key))
        planned = [
            _with_existing_file(entry, changes, storage, wanted, source)
            for entry in planner.assets(item, item_folder(key))
        ]
    except StacAssetError as error:
        if error.owner is None:
            error.owner = f"item '{key.id}'"
        failed = Failed(error.owner, "", error)
        return Prepared(wanted, _placeholder_item(source, key), (failed,), None, storage)
    return Prepared(wanted, item, tuple(planned), document, storage)


def _reserve_collection(
    planner: Planner[Location], name: str | None, collections: set[str]
) -> None:
    """Reserve the path of the document of a collection, once per collection."""
    if name is not None and name not in collections:
        planner.document(f"collection '{name}'", f"{collection_folder(name)}/{COLLECTION}")
        collections.add(name)


def _with_existing_file(
    entry: Transfer | Failed,
    changes: ChangeSet,
    storage: MirrorStorage,
    wanted: WantedItem,
    source: SourceDocument,
) -> Transfer | Failed:
    """Return the transfer, set to verify or replace a file that can be of another version."""
    if isinstance(entry, Failed) or _is_file_of_version(entry, changes, storage, wanted):
        return entry
    if _is_only_declared(entry, changes, wanted, source):
        return dataclasses.replace(entry, verify=True)
    return dataclasses.replace(entry, overwrite=True)


def _is_file_of_version(
    transfer: Transfer, changes: ChangeSet, storage: MirrorStorage, wanted: WantedItem
) -> bool:
    """Return whether an existing file of an asset is known to have the wanted version.

    If the item itself changed, an unchanged href is not sufficient.
    """
    row = _row_with_file(transfer, changes, wanted)
    if row is not None and wanted.version.has_same_asset(transfer.key, row.version):
        has_checksum = Multihash.parse(transfer.checksum) is not None
        if has_checksum or wanted.version.has_same_age(row.version):
            return True
    started = changes.state.started.get(wanted.key)
    if started is None or not is_same_download(started, wanted):
        return False
    # A file changed after the start has the started version or a later one.
    paths = [storage.path_of(candidate.path) for candidate in transfer.candidates]
    return all(storage.is_written_since(path, started.since, started.versions) for path in paths)


def _is_only_declared(
    transfer: Transfer, changes: ChangeSet, wanted: WantedItem, source: SourceDocument
) -> bool:
    """Return whether an asset differs only in a size or checksum that was not declared before.

    If the item itself changed, only a checksum shows that the file is the same.
    """
    row = _row_with_file(transfer, changes, wanted)
    if row is None:
        return False
    asset = source.document["assets"].get(transfer.key)
    has_checksum = Multihash.parse(transfer.checksum) is not None
    is_comparable = has_checksum or wanted.version.has_same_age(row.version)
    known = row.version.assets.get(transfer.key)
    return is_comparable and known in digests_of_undeclared(asset, source.base)


def _row_with_file(transfer: Transfer, changes: ChangeSet, wanted: WantedItem) -> IndexRow | None:
    """Return the row of an item, if the mirror has the planned file of an asset."""
    key, row = transfer.key, changes.state.rows.get(wanted.key)
    if row is None or key in row.failed or key in row.missing_files:
        return None
    name, _ = row.files.get(key, ("", None))
    has_name = any(os.path.basename(found.path) == name for found in transfer.candidates)
    return row if has_name else None


def is_same_download(started: StartedItem, wanted: WantedItem) -> bool:
    """Return whether an earlier run started to download the wanted version.

    Args:
        started: The item that the earlier run started.
        wanted: The item to download.
    """
    return wanted.version.is_included_in(started.version)


async def download_size(prepared: Prepared, clients: Clients | None, config: Config) -> int:
    """Return the number of bytes to download for an item, without assets of unknown size.

    Args:
        prepared: The item.
        clients: Clients to request the sizes that the item does not declare. None sends no request.
        config: The configuration, for the number of attempts.
    """
    missing = prepared.missing
    unknown = [transfer for transfer in missing if transfer.size is None]
    probes = await probe_all(unknown, clients, config) if unknown and clients else []
    reported = [probe.stat.size for probe in probes if probe.stat is not None]
    return sum(transfer.size or 0 for transfer in missing) + sum(size or 0 for size in reported)


def _placeholder_item(source: SourceDocument, key: Key) -> pystac.Item:
    """Return an item for the report on a document that is not a valid item."""
    item = pystac.Item(key.id, None, None, datetime.now(UTC), {}, collection=key.collection)
    item.set_self_href(source.base)
    return item
