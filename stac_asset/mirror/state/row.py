"""Rows of a mirror's index, with the facts of item documents that later runs need.

A row is stored as a line of JSON. Earlier releases also stored the path of the document.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from sys import intern
from typing import Any, NamedTuple

import orjson

from stac_asset.hrefs import unquoted_name
from stac_asset.mirror.layout import (
    FAILED,
    OTHER_FILES,
    REMOVED,
    SOURCE,
    VERSION,
    document_path,
    is_file_name,
)
from stac_asset.mirror.search.window import rfc3339, span_of
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.version import Version
from stac_asset.mirror.storage.interface import Stamp
from stac_asset.rewrite.serialize import json_bytes
from stac_asset.stac.geometry import bbox_of
from stac_asset.stac.json_text import loads


@dataclass(frozen=True, slots=True)
class IndexRow:
    """An item in a mirror."""

    key: Key
    """Collection and id of the item."""

    document_stamp: Stamp
    """Version and size in bytes of the document."""

    source: str
    """Unsigned href of the item's source."""

    version: Version
    """Version of the item at the source."""

    failed: tuple[str, ...] = ()
    """Keys of assets that failed to download."""

    files: Mapping[str, tuple[str, int | None]] = field(default_factory=dict)
    """Name and size in bytes of each asset's file, by asset key."""

    other_files: tuple[str, ...] = ()
    """Names of files of the item that the document does not reference. See `layout.OTHER_FILES`."""

    bbox: list[float] | None = None
    """Bounding box of the item, as in GeoJSON."""

    span: tuple[str | None, str | None] = (None, None)
    """First and last time of the item (RFC 3339)."""

    removed: bool = False
    """Whether the document is marked as removed from the source."""

    checked: bool = False
    """Whether no file is empty or a web page in place of data. See `stored_files`."""

    source_digest: int | None = field(default=None, compare=False)
    """Digest of the item at the source, if the row was compared as a whole. See `source_digest`."""

    missing_files: tuple[str, ...] = ()
    """Keys of assets with a missing or unusable file, or a file of another size. Not stored."""

    @property
    def document(self) -> str:
        """Path of the item's document, relative to the mirror directory, with slashes."""
        return document_path(self.key)

    def to_line(self) -> bytes:
        """Return the row in the form that the index stores, without the end of the line."""
        fields = {
            "collection": self.key.collection,
            "id": self.key.id,
            "stamp": self.document_stamp,
            "source": self.source,
            "version": self.version.to_dict(),
            "failed": self.failed,
            "files": self.files,
            "other_files": self.other_files,
            "bbox": self.bbox,
            "span": self.span,
            "removed": self.removed,
            "checked": self.checked,
            "source_digest": f"{self.source_digest:016x}"
            if self.source_digest is not None
            else None,
        }
        stored = {name: value for name, value in fields.items() if value not in (None, (), False)}
        try:
            return bytes(memoryview(orjson.dumps(stored)))  # The result itself occupies 4 KB.
        except TypeError:  # Half of a surrogate pair, or an integer of more than 64 bits.
            return json_bytes(stored, indent=None)

    @classmethod
    def from_line(
        cls, line: bytes, key: Key | None = None, missing_files: tuple[str, ...] = ()
    ) -> IndexRow:
        """Return a stored row.

        Args:
            line: A line of the index.
            key: Key of the item, if known.
            missing_files: Keys of assets with a missing or unusable file.

        Raises:
            ValueError: The line is not a row.
        """
        fields = _fields_of(line)
        try:
            digest = fields.get("source_digest")
            version, size = fields["stamp"]
            start, end = fields["span"]
            collection = fields.get("collection")
            return cls(
                key=key or Key(intern(collection) if collection else None, fields["id"]),
                document_stamp=(version, size),
                source=intern(fields["source"]),
                version=Version.from_dict(fields["version"]),
                failed=tuple(fields.get("failed", ())),
                files={key: (name, size) for key, (name, size) in fields["files"].items()},
                other_files=tuple(filter(is_file_name, fields.get("other_files", ()))),
                bbox=fields.get("bbox"),
                span=(start, end),
                removed=fields.get("removed", False),
                checked=fields.get("checked", False),
                source_digest=int(digest, 16) if digest is not None else None,
                missing_files=missing_files,
            )
        except (KeyError, TypeError, AttributeError):
            raise ValueError("Line of the index has a missing or invalid field") from None


class RowFacts(NamedTuple):
    """The facts of a row that each run reads. An `IndexRow` takes three times as long to read."""

    key: Key
    """Collection and id of the item."""

    document_stamp: tuple[Any, Any]
    """Version and size in bytes of the document."""

    source: str
    """Unsigned href of the item's source."""

    asset_keys: Set[str]
    """Keys of the assets of the version of the item."""

    files: Mapping[str, tuple[Any, Any]]
    """Name and size in bytes of each asset's file, by asset key."""

    is_whole: bool
    """Whether no asset failed, and the document is not marked as removed."""

    has_failed: bool
    """Whether assets failed to download."""

    checked: bool
    """Field `checked` of the row."""

    source_digest: int | None
    """Digest of the item at the source, if known."""

    @classmethod
    def from_line(cls, line: bytes) -> RowFacts:
        """Return the facts of a stored row, of which `IndexRow.from_line` returns the whole.

        Args:
            line: A line of the index.

        Raises:
            ValueError: The line is not a row.
        """
        fields = _fields_of(line)
        try:
            digest, collection = fields.get("source_digest"), fields.get("collection")
            failed = bool(fields.get("failed"))
            version, size = fields["stamp"]
            _, _ = fields["span"]
            files = fields["files"]
            for _, _ in files.values():
                pass
            assets = fields["version"]["assets"]
            "".join(assets.values())  # Raises TypeError for a value that is not a text.
            return cls(
                Key(intern(collection) if collection else None, fields["id"]),
                (version, size),
                intern(fields["source"]),
                assets.keys(),
                files,
                not failed and not fields.get("removed", False),
                failed,
                fields.get("checked", False),
                int(digest, 16) if digest is not None else None,
            )
        except (KeyError, TypeError, AttributeError):
            raise ValueError("Line of the index has a missing or invalid field") from None


class RowChange(NamedTuple):
    """A change of a row during a run."""

    before: IndexRow | None
    """The row that the run read, if any."""

    after: IndexRow | None
    """The new row. None for a removed row."""


def index_row(document: Any, stamp: Stamp, folder: str = "") -> IndexRow | None:
    """Return the row of an item document that a mirror wrote. Other documents have no row.

    Args:
        document: The parsed document, of any shape.
        stamp: Version and size in bytes of the document.
        folder: The location of the folder of the document, for absolute hrefs.
    """
    links = document.get("links") if isinstance(document, dict) else None
    mirror_links = [link for link in _list_of(links) if isinstance(link, dict) and SOURCE in link]
    if not mirror_links or not isinstance(document.get("id"), str):
        return None
    derived_from = mirror_links[-1]
    try:
        version = Version.from_dict(derived_from.get(VERSION))
    except ValueError:
        return None
    collection, failed = document.get("collection"), derived_from.get(FAILED, ())
    properties = document.get("properties")
    start, end = span_of(document)
    return IndexRow(
        key=Key(collection if isinstance(collection, str) else None, document["id"]),
        document_stamp=stamp,
        source=str(derived_from[SOURCE]),
        version=version,
        failed=tuple(key for key in _list_of(failed) if isinstance(key, str)),
        files=asset_files(document.get("assets"), folder),
        other_files=tuple(filter(is_file_name, _list_of(derived_from.get(OTHER_FILES)))),
        bbox=bbox_of(document),
        span=(rfc3339(start) if start else None, rfc3339(end) if end else None),
        removed=isinstance(properties, dict) and REMOVED in properties,
    )


def _list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def asset_files(assets: Any, folder: str = "") -> dict[str, tuple[str, int | None]]:
    """Return the name and size in bytes of the asset files in a document's own folder.

    A mirror never changes or removes other files.

    Args:
        assets: The assets of a document, of any shape.
        folder: The location of the folder, for absolute hrefs.
    """
    files: dict[str, tuple[str, int | None]] = {}
    for key, asset in assets.items() if isinstance(assets, dict) else ():
        href = asset.get("href") if isinstance(asset, dict) else None
        if not isinstance(href, str):
            continue
        if href.startswith("./"):
            name = unquoted_name(href[2:])
        elif folder and href.startswith(f"{folder}/"):
            name = href[len(folder) + 1 :]
        else:
            continue
        size = asset.get("file:size")
        if is_file_name(name):
            files[key] = (name, size if type(size) is int else None)
    return files


def _fields_of(line: bytes) -> Any:
    """Return the fields of a line.

    orjson reads an integer of more than 64 bits as a float. In a row, only a wrong size can be one,
    and `loads`, which checks for such integers, takes a third longer.
    """
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return loads(line)  # The line may have half of a surrogate pair.
