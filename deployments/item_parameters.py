"""Parameters that an automation passes to the deployment that runs for each downloaded item.

The values come from the event of the item, which `docs/events.md` describes. A deployment gets the
parameters that its flow has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prefect.utilities.schema_tools.validation import validate

from stac_asset.errors import ConfigError


@dataclass(frozen=True, slots=True)
class _ItemParameter:
    field: str
    """The field of the event's payload."""

    annotation: str
    """The type of the parameter, as an annotation."""

    example: Any
    """A value of this type."""


_PARAMETERS = {
    "item_id": _ItemParameter("id", "str", "item"),
    "collection": _ItemParameter("collection", "str | None", "collection"),
    "document": _ItemParameter("document", "str | None", "/data/item.json"),
    "paths": _ItemParameter("paths", "dict[str, str]", {"data": "/data/item.tif"}),
}


def item_parameters(
    deployment: str, schema: Mapping[str, Any] | None, stored: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the templates of the parameters of a deployment, after a check of the parameters.

    Args:
        deployment: The name of the deployment, for errors.
        schema: The OpenAPI schema of the deployment's parameters.
        stored: The parameters that the deployment stores.

    Returns:
        A template for each parameter, from which the server makes the value.

    Raises:
        ConfigError: The flow has none of the parameters, requires another parameter, or declares a
            parameter with another type. A run of the deployment would fail.
    """
    schema = schema or {}
    passed = [name for name in _PARAMETERS if name in schema.get("properties", {})]
    if not passed:
        *first, last = (f"`{name}`" for name in _PARAMETERS)
        raise ConfigError(
            f"The flow of deployment '{deployment}' has none of the parameters "
            f"{', '.join(first)} and {last}. Add those that the flow needs, and deploy it again."
        )
    for name in schema.get("required", ()):
        if name not in passed and name not in stored:
            raise ConfigError(
                f"Deployment '{deployment}' requires the parameter `{name}`, which the automation "
                f"does not pass. Give `{name}` a default value."
            )
    examples = {name: _PARAMETERS[name].example for name in passed}
    for error in validate({**stored, **examples}, dict(schema)):
        name = str(error.path[0]) if error.path else ""
        if name in examples:
            raise ConfigError(
                f"Parameter `{name}` of deployment '{deployment}' has a type that refuses the "
                f"value of the automation. Annotate it with `{_PARAMETERS[name].annotation}`."
            )
    return {name: _template(_PARAMETERS[name].field) for name in passed}


def _template(field: str) -> dict[str, Any]:
    """Return a template that keeps the type of a field. A plain template yields text."""
    text = {"__prefect_kind": "jinja", "template": f"{{{{ event.payload.{field} | tojson }}}}"}
    return {"__prefect_kind": "json", "value": text}
