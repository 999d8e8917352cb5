"""Internal: the item documents of a mirror in the form of a table, for GeoParquet files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import tee
from typing import Any

from stac_asset.errors import DestinationError
from stac_asset.hrefs import absolute_href, is_absolute, is_missing, relative_href
from stac_asset.mirror.layout import PARQUET
from stac_asset.mirror.output.column_types import ColumnTypes, name_of
from stac_asset.mirror.search.window import moment
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.notices import notice
from stac_asset.stac.geometry import without_heights
from stac_asset.stac.json_text import loads

_NO_GEOMETRY = f"Items without a valid geometry are not in {PARQUET}"
"""The notice for items that the file cannot have."""

_DATETIME_FIELDS = (
    "datetime",
    "start_datetime",
    "end_datetime",
    "created",
    "updated",
    "expires",
    "published",
    "unpublished",
)
"""Properties that stac-geoparquet stores in timestamp columns, which accept only valid times."""


@dataclass(frozen=True, slots=True)
class UnifiedItems:
    """Item documents of one table, with a common type for each field."""

    storage: MirrorStorage
    """The files of the mirror."""

    types: ColumnTypes
    """The types of the fields of all items."""

    invalid: frozenset[Key]
    """Items with an invalid geometry."""

    @classmethod
    def of(cls, storage: MirrorStorage, rows: Iterable[IndexRow]) -> UnifiedItems:
        """Return the common form of items, and record notices.

        Args:
            storage: The files of the mirror.
            rows: The items.

        Raises:
            DestinationError: A document cannot be read.
        """
        types, invalid = ColumnTypes(), set()
        for item in item_documents(storage, rows):
            if _is_valid_geometry(item["geometry"]):
                types.add(item)
            else:
                invalid.add(_key_of(item))
        for found in sorted(types.text_fields()):
            notice(
                f"Fields have several types, and are JSON text in {PARQUET}", f"'{name_of(found)}'"
            )
        return cls(storage, types, frozenset(invalid))

    def documents(self, rows: Iterable[IndexRow]) -> Iterator[dict[str, Any]]:
        """Yield the documents of some of the items.

        Args:
            rows: The items.

        Raises:
            DestinationError: A document cannot be read.
        """
        items = item_documents(self.storage, rows)
        return self.types.unified(item for item in items if _key_of(item) not in self.invalid)


def item_documents(storage: MirrorStorage, rows: Iterable[IndexRow]) -> Iterator[dict[str, Any]]:
    """Yield the item documents in the form of the table, with hrefs relative to the mirror.

    Items without a position or a geometry are left out, because stac-geoparquet requires both.

    Args:
        storage: The files of the mirror.
        rows: The items.

    Raises:
        DestinationError: A document cannot be read.
    """
    parquet = str(storage.directory / PARQUET)
    located, paths = tee(row for row in rows if row.bbox)
    documents = storage.read_all(row.document for row in paths)
    for row, (name, data) in zip(located, documents, strict=True):
        path = str(storage.directory / name)
        if data is None:
            raise DestinationError(f"Item document '{path}' cannot be read")
        document = loads(data, path)
        if not isinstance(document.get("geometry"), dict):
            notice(_NO_GEOMETRY, f"item '{row.key.id}'")
            continue
        assert row.bbox is not None, "only items with a position are written"
        # All boxes of a column have the same number of values.
        document["bbox"] = list(without_heights(row.bbox))
        properties = document["properties"]
        for name in properties.keys() & _DATETIME_FIELDS:
            # An invalid time in one item would make the whole table fail.
            when = moment(properties[name])
            properties[name] = when.isoformat() if when is not None else None
        document["links"] = [
            # The mirror fields differ in type from item to item, and a column has one type.
            {name: value for name, value in link.items() if not name.startswith("mirror:")}
            | {"href": _relative_to_parquet(link["href"], path, parquet)}
            for link in document["links"]
        ]
        for fields in (properties, *document["assets"].values()):
            if not isinstance(fields.get("proj:geometry", {}), dict):
                del fields["proj:geometry"]
        for asset in document["assets"].values():
            asset["href"] = _relative_to_parquet(asset["href"], path, parquet)
        yield document


def _relative_to_parquet(href: str, document: str, parquet: str) -> str:
    if is_absolute(href) or is_missing(href):
        return href
    return relative_href(absolute_href(href, document), parquet)


def _key_of(item: dict[str, Any]) -> Key:
    return Key(item.get("collection"), item["id"])


def _is_valid_geometry(geometry: Any) -> bool:
    import shapely.geometry

    try:
        shapely.to_wkb(shapely.geometry.shape(geometry))
    except Exception:  # The exceptions for malformed coordinates are not documented.
        notice(_NO_GEOMETRY)
        return False
    return True
