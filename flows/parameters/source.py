"""The parameter `source`: an href, a path, JSON text, or a pystac object."""

from __future__ import annotations

import json
import os
import string
from typing import Any

import pystac

from stac_asset.rewrite.serialize import document_of

_STAC = (pystac.Item, pystac.Collection, pystac.ItemCollection)


def source_parameter(value: Any) -> Any:
    """Return a parameter as Prefect can store it: pystac objects and paths become text.

    Args:
        value: The value of a parameter.
    """
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    return json.dumps(document_of(value)) if isinstance(value, _STAC) else value


def is_text(source: str) -> bool:
    """Return whether a source is JSON text. Otherwise the source is an href.

    Args:
        source: An href or JSON text.
    """
    return source.lstrip(f"\ufeff{string.whitespace}")[:1] in ("{", "[")
