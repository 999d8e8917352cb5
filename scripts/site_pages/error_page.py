"""The page of error classes, with cause and cure."""

from __future__ import annotations

import inspect
import re

import stac_asset.errors
from scripts.site_pages.markdown import code, table, text_cell
from stac_asset.errors import DescribedError, StacAssetError

_INTRODUCTION = """# Errors

All errors derive from `StacAssetError`. Import them from `stac_asset.errors`. The text of an error
is one sentence that names the asset, href or host, and then says what to do.

"""

_CURE = re.compile(r"^Cure: (.*?)(?:\n\s*\n|\Z)", re.S | re.M)
"""The advice in a docstring."""


def error_classes(parent: type[StacAssetError] = StacAssetError) -> list[type[StacAssetError]]:
    """Return the exported error classes that derive from a class.

    Args:
        parent: The class.
    """
    found = []
    for name in stac_asset.errors.__all__:
        getattr(stac_asset.errors, name)  # Some classes are imported on first use.
    for child in sorted(parent.__subclasses__(), key=lambda kind: kind.__name__):
        exported = getattr(stac_asset.errors, child.__name__, None) is child
        if exported and child is not DescribedError:
            found.append(child)
        found += error_classes(child)
    return list(dict.fromkeys(found))


def cause_and_cure(error: type[StacAssetError]) -> tuple[str, str]:
    """Return the cause and the cure in the docstring of an error class.

    Args:
        error: The class.
    """
    text = inspect.cleandoc(error.__doc__ or "")
    cure = _CURE.search(text)
    return text.partition("\n")[0], cure[1] if cure else ""


def error_page() -> str:
    """Return the page."""
    rows = []
    for error in error_classes():
        cause, cure = cause_and_cure(error)
        parents = [
            base.__name__ for base in error.__bases__ if base.__name__ != "DescribedError"
        ] or ["StacAssetError"]
        rows.append(
            (code(error.__name__), code(", ".join(parents)), text_cell(cause), text_cell(cure))
        )
    return _INTRODUCTION + table(("error", "base class", "cause", "cure"), rows)
