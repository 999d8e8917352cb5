"""Writes the documents of mirrored items.

An item document is a part of the static catalog. It also holds the state that later runs need:
source, version and failed assets.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from stac_asset.config import Config
from stac_asset.destinations.local.digest import file_digest
from stac_asset.destinations.local.documents import write_document
from stac_asset.errors import SourceError
from stac_asset.hrefs import relative_href
from stac_asset.integrity import Multihash, new_hash
from stac_asset.mirror.planning import Prepared
from stac_asset.mirror.search.window import rfc3339
from stac_asset.mirror.state.index import document_stat
from stac_asset.mirror.state.layout import (
    CATALOG,
    COLLECTION,
    FAILED,
    REMOVED,
    SOURCE,
    VERSION,
    collection_folder,
)
from stac_asset.mirror.state.row import IndexRow, index_row
from stac_asset.rewrite.rewriter import rewrite
from stac_asset.rewrite.serialize import document_of, json_bytes
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
    directory: Path,
    source: str,
    before: IndexRow | None,
) -> IndexRow:
    """Write the document of an item, remove files of former assets, and return the item's row.

    Args:
        prepared: The item, which has a path for its document.
        outcomes: Outcomes of the item's assets.
        config: The configuration of the downloads.
        directory: The absolute path of the mirror.
        source: The href of the mirror's source, unsigned.
        before: Row of the item before the run, if any.

    Raises:
        DestinationError: The document cannot be written.
    """
    path = prepared.document
    assert path is not None, "an item without a document path must not be written"
    with_checksums = [_with_checksum(outcome) for outcome in outcomes]
    document = document_of(rewrite(prepared.item, with_checksums, config, path))
    document["properties"].pop(REMOVED, None)  # The source can be a mirror itself.
    failed = [outcome.key for outcome in outcomes if isinstance(outcome, Failed)]
    # `rewrite` adds the `derived_from` link after all other links but `self`.
    *others, derived_from = [
        link for link in document["links"] if link["rel"] not in _STRUCTURAL_RELATIONS
    ]
    derived_from |= {SOURCE: source, VERSION: prepared.wanted.version.to_dict()}
    if failed:
        derived_from[FAILED] = failed
    structural_links = _structural_links(path, directory, prepared.wanted.key.collection)
    document["links"] = [*structural_links, *others, derived_from]
    row = _write(document, path, directory)
    _remove_files(path, before, keep={name for name, _ in row.files.values()}, failed=failed)
    return row


def mark_removed(row: IndexRow, directory: Path, now: datetime) -> IndexRow:
    """Mark an item as removed in the item's document, and return the new row.

    Args:
        row: The item.
        directory: The absolute path of the mirror.
        now: Time of the run.

    Raises:
        SourceError: The document cannot be read.
        DestinationError: The document cannot be written.
    """
    path = directory / row.document
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SourceError(f"Item document '{path}' cannot be read: {error}") from None
    document["properties"] |= {REMOVED: rfc3339(now), "deprecated": True}
    known = document.get("stac_extensions") or []
    if not any("/version/v" in str(uri) for uri in known):
        document["stac_extensions"] = [*known, _VERSION_EXTENSION]
    return _write(document, path, directory)


def _structural_links(path: Path, directory: Path, collection: str | None) -> list[dict[str, Any]]:
    """Return the links of an item to the root, the parent and, if any, the collection."""
    root = relative_href(directory / CATALOG, path)
    links = [{"rel": "root", "href": root, "type": "application/json"}]
    if collection is None:
        return [*links, {"rel": "parent", "href": root, "type": "application/json"}]
    parent = relative_href(directory / collection_folder(collection) / COLLECTION, path)
    return links + [
        {"rel": rel, "href": parent, "type": "application/json"} for rel in ("parent", "collection")
    ]


def _write(document: dict[str, Any], path: Path, directory: Path) -> IndexRow:
    write_document(path, json_bytes(document), directory)
    row = index_row(document, path.relative_to(directory).as_posix(), document_stat(path))
    assert row is not None, "a document written here has all fields of a row"
    return row


def _with_checksum(outcome: Outcome) -> Outcome:
    """Return the outcome with a checksum. For a skipped file, compute the checksum if missing."""
    if not isinstance(outcome, Skipped) or outcome.checksum is not None:
        return outcome
    code, default = new_hash()
    template = Multihash.parse(outcome.transfer.checksum) or Multihash(code, default.digest())
    digest = file_digest(Path(outcome.candidate.path), template)
    return dataclasses.replace(outcome, checksum=str(Multihash(template.code, digest)))


def _remove_files(
    document: Path, before: IndexRow | None, keep: set[str], failed: Iterable[str]
) -> None:
    """Remove the files of former assets. Files of failed assets are kept, and retried later."""
    if before is None:
        return
    for key, (name, _) in before.files.items():
        if name not in keep and key not in failed and name != document.name:
            document.with_name(name).unlink(missing_ok=True)
