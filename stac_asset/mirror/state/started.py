"""The list of items that a run of a mirror has started and not completed.

The list is written before the first file of an item. It names each file that the run may write, so
that a later run can resume or remove the files of a run that failed or was killed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stac_asset.mirror.layout import STARTED, is_file_name
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.lines import blocks_of_lines
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.state.version import Version
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.rewrite.serialize import json_bytes
from stac_asset.stac.json_text import loads


@dataclass(frozen=True, slots=True)
class StartedItem:
    """An item with a started download that is not known to be complete."""

    version: Version
    """Version of the item at the source."""

    since: float
    """Start of the download, in seconds since the epoch.

    Files changed later have this version or a later version.
    """

    search: str
    """Digest of the search that found the item."""

    source: str | None = None
    """Unsigned href of the item's source. Unset for items of releases without this field."""

    failed: bool = False
    """Whether the download ended with an error. False after a run that was killed."""

    files: frozenset[str] | None = None
    """Names of the files in the item's folder that belong to the item.

    Includes files of earlier versions, and files that were not written yet. None for items of a
    release that did not record the files.
    """

    versions: Mapping[str, str] | None = None
    """Versions of the files in the folder at the start, by name. Unset in a local directory."""


def recorded_files(row: IndexRow | None, started: StartedItem | None) -> frozenset[str]:
    """Return the names of all files in an item's folder that the mirror wrote for the item.

    Args:
        row: Row of the item, if the mirror has a document.
        started: Entry of the item in the list of started items, if any.
    """
    names = set(started.files or ()) if started is not None else set()
    if row is not None:
        names.update(name for name, _ in row.files.values())
        names.update(row.other_files)
    return frozenset(names)


def read_started(storage: MirrorStorage) -> dict[Key, StartedItem]:
    """Return the list of started items. Invalid lines are skipped.

    Args:
        storage: The files of the mirror.
    """
    started = {}
    for text in storage.lines(STARTED):
        try:
            line = loads(text)
            version = Version.from_dict(line["version"])
            since, failed = float(line["since"]), line.get("failed") is True
            files, versions = line.get("files"), line.get("versions")
            entry = StartedItem(
                version,
                since,
                str(line["search"]),
                str(line["source"]) if "source" in line else None,
                failed,
                frozenset(filter(is_file_name, files)) if isinstance(files, list) else None,
                versions if isinstance(versions, dict) else None,
            )
            started[Key(line["collection"], str(line["id"]))] = entry
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
    return started


def write_started(storage: MirrorStorage, started: Mapping[Key, StartedItem]) -> None:
    """Write the list of started items, or remove the list if no item is started.

    Args:
        storage: The files of the mirror.
        started: The started items.

    Raises:
        DestinationError: The list cannot be written.
    """
    if not started:
        storage.remove_document(STARTED)
        return
    lines = (json_bytes(_line(key, entry), indent=None) for key, entry in started.items())
    storage.write_blocks(STARTED, blocks_of_lines(lines))


def _line(key: Key, entry: StartedItem) -> dict[str, Any]:
    line: dict[str, Any] = {
        "collection": key.collection,
        "id": key.id,
        "since": entry.since,
        "search": entry.search,
        "failed": entry.failed,
        "version": entry.version.to_dict(),
    }
    if entry.source is not None:
        line["source"] = entry.source
    if entry.files is not None:
        line["files"] = sorted(entry.files)
    if entry.versions is not None:
        line["versions"] = dict(entry.versions)
    return line
