"""Detects another distribution whose `stac_asset` replaces the one of this distribution."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def check_stac_asset() -> None:
    """Check that `stac_asset` is the package of this distribution.

    PyPI's `stac-asset` has a package of the same name. If it is installed later, it overwrites
    files.

    Raises:
        ImportError: It is the package of another distribution.
    """
    spec = find_spec("stac_asset")
    origin = Path(spec.origin) if spec is not None and spec.origin is not None else None
    # Only this distribution's package starts with this line.
    if origin is None or "lazy_loader.attach_stub" not in origin.read_text(encoding="utf-8"):
        where = f" ({origin})" if origin is not None else ""
        raise ImportError(
            f"The package `stac_asset`{where} is not from prefect-stac-asset: uninstall "
            "`stac-asset`, then reinstall `prefect-stac-asset`."
        )
