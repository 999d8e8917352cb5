"""What a mirror searches for, checked before anything is asked."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stac_asset.errors import ConfigError
from stac_asset.mirror.search.window import Window, is_relative, window

_GEOMETRIES = {
    "Point",
    "MultiPoint",
    "LineString",
    "MultiLineString",
    "Polygon",
    "MultiPolygon",
    "GeometryCollection",
}
_PAGE_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What is searched for; every field narrows it down, and none is all that the source has.

    Raises:
        ConfigError: A field has a value that makes no sense; the text names it.
    """

    collections: tuple[str, ...] = ()
    """The ids of collections."""

    ids: tuple[str, ...] = ()
    """The ids of items."""

    bbox: tuple[float, ...] | None = None
    """West, south, east, north in degrees; or six numbers, with heights."""

    intersects: Mapping[str, Any] | None = None
    """A GeoJSON geometry."""

    datetime: str | None = None
    """A moment, an interval, or a relative window such as `last 10 days`."""

    overlap: str = "1 day"
    """How much earlier a relative window begins."""

    query: Mapping[str, Any] | None = None
    """A query of the STAC API's Query extension."""

    filter: str | Mapping[str, Any] | None = None
    """A CQL2 filter, as text or as JSON."""

    sortby: tuple[str, ...] = ()
    """Fields to sort by; a minus before one is descending."""

    page_size: int | None = None
    """How many items a page of results is asked to have."""

    def __post_init__(self) -> None:
        for name in ("collections", "ids", "sortby"):
            if not all(isinstance(value, str) and value.strip() for value in getattr(self, name)):
                raise ConfigError(f"search.{name} has an empty entry: remove it")
        if self.bbox is not None:
            _check_bbox(self.bbox)
        if self.intersects is not None:
            if self.bbox is not None:
                raise ConfigError("search.bbox and search.intersects exclude each other: set one")
            if self.intersects.get("type") not in _GEOMETRIES:
                kind = self.intersects.get("type")
                raise ConfigError(
                    f"search.intersects is no GeoJSON geometry: its type is {kind!r}, which "
                    "should be one such as 'Polygon'"
                )
        if isinstance(self.filter, str) and not self.filter.strip():
            raise ConfigError("search.filter is empty: leave it out")
        if self.page_size is not None and not 1 <= self.page_size <= _PAGE_MAX:
            raise ConfigError(
                f"search.page_size must be 1 to {_PAGE_MAX:,}, and not {self.page_size:,}"
            )
        self.window(dt.datetime.now(dt.UTC))

    @property
    def moves(self) -> bool:
        """Whether the window moves with the time, so that it can leave something behind."""
        return self.datetime is not None and is_relative(self.datetime)

    def window(self, now: dt.datetime, since: dt.datetime | None = None) -> Window:
        """Returns the span of time that is searched.

        Args:
            now: The moment of the search.
            since: Up to when everything was mirrored by an earlier run, if one is known.
        """
        return window(self.datetime, self.overlap, now, since)

    def digest(self, source: str) -> str:
        """Returns what tells this search from others, whenever it is made.

        Args:
            source: The unsigned href of the source.
        """
        fields: dict[str, Any] = {"source": source} | {
            name: value
            for name, value in asdict(self).items()
            if name not in ("sortby", "page_size", "overlap")
        }
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]

    def is_about(self, collection: str | None, item_id: str) -> bool:
        """Returns whether an item is one of those that are asked for by id and collection.

        Args:
            collection: The id of its collection, if it has one.
            item_id: Its id.
        """
        in_collection = not self.collections or collection in self.collections
        return in_collection and (not self.ids or item_id in self.ids)

    def covers(self, bbox: Sequence[float] | None) -> bool:
        """Returns whether an item may lie in the area, as far as its bounding box tells.

        Args:
            bbox: Its bounding box, if it has one: without, it lies nowhere.
        """
        area = self.bbox if self.bbox is not None else _bounds(self.intersects)
        if area is None:
            return True
        return bbox is not None and _overlap(_flat(area), _flat(bbox))


def _check_bbox(bbox: Sequence[float]) -> None:
    """Checks a bounding box.

    Raises:
        ConfigError: It is none.
    """
    if len(bbox) not in (4, 6):
        raise ConfigError(
            f"search.bbox must have four numbers (west, south, east, north) or six (with heights), "
            f"and has {len(bbox)}"
        )
    if not all(math.isfinite(value) for value in bbox):
        raise ConfigError("search.bbox must have finite numbers")
    west, south, east, north = _flat(bbox)
    if south > north:
        raise ConfigError(f"search.bbox has a south of {south:g} that is north of {north:g}")
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise ConfigError("search.bbox must be in degrees: -180 to 180, and -90 to 90")


def _flat(bbox: Sequence[float]) -> tuple[float, float, float, float]:
    half = len(bbox) // 2
    return bbox[0], bbox[1], bbox[half], bbox[half + 1]


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    if one[3] < other[1] or other[3] < one[1]:
        return False
    return any(
        west <= other_east and other_west <= east
        for west, east in _spans(one)
        for other_west, other_east in _spans(other)
    )


def _spans(bbox: tuple[float, ...]) -> list[tuple[float, float]]:
    """Returns the longitudes of a bounding box, which may cross the antimeridian."""
    west, east = bbox[0], bbox[2]
    return [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]


def _bounds(geometry: Mapping[str, Any] | None) -> tuple[float, ...] | None:
    """Returns the bounding box of a geometry, or None where it has no coordinates."""
    points: list[tuple[float, float]] = []
    waiting: list[Any] = [geometry]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += [value.get("coordinates"), value.get("geometries")]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            if len(value) >= 2 and all(isinstance(number, int | float) for number in value):
                points.append((float(value[0]), float(value[1])))
            else:
                waiting += value
    if not points:
        return None
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)
