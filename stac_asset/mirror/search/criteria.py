"""Search criteria of a mirror, validated before any request is sent."""

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
from stac_asset.redact import quoted_list, shortened
from stac_asset.stac.geometry import GEOMETRY_TYPES, bounds_of, boxes_overlap, without_heights
from stac_asset.string_lists import string_list

_MAX_PAGE_SIZE = 10_000
"""Maximum value of `page_size`, as in the STAC API specification (parameter `limit`)."""

_MAX_LISTED = 5
"""Maximum number of ids in a description of the criteria."""

_MAX_SHOWN = 80
"""Maximum length of a value in a description of the criteria, in characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """Search criteria. Each field narrows the search. Without fields, all items match.

    Raises:
        ConfigError: A field is invalid; the message names the field.
    """

    collections: tuple[str, ...] = ()
    """Ids of collections."""

    ids: tuple[str, ...] = ()
    """Ids of items."""

    bbox: tuple[float, ...] | None = None
    """West, south, east and north in degrees, or six numbers with heights."""

    intersects: Mapping[str, Any] | None = None
    """A GeoJSON geometry."""

    datetime: str | None = None
    """A time, an interval, or a relative window such as `last 10 days`."""

    overlap: str = "1 day"
    """Extra time before a relative window."""

    query: Mapping[str, Any] | None = None
    """A query of the STAC API Query extension."""

    filter: str | Mapping[str, Any] | None = None
    """A CQL2 filter, as text or as JSON."""

    q: tuple[str, ...] = ()
    """Terms of a full-text search, of which an item must have at least one."""

    sortby: tuple[str, ...] = ()
    """Fields to sort by. A leading minus sorts in descending order."""

    page_size: int | None = None
    """Requested number of items per page of results."""

    def __post_init__(self) -> None:
        for name in ("collections", "ids", "q", "sortby"):
            values = tuple(string_list(f"search.{name}", getattr(self, name)))
            object.__setattr__(self, name, values)
            if not all(value.strip() for value in values):
                raise ConfigError(f"`search.{name}` has an empty entry. Remove the entry.")
        if self.bbox is not None:
            _check_bbox(self.bbox)
        if self.intersects is not None:
            if self.bbox is not None:
                raise ConfigError(
                    "`search.bbox` and `search.intersects` exclude each other. Set only one."
                )
            if not isinstance(self.intersects, Mapping):
                raise ConfigError(
                    "`search.intersects` must be a GeoJSON geometry as a dictionary, not "
                    f"{type(self.intersects).__name__}. Pass a dictionary."
                )
            if self.intersects.get("type") not in GEOMETRY_TYPES:
                kind = self.intersects.get("type")
                raise ConfigError(
                    f"`search.intersects` is not a GeoJSON geometry: its type is {kind!r}. Use a "
                    "geometry of a type such as 'Polygon'."
                )
        if isinstance(self.filter, str) and not self.filter.strip():
            raise ConfigError("`search.filter` is empty. Leave the parameter out.")
        if self.page_size is not None and not 1 <= self.page_size <= _MAX_PAGE_SIZE:
            raise ConfigError(
                f"`search.page_size` must be 1 to {_MAX_PAGE_SIZE:,}, and is {self.page_size:,}. "
                "Choose another size."
            )
        self.window(dt.datetime.now(dt.UTC))

    @property
    def is_relative(self) -> bool:
        """Whether the time window is relative to the run, so that runs can leave gaps."""
        return self.datetime is not None and is_relative(self.datetime)

    @property
    def accepts_all(self) -> bool:
        """Whether no criterion, except for the time, can be compared with an item."""
        return not (self.collections or self.ids or self.bbox or self.intersects)

    def window(self, now: dt.datetime, since: dt.datetime | None = None) -> Window:
        """Return the time window of a search.

        Args:
            now: Time of the search.
            since: Time up to which an earlier run mirrored all items, if known.
        """
        return window(self.datetime, self.overlap, now, since)

    def digest(self, source: str) -> str:
        """Return an identifier of the search, which is the same in each run.

        Args:
            source: The unsigned href of the source.
        """
        fields: dict[str, Any] = {"source": source} | {
            name: value
            for name, value in asdict(self).items()
            if name not in ("sortby", "page_size", "overlap") and (name != "q" or value)
        }
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]

    def description(self, searched: Window) -> str:
        """Return the criteria as one line, for messages.

        Args:
            searched: Time window of the search.
        """
        parts = [
            f"{name} {quoted_list(values, _MAX_LISTED, _MAX_SHOWN)}"
            for name in ("collections", "ids", "q")
            if (values := getattr(self, name))
        ]
        if self.bbox is not None:
            parts.append(f"bbox {', '.join(f'{value:g}' for value in self.bbox)}")
        if self.datetime is not None:
            parts.append(f"datetime {searched}")
        for name in ("intersects", "query", "filter"):
            value = getattr(self, name)
            if value is not None:
                text = value if isinstance(value, str) else json.dumps(value)
                parts.append(f"{name} {shortened(' '.join(text.split()), _MAX_SHOWN)}")
        return "; ".join(parts) or "all items"

    def matches_ids(self, collection: str | None, item_id: str) -> bool:
        """Return whether an item matches the criteria `collections` and `ids`.

        Args:
            collection: Id of the item's collection, if any.
            item_id: Id of the item.
        """
        in_collection = not self.collections or collection in self.collections
        return in_collection and (not self.ids or item_id in self.ids)

    def covers(self, bbox: Sequence[float] | None) -> bool:
        """Return whether the bounding box of an item overlaps the searched area.

        Args:
            bbox: Bounding box of the item. An item without a bounding box matches no area.
        """
        area = self.bbox if self.bbox is not None else bounds_of(self.intersects)
        if area is None:
            return True
        return bbox is not None and boxes_overlap(without_heights(area), without_heights(bbox))


def _check_bbox(bbox: Sequence[float]) -> None:
    """Check the parameter `search.bbox`.

    Raises:
        ConfigError: The bounding box is invalid.
    """
    form = "four numbers (west, south, east, north) or six (with heights)"
    if not isinstance(bbox, Sequence) or not all(isinstance(one, int | float) for one in bbox):
        raise ConfigError(
            f"`search.bbox` must be a list of {form}. Write for example [8, 49, 9, 50]."
        )
    if len(bbox) not in (4, 6):
        raise ConfigError(
            f"`search.bbox` must have {form}, and has {len(bbox)}. Correct the bounding box."
        )
    if not all(math.isfinite(value) for value in bbox):
        raise ConfigError("`search.bbox` must have finite numbers. Correct the bounding box.")
    west, south, east, north = without_heights(bbox)
    if south > north:
        raise ConfigError(
            f"`search.bbox` has a south of {south:g} that is north of {north:g}. Swap the two."
        )
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise ConfigError(
            "`search.bbox` must be in degrees: longitudes from -180 to 180, and latitudes from -90 "
            "to 90. Convert the coordinates to WGS 84."
        )
