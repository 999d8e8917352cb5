"""Writes the documents of mirrored items.

An item document is a part of the static catalog. It also holds the state that later runs need:
source, version and failed assets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from stac_asset.config import Config
from stac_asset.destinations.location import Location
from stac_asset.errors import SourceError
from stac_asset.hrefs import relative_href
from stac_asset.integrity import Multihash, new_hash
from stac_asset.mirror.layout import (
    CATALOG,
    COLLECTION,
    FAILED,
    OTHER_FILES,
    REMOVED,
    SOURCE,
    VERSION,
    collection_folder,
    document_path,
    item_folder,
)
from stac_asset.mirror.output.item_files import remove_files
from stac_asset.mirror.planning import Prepared
from stac_asset.mirror.search.window import rfc3339
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.row import IndexRow, asset_files, index_row
from stac_asset.mirror.state.version import Version
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.rewrite.rewriter import rewrite
from stac_asset.rewrite.serialize import document_of, json_bytes
from stac_asset.stac.json_text import loads
from stac_asset.types import Failed, Outcome, Skipped

_STRUCTURAL_RELATIONS = frozenset({"self", "root", "parent", "collection"})
"""Relations of links that the mirror writes in place of those of the source."""

_VERSION_EXTENSION = "https://stac-extensions.github.io/version/v1.2.0/schema.json"


def should_write(outcomes: Sequence[Outcome]) -> bool:
    """Return whether to write the document of an item.

    If all assets failed, the document of an earlier run is kept.

    Args:
        outcomes: Outcomes of the item's assets.
    """
    return not outcomes or not all(isinstance(outcome, Failed) for outcome in outcomes)


def write_item(
    prepared: Prepared,
    outcomes: Sequence[Outcome],
    config: Config,
    storage: MirrorStorage,
    source: str,
    before: IndexRow | None,
    recorded: frozenset[str],
) -> IndexRow:
    """Write the document of an item, remove files of earlier versions, and return the item's row.

    Args:
        prepared: The item, which has a path for its document.
        outcomes: Outcomes of the item's assets.
        config: The configuration of the downloads.
        storage: The files of the mirror.
        source: The href of the mirror's source, unsigned.
        before: Row of the item before the run, if any.
        recorded: Names of all files that the mirror wrote for the item, including `before`.

    Raises:
        DestinationError: The document cannot be written, or a file cannot be removed.
    """
    assert prepared.document is not None, "an item without a document path must not be written"
    failed = [outcome.key for outcome in outcomes if isinstance(outcome, Failed)]
    kept = _files_of_failed_assets(prepared, failed, before, storage)
    document = item_document(
        prepared,
        [_with_checksum(outcome, storage) for outcome in outcomes],
        config,
        storage,
        source,
        prepared.wanted.version,
        kept,
    )
    row = write_row(document, prepared.wanted.key, storage)
    digest = prepared.wanted.digest_for(row.version)
    row = dataclasses.replace(row, checked=True, source_digest=digest)
    kept.intersection_update(row.other_files)
    named = kept.union(name for name, _ in row.files.values())
    remove_files(storage, row.document, recorded - named, kept - prepared.files.keys())
    return row


def item_document(
    prepared: Prepared,
    outcomes: Sequence[Outcome],
    config: Config,
    storage: MirrorStorage,
    source: str,
    version: Version,
    other_files: Collection[str] = (),
) -> dict[str, Any]:
    """Return the document of a mirrored item.

    Args:
        prepared: The item, which has a path for its document.
        outcomes: Outcomes of the item's assets.
        config: The configuration of the downloads.
        storage: The files of the mirror.
        source: The href of the mirror's source, unsigned.
        version: Version of the item at the source.
        other_files: Names of further files of the item in its folder.

    Raises:
        SourceError: The item cannot be copied.
    """
    path = prepared.document
    assert path is not None, "an item without a document path must not be written"
    document = document_of(rewrite(prepared.item, outcomes, config, path))
    document["properties"].pop(REMOVED, None)  # The source can be a mirror itself.
    # `rewrite` adds the `derived_from` link after all other links but `self`.
    *others, derived_from = [
        link for link in document["links"] if link["rel"] not in _STRUCTURAL_RELATIONS
    ]
    derived_from |= {SOURCE: source, VERSION: version.to_dict()}
    failed = [outcome.key for outcome in outcomes if isinstance(outcome, Failed)]
    if failed:
        derived_from[FAILED] = failed
    referenced = {name for name, _ in asset_files(document["assets"], str(path.parent)).values()}
    if unreferenced := set(other_files) - referenced:
        derived_from[OTHER_FILES] = sorted(unreferenced)
    structural_links = _structural_links(path, storage.directory, prepared.wanted.key.collection)
    document["links"] = [*structural_links, *others, derived_from]
    return document


def _files_of_failed_assets(
    prepared: Prepared, failed: Sequence[str], before: IndexRow | None, storage: MirrorStorage
) -> set[str]:
    """Return the names of files to keep for failed assets: earlier versions, and part files."""
    if not failed:
        return set()
    names = {name for name, key in prepared.files.items() if key in failed}
    if before is not None:
        folder = item_folder(before.key)
        earlier = {name for key, (name, _) in before.files.items() if key in failed}
        for name in earlier.union(before.other_files):
            if storage.exists(f"{folder}/{name}"):
                names.add(name)
    return names


def mark_removed(row: IndexRow, storage: MirrorStorage, now: datetime) -> IndexRow:
    """Mark an item as removed in the item's document, and return the new row.

    Args:
        row: The item.
        storage: The files of the mirror.
        now: Time of the run.

    Raises:
        SourceError: The document cannot be read.
        DestinationError: The document cannot be written.
    """
    path, data = storage.directory / row.document, storage.read(row.document)
    try:
        document = loads(data or b"", str(path))
    except ValueError as error:
        raise SourceError(f"Item document '{path}' cannot be read: {error}") from None
    document["properties"] |= {REMOVED: rfc3339(now), "deprecated": True}
    known = document.get("stac_extensions") or []
    if not any("/version/v" in str(uri) for uri in known):
        document["stac_extensions"] = [*known, _VERSION_EXTENSION]
    return dataclasses.replace(write_row(document, row.key, storage), checked=row.checked)


def _structural_links(
    path: Location, directory: Location, collection: str | None
) -> list[dict[str, Any]]:
    """Return the links of an item to the root, the parent and, if any, the collection."""
    root = relative_href(str(directory / CATALOG), str(path))
    links = [{"rel": "root", "href": root, "type": "application/json"}]
    if collection is None:
        return [*links, {"rel": "parent", "href": root, "type": "application/json"}]
    parent = relative_href(str(directory / collection_folder(collection) / COLLECTION), str(path))
    return links + [
        {"rel": rel, "href": parent, "type": "application/json"} for rel in ("parent", "collection")
    ]


def write_row(document: dict[str, Any], key: Key, storage: MirrorStorage) -> IndexRow:
    """Write the document of a mirrored item, and return the item's row.

    Args:
        document: The document.
        key: Key of the item.
        storage: The files of the mirror.

    Raises:
        DestinationError: The document cannot be written.
    """
    stamp = storage.write(document_path(key), json_bytes(document))
    row = index_row(document, stamp, str(storage.directory / item_folder(key)))
    assert row is not None, "a document written here has all fields of a row"
    return row


def _with_checksum(outcome: Outcome, storage: MirrorStorage) -> Outcome:
    """Return the outcome with a checksum. For a skipped file, compute the checksum if missing."""
    if not isinstance(outcome, Skipped) or outcome.checksum is not None:
        return outcome
    code, default = new_hash()
    template = Multihash.parse(outcome.transfer.checksum) or Multihash(code, default.digest())
    digest = storage.digest(storage.path_of(outcome.candidate.path), template)
    return dataclasses.replace(outcome, checksum=str(Multihash(template.code, digest)))
