"""Detect that the package `stac_asset` of another distribution is installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def check_stac_asset() -> None:
    """Check that `stac_asset` is the package of this distribution.

    PyPI's distribution `stac-asset` has a package of the same name. Installing both overwrites
    files of one of them.

    Raises:
        ImportError: The package belongs to another distribution.
    """
    spec = find_spec("stac_asset")
    origin = Path(spec.origin) if spec is not None and spec.origin is not None else None
    # Only the package of this distribution contains this text.
    if origin is None or "lazy_loader.attach_stub" not in origin.read_text(encoding="utf-8"):
        where = f" ({origin})" if origin is not None else ""
        raise ImportError(
            f"The package `stac_asset`{where} is not from prefect-stac-asset. Uninstall "
            "`stac-asset`, then reinstall `prefect-stac-asset`."
        )
