"""Detect that another package `stac_asset` hides the library of this distribution."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def check_stac_asset() -> None:
    """Check that `stac_asset` is the package of this distribution.

    The distribution `stac-asset` on PyPI has a package of the same name. Installing or uninstalling
    that distribution replaces or removes files of this one.

    Raises:
        ImportError: The package is missing, or belongs to another distribution or folder.
    """
    spec = find_spec("stac_asset")
    origin = Path(spec.origin) if spec is not None and spec.origin is not None else None
    if origin is None:
        raise ImportError(
            "Files of the package `stac_asset` are missing, as after `pip uninstall stac-asset`. "
            "Run `pip install --force-reinstall --no-deps .` in a clone of prefect-stac-asset."
        )
    # Only the package of this distribution contains this text.
    if "lazy_loader.attach(" not in origin.read_text(encoding="utf-8"):
        raise ImportError(
            f"The package `stac_asset` at {origin.parent} is not the library of "
            "prefect-stac-asset. If it is PyPI's `stac-asset`, run `pip uninstall stac-asset`, and "
            "then `pip install --force-reinstall --no-deps .` in a clone of prefect-stac-asset; "
            "otherwise remove that folder from the import path."
        )
