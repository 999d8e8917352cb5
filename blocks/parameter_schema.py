"""JSON schema of a block as a flow parameter: only a reference to a saved block is valid.

Prefect stores the parameters of deployments and flow runs in plain text. The schema therefore
rejects the fields of a block. Fields can come from a caller, from a template in `prefect.yaml`, or
from the id of a block in `prefect.yaml`, which `prefect deploy` replaces with the block's fields.
"""

from __future__ import annotations

from typing import Any

from prefect_stac_asset.blocks.references import SLUG

_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

_ID = {"type": "string", "pattern": f"^{_UUID}$"}

_NAMES = {
    "type": "object",
    "properties": {
        "block_document_slug": {"type": "string", "pattern": f"^{SLUG.pattern}$"},
        "block_document_id": _ID,
    },
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
}


def accept_only_references(definition: dict[str, Any], name: str, slug: str) -> None:
    """Replace a block's fields in a JSON schema with a reference to a saved block.

    Prefect validates parameters with this schema when a deployment is created. For updates and
    flow runs, Prefect replaces the definition named by the title with `oneOf` this definition and
    any object that has a `$ref`. A reference would then match both, which is an error. The title
    therefore ends with a space, which forms do not show: no definition has such a name.

    Args:
        definition: The block's definition in the schema of a flow's parameters.
        name: Name of the block's class.
        slug: Slug of the block's type.
    """
    description = definition.get("description")
    definition.clear()
    definition |= {
        "title": f"{name} ",
        "type": "object",
        # Prefect's run form lists the saved blocks of this type.
        "block_type_slug": slug,
        # A pattern, because tools read a property named `$ref` as a reference within the schema.
        "patternProperties": {r"^\$ref$": {"anyOf": [_NAMES, _ID]}},
        "additionalProperties": False,
        # In place of `required`, which Prefect ignores when it validates a deployment.
        "minProperties": 1,
    }
    if description is not None:
        definition["description"] = description
