"""The page of blocks."""

from __future__ import annotations

import inspect

from prefect.blocks.core import Block

from prefect_stac_asset.flows.mirror.block import BLOCK_TYPES
from scripts.site_pages.markdown import code, table, text_cell

_INTRODUCTION = """# Blocks

Import a block from `prefect_stac_asset`. Prefect encrypts secrets. The page
[Credentials](../credentials.md) tells how to save a block. Blocks of Prefect integrations are
accepted too.

"""


def block_page() -> str:
    """Return the page."""
    return _INTRODUCTION + "\n".join(_section(kind) for kind in BLOCK_TYPES)


def _section(kind: type[Block]) -> str:
    summary = inspect.cleandoc(kind.__doc__ or "").partition("\n\nAttributes:")[0]
    properties = kind.model_json_schema(by_alias=False)["properties"]
    rows = [
        (code(name), schema.get("title", ""), text_cell(schema.get("description", "")))
        for name, schema in properties.items()
    ]
    return (
        f"## {kind.__name__}\n\nType slug `{kind.get_block_type_slug()}`. {summary}\n\n"
        f"{table(('field', 'form', 'description'), rows)}"
    )
