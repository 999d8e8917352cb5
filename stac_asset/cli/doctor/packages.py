"""Checks of versions, and of packages that hide this package."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import stac_asset
from stac_asset.cli.doctor.findings import Finding, Level

_EXTRAS = (
    ("geoparquet", "stac-geoparquet", "stac-geoparquet files"),
    ("gcs", "obstore", "Google Cloud Storage and Azure"),
)
"""Extra, a distribution of the extra, and the purpose of the extra."""


def package_findings() -> Iterator[Finding]:
    """Yield the findings about versions, and about packages that hide this package."""
    yield Finding(
        "versions",
        Level.OK,
        f"prefect-stac-asset {version('prefect-stac-asset')}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}",
    )
    yield _shadow_finding()
    for extra, distribution, purpose in _EXTRAS:
        found = _version(distribution)
        if found is None:
            yield Finding(
                f"extra {extra}",
                Level.NOTE,
                f"{purpose}: {distribution} is not installed.",
                f"Run `pip install 'prefect-stac-asset[{extra}]'` if you need it.",
            )
        else:
            yield Finding(f"extra {extra}", Level.OK, f"{distribution} {found}")


def _shadow_finding() -> Finding:
    other = _version("stac-asset")
    folder = Path(stac_asset.__file__ or "").parent
    if other is not None:
        return Finding(
            "packages",
            Level.PROBLEM,
            f"PyPI's stac-asset {other} is installed too. It has a module of the same name.",
            "Run `pip uninstall stac-asset`, then `pip install --force-reinstall --no-deps .` in a "
            "clone of prefect-stac-asset.",
        )
    hidden = [entry for entry in sys.path if _hides(Path(entry or "."), folder)]
    if hidden:
        return Finding(
            "packages",
            Level.PROBLEM,
            f"{Path(hidden[0]) / 'stac_asset'} is on the import path too.",
            "Remove or rename that folder.",
        )
    return Finding("packages", Level.OK, f"stac_asset is imported from {folder}")


def _hides(entry: Path, folder: Path) -> bool:
    other = entry / "stac_asset"
    return (other / "__init__.py").is_file() and other.resolve() != folder.resolve()


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
