"""The parameter `search` of the flow `sync`, with a schema for the run form."""

from __future__ import annotations

from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from prefect_stac_asset.flows.parameters.form import shape, ungrouped
from prefect_stac_asset.flows.parameters.model_errors import RaisesConfigError
from stac_asset.mirror.search.criteria import Criteria

SEARCH_GROUPS = ("more",)
"""Name of the group of criteria in parameters that earlier versions stored."""


class Search(BaseModel, metaclass=RaisesConfigError):
    """Criteria that select the items to mirror.

    Items must match all criteria. Without criteria, all items are mirrored.
    """

    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    collections: list[str] = Field(default=[], title="Collections")
    """Ids of collections, such as `sentinel-2-l2a`. By default all collections."""

    bbox: list[float] | None = Field(default=None, title="Bounding box")
    """West, south, east and north in degrees. Items that intersect this box match."""

    datetime: str | None = Field(default=None, title="Time")
    """A time window relative to the start of the run, such as `last 10 days`; a year, month, day or
    date and time, such as `2026-06`; or two of these separated by a slash, such as `2026-01/..`.
    Times are in UTC."""

    overlap: str = Field(default="1 day", title="Overlap")
    """How much earlier a relative time window begins, to find items that are published late."""

    filter: str | dict[str, Any] | None = Field(default=None, title="Filter")
    """A CQL2 filter as text, such as `eo:cloud_cover < 20`, or as JSON. Requires a STAC API."""

    query: dict[str, Any] | None = Field(default=None, title="Query")
    """A query, such as `{"eo:cloud_cover": {"lt": 20}}`. Requires a STAC API with the query
    extension."""

    q: str | list[str] | None = Field(default=None, title="Full text")
    """Full-text search, such as `floods`, or several terms of which an item must have at least one.
    Requires a STAC API with the free-text extension."""

    intersects: dict[str, Any] | None = Field(default=None, title="Geometry")
    """A GeoJSON geometry to use instead of a bounding box. Items that intersect the geometry match.
    Requires a STAC API."""

    ids: list[str] = Field(default=[], title="Item ids")
    """Ids of items. By default all items."""

    sortby: list[str] = Field(default=[], title="Sort order")
    """Fields to sort by, such as `-properties.datetime`. With `max_items` or `max_bytes`, a run
    downloads the first items. Requires a STAC API."""

    page_size: int | None = Field(default=None, title="Items per page")
    """Number of items to request per page from a STAC API. 500 by default."""

    @model_validator(mode="before")
    @classmethod
    def _ungroup(cls, given: Any) -> Any:
        return ungrouped(given, SEARCH_GROUPS)

    @model_serializer(mode="wrap")
    def _serialize(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return the fields that were set."""
        fields: dict[str, Any] = handler(self)
        return {name: value for name, value in fields.items() if name in self.model_fields_set}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the JSON schema for the run form."""
        schema = handler(core_schema)
        shape(handler.resolve_ref_schema(schema), SEARCH_GROUPS)
        return schema

    def criteria(self) -> Criteria:
        """Return the criteria as a `Criteria` object of the library.

        Raises:
            ConfigError: A field has an invalid value. The message names the field.
        """
        return Criteria(
            collections=tuple(self.collections),
            ids=tuple(self.ids),
            bbox=tuple(self.bbox) if self.bbox is not None else None,
            intersects=self.intersects,
            datetime=self.datetime,
            overlap=self.overlap,
            query=self.query,
            filter=self.filter,
            q=(self.q,) if isinstance(self.q, str) else tuple(self.q or ()),
            sortby=tuple(self.sortby),
            page_size=self.page_size,
        )
