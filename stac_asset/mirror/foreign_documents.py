"""Internal: files of other programs at the paths of the documents of a mirror.

The catalog of another program is refused when the mirror is opened. The check of this module is for
the items that the mirror does not have yet, and for their collections.
"""

from __future__ import annotations

from collections.abc import Iterable

from stac_asset.mirror.changes import WantedItem
from stac_asset.mirror.layout import COLLECTION, collection_folder, document_path
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.index import MirrorState
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.notices import notice
from stac_asset.stac.foreign_documents import REPLACED, is_downloaded, is_foreign


def documents_of(key: Key) -> list[str]:
    """Return the paths of the documents of an item and its collection.

    Args:
        key: The key of the item.
    """
    collection = key.collection
    documents = [f"{collection_folder(collection)}/{COLLECTION}"] if collection is not None else []
    return [*documents, document_path(key)]


def foreign_documents(
    storage: MirrorStorage, state: MirrorState, wanted: Iterable[WantedItem]
) -> frozenset[str]:
    """Return the paths of files that are no STAC documents, and that the run would replace. Blocks.

    A STAC document that the run replaces, and that the mirror did not write, causes a notice.

    Args:
        storage: The files of the mirror.
        state: The state of the mirror. Documents that the mirror has are not checked.
        wanted: The items to download.

    Raises:
        DestinationError: The request failed.
    """
    # A document of the mirror can be damaged. Its item is downloaded again.
    new = [one.key for one in wanted if one.key not in state.rows and one.key not in state.changed]
    known = {f"{collection_folder(name)}/{COLLECTION}" for name in _collections(state)}
    paths = dict.fromkeys(path for key in new for path in documents_of(key) if path not in known)
    existing = filter(storage.is_listed, paths)
    own = {document_path(key) for key in state.started}
    foreign: set[str] = set()
    for path, data in storage.read_all(existing):
        if data is not None and is_foreign(data):
            foreign.add(path)
        elif data is not None and path not in own:
            location = storage.directory / path
            if not is_downloaded(data, location):
                notice(REPLACED, f"'{location}'")
    return frozenset(foreign)


def _collections(state: MirrorState) -> list[str]:
    """Return the ids of the collections of the mirror, whose documents the mirror wrote."""
    return [name for name, count in state.rows.collections.items() if name is not None and count]
