"""What the flow `sync` searches for, as its run form shows it."""

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

from prefect_stac_asset.flows.parameters.form import Group, folded, in_order, unfolded
from stac_asset.mirror.search.criteria import Criteria

_RARE = Group(
    "More",
    "A filter, an order, and whatever else is rarely needed.",
    {
        "overlap": "Overlap",
        "filter": "Filter",
        "query": "Query",
        "intersects": "Geometry",
        "ids": "Item ids",
        "sortby": "Order",
        "page_size": "Items of a page",
    },
)
"""What the form folds away."""


class Search(BaseModel):
    """Which items are mirrored. Each field narrows it down; without any, it is all of them."""

    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )

    collections: list[str] = Field(default=[], title="Collections")
    """The ids of collections, such as sentinel-2-l2a; without any, all of them."""

    bbox: list[float] | None = Field(default=None, title="Bounding box")
    """West, south, east and north in degrees: items that touch this area."""

    datetime: str | None = Field(default=None, title="Time")
    """A window that moves with each run, such as `last 10 days`; or a day, month or year (2026-06),
    a moment, or two of these with a slash between (2026-01/..). In UTC."""

    overlap: str = "1 day"
    """How much earlier a window that moves begins, so that items which arrive late are found."""

    filter: str | dict[str, Any] | None = None
    """A CQL2 filter, such as `eo:cloud_cover < 20`, or CQL2 as JSON. Needs a STAC API."""

    query: dict[str, Any] | None = None
    """A query, such as {"eo:cloud_cover": {"lt": 20}}. Needs a STAC API with that extension."""

    intersects: dict[str, Any] | None = None
    """A GeoJSON geometry, in place of the bounding box: items that touch it. Needs a STAC API."""

    ids: list[str] = []
    """The ids of items; without any, all of them."""

    sortby: list[str] = []
    """Properties to sort by, such as -properties.datetime: where a run has a limit, it takes the
    first ones. Needs a STAC API."""

    page_size: int | None = None
    """How many items a STAC API is asked for at once; 500 by default."""

    @model_validator(mode="before")
    @classmethod
    def _unfold(cls, given: Any) -> Any:
        return unfolded(given, ("more",))

    @model_serializer(mode="wrap")
    def _serialize(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Returns what was asked for, and not what was not."""
        fields: dict[str, Any] = handler(self)
        return {name: value for name, value in fields.items() if name in self.model_fields_set}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Returns the schema of the form."""
        schema = handler(core_schema)
        found = handler.resolve_ref_schema(schema)
        fields: dict[str, Any] = found["properties"]
        rare = {name: fields.pop(name) | {"title": _RARE.titles[name]} for name in _RARE.titles}
        found["properties"] = in_order({**fields, "more": folded(_RARE, rare)})
        # Each is taken by its name alone, too; an unknown one is not.
        found["patternProperties"] = {f"^{name}$": field for name, field in rare.items()}
        return schema

    def criteria(self) -> Criteria:
        """Returns it as the library takes it.

        Raises:
            ConfigError: A field has a value that makes no sense; the text names it.
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
            sortby=tuple(self.sortby),
            page_size=self.page_size,
        )
