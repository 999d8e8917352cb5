"""Rewrites the documents of items with changed metadata, without downloads.

The files of such an item are complete, and belong to the same version of each asset.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from stac_asset.config import Config
from stac_asset.errors import SourceError
from stac_asset.mirror.output.item_documents import item_document, write_row
from stac_asset.mirror.planning import Prepared
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.stac.json_text import loads
from stac_asset.types import Candidate, Skipped, Transfer


def updated_document(
    prepared: Prepared, row: IndexRow, config: Config, storage: MirrorStorage, source: str
) -> dict[str, Any] | None:
    """Return the new document of an item with the files of the mirrored item.

    Args:
        prepared: The item of the source, which has a path for its document.
        row: Row of the mirrored item, whose files are complete.
        config: The configuration of the downloads.
        storage: The files of the mirror.
        source: The href of the mirror's source, unsigned.

    Returns:
        The document, or None if only links would change.

    Raises:
        SourceError: The mirrored document cannot be read, or the new one cannot be written.
    """
    path = prepared.document
    assert path is not None, "an item without a document path has no document"
    data = storage.read(row.document)
    try:
        before: dict[str, Any] = loads(data or b"", str(path))
        outcomes = _kept_files(prepared, row, before["assets"], storage)
    except (ValueError, LookupError, TypeError) as error:
        raise SourceError(f"item document '{path}' cannot be read: {error}") from None
    keys = {outcome.transfer.key for outcome in outcomes}
    version = prepared.wanted.version.merged_into(row.version, keys)
    former = {name for name, _ in row.files.values()}
    former -= {os.path.basename(outcome.candidate.path) for outcome in outcomes}
    others = former.union(row.other_files)
    document = item_document(prepared, outcomes, config, storage, source, version, others)
    return document if _without_links(document) != _without_links(before) else None


def write_metadata(
    document: dict[str, Any], prepared: Prepared, storage: MirrorStorage
) -> IndexRow:
    """Write a document of `updated_document`, and return the item's row.

    Args:
        document: The document.
        prepared: The item.
        storage: The files of the mirror.

    Raises:
        DestinationError: The document cannot be written.
    """
    row = write_row(document, prepared.wanted.key, storage)
    return dataclasses.replace(row, source_digest=prepared.wanted.digest_for(row.version))


def _kept_files(
    prepared: Prepared, row: IndexRow, assets: dict[str, Any], storage: MirrorStorage
) -> list[Skipped]:
    """Return the outcomes of assets that the mirrored item has and the source still has."""
    assert prepared.document is not None, "`updated_document` checks the path"
    outcomes = []
    for key, (name, size) in row.files.items():
        asset = prepared.item.assets.get(key)
        if asset is None:
            continue
        path = prepared.document.with_name(name)
        candidate = Candidate(asset.href, str(path))
        transfer = Transfer(prepared.item.id, key, (candidate,), str(storage.directory))
        checksum = assets[key].get("file:checksum")
        stamp = storage.stamp(storage.path_of(str(path))) if size is None else None
        size = stamp[1] if stamp is not None else size
        if size is None:
            raise ValueError(f"the file '{name}' is missing")
        outcomes.append(Skipped(transfer, candidate, size, checksum))
    return outcomes


def _without_links(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document without links, which differ from request to request on some servers."""
    return {name: value for name, value in document.items() if name != "links"}
