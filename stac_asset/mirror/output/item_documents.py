"""Makes and writes the document of a mirrored item: its own state, and a part of the catalog."""

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
from stac_asset.mirror.state.index import stamp_of
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

STRUCTURE = frozenset({"self", "root", "parent", "collection"})
"""The relations that say where an item stands, which is another place in a mirror."""

_VERSION_EXTENSION = "https://stac-extensions.github.io/version/v1.2.0/schema.json"


def is_worth_writing(outcomes: Sequence[Outcome]) -> bool:
    """Returns whether there is anything of an item; if not, what was mirrored before stays.

    Args:
        outcomes: What became of its assets.
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
    """Writes the document of an item, removes the files that it no longer has, and returns its row.

    Args:
        prepared: The item; it has a place for its document.
        outcomes: What became of its assets.
        config: How it was downloaded.
        directory: The absolute path of the mirror.
        source: The href of the mirror's source, unsigned.
        before: What the mirror had of it.

    Raises:
        DestinationError: It cannot be written.
    """
    path = prepared.document
    assert path is not None, "what cannot be mirrored has no outcome that is worth writing"
    described = [_with_checksum(outcome) for outcome in outcomes]
    document = document_of(rewrite(prepared.item, described, config, path))
    document["properties"].pop(REMOVED, None)  # The source may be a mirror, too.
    failed = [outcome.key for outcome in outcomes if isinstance(outcome, Failed)]
    *others, derived_from = [link for link in document["links"] if link["rel"] not in STRUCTURE]
    derived_from |= {SOURCE: source, VERSION: prepared.wanted.version.to_dict()}
    if failed:
        derived_from[FAILED] = failed
    structure = _structure(path, directory, prepared.wanted.key.collection)
    document["links"] = [*structure, *others, derived_from]
    row = _write(document, path, directory)
    _remove_files(path, before, keep={name for name, _ in row.files.values()}, failed=failed)
    return row


def mark_removed(row: IndexRow, directory: Path, now: datetime) -> IndexRow:
    """Writes into an item's document that it has left the source, and returns its new row.

    Args:
        row: The item.
        directory: The absolute path of the mirror.
        now: When that was seen.

    Raises:
        SourceError: Its document cannot be read.
        DestinationError: It cannot be written.
    """
    path = directory / row.document
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from None
    document["properties"] |= {REMOVED: rfc3339(now), "deprecated": True}
    known = document.get("stac_extensions") or []
    if not any("/version/v" in str(uri) for uri in known):
        document["stac_extensions"] = [*known, _VERSION_EXTENSION]
    return _write(document, path, directory)


def _structure(path: Path, directory: Path, collection: str | None) -> list[dict[str, Any]]:
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
    row = index_row(document, path.relative_to(directory).as_posix(), stamp_of(path))
    assert row is not None, "the document has what makes a row"
    return row


def _with_checksum(outcome: Outcome) -> Outcome:
    """Returns an outcome that knows the checksum of its file, which a skip need not."""
    if not isinstance(outcome, Skipped) or outcome.checksum is not None:
        return outcome
    code, running = new_hash()
    stated = Multihash.parse(outcome.transfer.checksum) or Multihash(code, running.digest())
    digest = file_digest(Path(outcome.candidate.path), stated)
    return dataclasses.replace(outcome, checksum=str(Multihash(stated.code, digest)))


def _remove_files(
    document: Path, before: IndexRow | None, keep: set[str], failed: Iterable[str]
) -> None:
    """Removes the files of assets that an item no longer has; those that failed are tried again."""
    if before is None:
        return
    for key, (name, _) in before.files.items():
        if name not in keep and key not in failed and name != document.name:
            document.with_name(name).unlink(missing_ok=True)
