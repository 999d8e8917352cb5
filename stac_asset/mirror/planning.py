"""Plans the files of the items that a run takes, and how much of it fits into its limits."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pystac

from stac_asset.clients.registry import Clients
from stac_asset.config import Config
from stac_asset.errors import AssetOverwriteError, StacAssetError
from stac_asset.integrity import Multihash
from stac_asset.mirror.changes import ChangeSet, WantedItem
from stac_asset.mirror.source_item import Found, Key
from stac_asset.mirror.state.index import Begun
from stac_asset.mirror.state.layout import (
    COLLECTION,
    RESERVED,
    collection_folder,
    document_of,
    folder_of,
)
from stac_asset.plan.planner import Planner, owner_name
from stac_asset.stac.parse import item_of
from stac_asset.transfer.probe import probe_all
from stac_asset.types import Failed, Transfer


@dataclass(frozen=True, slots=True)
class Prepared:
    """An item of which is decided what to download."""

    wanted: WantedItem
    item: pystac.Item
    planned: tuple[Transfer | Failed, ...]
    document: Path | None
    """Where its document goes; None where it cannot be mirrored, and the plan says why."""

    @property
    def missing(self) -> list[Transfer]:
        """What has to be fetched, as far as the disk tells."""
        return [
            entry
            for entry in self.planned
            if isinstance(entry, Transfer)
            and (entry.overwrite or not any(os.path.lexists(c.path) for c in entry.candidates))
        ]


def prepare(
    night: ChangeSet,
    wanted: Iterable[WantedItem],
    directory: Path,
    config: Config,
    stay: Iterable[Key],
) -> Iterator[Prepared]:
    """Yields items with what is to be downloaded of them.

    An item that cannot be mirrored is yielded with the error that says why, and holds nothing
    back.

    Args:
        night: What there is to do.
        wanted: The items.
        directory: The directory of the mirror.
        config: The configuration.
        stay: The items that the mirror has already, whose files are theirs.
    """
    planner = Planner(directory, config)
    wanted = list(wanted)
    for name, owner in RESERVED.items():
        planner.document(owner, name)
    collections: set[str] = set()
    taken = {entry.key for entry in wanted}
    for key in stay:
        # One that has such a name all the same is there already, and holds nothing back.
        with suppress(AssetOverwriteError):
            if key not in taken:
                _take_collection(planner, key, collections)
                planner.document(f"item '{key.id}'", document_of(key))
    for entry in wanted:
        yield _prepared(night, entry, planner, collections)


def _prepared(
    night: ChangeSet, wanted: WantedItem, planner: Planner, collections: set[str]
) -> Prepared:
    found, key = night.document(wanted), wanted.key
    try:
        item = item_of(found.document, found.base)
        _take_collection(planner, key, collections)
        document = planner.document(owner_name(item), document_of(key))
        planned = [_checked(entry, night, wanted) for entry in planner.assets(item, folder_of(key))]
    except StacAssetError as error:
        if error.owner is None:
            error.owner = f"item '{key.id}'"
        return Prepared(wanted, _stand_in(found, key), (Failed(error.owner, "", error),), None)
    return Prepared(wanted, item, tuple(planned), document)


def _take_collection(planner: Planner, key: Key, collections: set[str]) -> None:
    if key.collection is not None and key.collection not in collections:
        path = f"{collection_folder(key.collection)}/{COLLECTION}"
        planner.document(f"collection '{key.collection}'", path)
        collections.add(key.collection)


def _checked(entry: Transfer | Failed, night: ChangeSet, wanted: WantedItem) -> Transfer | Failed:
    """Returns a transfer that does not take a file of another version for its own."""
    if isinstance(entry, Failed) or is_of_version(entry, night, wanted):
        return entry
    return dataclasses.replace(entry, overwrite=True)


def is_of_version(transfer: Transfer, night: ChangeSet, wanted: WantedItem) -> bool:
    """Returns whether the file of an asset, if it is there, is known to be of the wanted version.

    That the href is the same does not tell, where the source says that the item changed.

    Args:
        transfer: The asset.
        night: What the mirror has.
        wanted: The item.
    """
    key, row = transfer.key, night.state.rows.get(wanted.key)
    digest = wanted.version.assets.get(key)
    if row is not None and key not in row.failed and key not in row.lost:
        same = digest is not None and row.version.assets.get(key) == digest
        stated = Multihash.parse(transfer.checksum) is not None
        if same and (stated or wanted.version.says_as(row.version)):
            return True
    begun = night.state.begun.get(wanted.key)
    if begun is None or not is_same_download(begun, wanted):
        return False
    # Whoever wrote it after the beginning wrote this version, or a later one.
    return all(_changed_at(candidate.path) >= begun.since for candidate in transfer.candidates)


def is_same_download(begun: Begun, wanted: WantedItem) -> bool:
    """Returns whether an earlier run began to download the very version that is wanted.

    Args:
        begun: What it began.
        wanted: What is wanted now.
    """
    return wanted.version.is_of(begun.version)


async def bytes_of(prepared: Prepared, clients: Clients | None, config: Config) -> int:
    """Returns how many bytes there are to download of an item, as far as anybody says.

    Args:
        prepared: The item.
        clients: Asks the sources of assets whose size the item does not say; None asks nobody.
        config: How often to ask.
    """
    missing = prepared.missing
    unknown = [transfer for transfer in missing if transfer.size is None]
    findings = await probe_all(unknown, clients, config) if unknown and clients else []
    asked = [found.stat.size for found in findings if found.stat is not None]
    return sum(transfer.size or 0 for transfer in missing) + sum(size or 0 for size in asked)


def _changed_at(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except (OSError, ValueError):
        return float("inf")  # What is not there is of no other version.


def _stand_in(found: Found, key: Key) -> pystac.Item:
    """Returns an item to report on, for a document that is none."""
    item = pystac.Item(key.id, None, None, datetime.now(UTC), {}, collection=key.collection)
    item.set_self_href(found.base)
    return item
