"""One item of a mirror, as its own document says it, in a form that is compact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from stac_asset.mirror.search.extent import bbox_of, span_of
from stac_asset.mirror.search.window import rfc3339
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.layout import FAILED, REMOVED, SOURCE, VERSION
from stac_asset.mirror.state.version import Version


@dataclass(slots=True)
class IndexRow:
    """An item that a mirror has."""

    key: Key
    document: str
    """The path of its document, relative to the directory, with slashes."""

    stamp: tuple[int, int]
    """When the document was changed, in nanoseconds of the epoch, and its bytes."""

    source: str
    """The href of the source that it is from."""

    version: Version
    failed: tuple[str, ...] = ()
    """The keys of assets that could not be downloaded."""

    files: Mapping[str, tuple[str, int | None]] = field(default_factory=dict)
    """The name and the bytes of the file of each asset, by its key."""

    bbox: list[float] | None = None
    span: tuple[str | None, str | None] = (None, None)
    """Its first and last moment (RFC 3339)."""

    removed: bool = False
    """Whether it is marked as one that has left the source."""

    lost: tuple[str, ...] = ()
    """The keys of assets whose file is not there, or has another size."""

    def to_dict(self) -> dict[str, Any]:
        """Returns it as a row of the index."""
        fields = {
            "collection": self.key.collection,
            "id": self.key.id,
            "document": self.document,
            "stamp": self.stamp,
            "source": self.source,
            "version": self.version.to_dict(),
            "failed": self.failed,
            "files": self.files,
            "bbox": self.bbox,
            "span": self.span,
            "removed": self.removed,
        }
        return {name: value for name, value in fields.items() if value not in (None, (), False)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> IndexRow:
        """Returns what stands in a row of the index.

        Args:
            fields: What `to_dict` gave.

        Raises:
            KeyError: A field is missing.
            TypeError: A field is something else.
            ValueError: A field is something else.
        """
        changed, size = fields["stamp"]
        start, end = fields["span"]
        return cls(
            key=Key(fields.get("collection"), fields["id"]),
            document=fields["document"],
            stamp=(changed, size),
            source=fields["source"],
            version=Version.from_dict(fields["version"]),
            failed=tuple(fields.get("failed", ())),
            files={key: (name, size) for key, (name, size) in fields["files"].items()},
            bbox=fields.get("bbox"),
            span=(start, end),
            removed=fields.get("removed", False),
        )


def index_row(document: Any, path: str, stamp: tuple[int, int]) -> IndexRow | None:
    """Returns the row of an item's document, or None where it is none that a mirror wrote.

    Args:
        document: The parsed document, of any shape.
        path: Its path, relative to the directory.
        stamp: When it was changed, and its bytes.
    """
    links = document.get("links") if isinstance(document, dict) else None
    mine = [link for link in _listed(links) if isinstance(link, dict) and SOURCE in link]
    if not mine or not isinstance(document.get("id"), str):
        return None
    try:
        version = Version.from_dict(mine[-1].get(VERSION))
    except ValueError:
        return None
    collection, failed = document.get("collection"), mine[-1].get(FAILED, ())
    properties = document.get("properties")
    start, end = span_of(document)
    return IndexRow(
        key=Key(collection if isinstance(collection, str) else None, document["id"]),
        document=path,
        stamp=stamp,
        source=str(mine[-1][SOURCE]),
        version=version,
        failed=tuple(key for key in _listed(failed) if isinstance(key, str)),
        files=_files(document.get("assets")),
        bbox=bbox_of(document),
        span=(rfc3339(start) if start else None, rfc3339(end) if end else None),
        removed=isinstance(properties, dict) and REMOVED in properties,
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _files(assets: Any) -> dict[str, tuple[str, int | None]]:
    """Returns the files that lie beside the document: no other file is the mirror's to touch."""
    files: dict[str, tuple[str, int | None]] = {}
    for key, asset in assets.items() if isinstance(assets, dict) else ():
        href = asset.get("href") if isinstance(asset, dict) else None
        if not isinstance(href, str) or not href.startswith("./"):
            continue
        name, size = href[2:], asset.get("file:size")
        if PurePosixPath(name).name == name and name not in ("", "..", "."):
            files[key] = (name, size if type(size) is int else None)
    return files
