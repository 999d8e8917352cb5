"""The page of the Python library."""

from __future__ import annotations

import inspect
from typing import Any

import stac_asset
from stac_asset.errors import StacAssetError

_INTRODUCTION = """# The library `stac_asset`

Import these names from `stac_asset`. Each coroutine function of the download has a twin in
`stac_asset.blocking`, which needs no event loop. The page [Errors](errors.md) lists the errors, and
[Options of a download](options.md) lists the fields of `Config`. `audit_mirror` is imported from
`stac_asset.audit`, and `sync_mirror` from `stac_asset.sync`.

"""

_MIRRORS = ("stac_asset.audit.api.audit_mirror", "stac_asset.sync.api.sync_mirror")


def library_page() -> str:
    """Return the page, which mkdocstrings fills with the docstrings."""
    sections = []
    for name in sorted(vars(stac_asset)["__all__"]):
        value: Any = getattr(stac_asset, name)
        if inspect.ismodule(value) or _is_error(value) or value.__name__ != name:
            continue
        sections.append(f"::: {value.__module__}.{name}\n")
    sections += [f"::: {name}\n" for name in _MIRRORS]
    return _INTRODUCTION + "\n".join(sections)


def _is_error(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, StacAssetError)
