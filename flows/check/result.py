"""The result of the flow `check_assets`.

The class is in a separate module, because Prefect may load the flow from the path of its file. A
result can only be unpickled if its class is in a module that can be imported by name.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from prefect_stac_asset.flows.tasks.check_outcomes import Checked
from stac_asset.display import Display, Shown

_MAX_SHOWN = 100
"""Maximum number of assets listed in a result, of those that are missing or not checked."""


class CheckResult(Display, BaseModel):
    """The result of a check of assets.

    The result is small, can be stored as JSON, and contains no STAC objects and no secrets.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)

    total: int = 0
    """Number of checked assets."""

    exist: int = 0
    """Number of assets that exist."""

    missing: int = 0
    """Number of assets that do not exist."""

    unknown: int = 0
    """Number of assets whose check failed: the source denied access or was unreachable."""

    bytes: int = 0
    """Total size of existing assets with a known size, in bytes."""

    unknown_sizes: int = 0
    """Number of existing assets without a known size."""

    first_missing: list[dict[str, Any]] = []
    """Report rows of the first 100 assets that do not exist or could not be checked."""

    report: str | None = None
    """Path of the full report, if requested: newline-delimited JSON with a row per asset."""

    seconds: float = 0.0
    """Wall time of the run, in seconds."""

    def add(self, found: Checked) -> None:
        """Count a checked asset.

        Args:
            found: The result of the check.
        """
        self.total += 1
        if found.exists:
            self.exist += 1
            self.bytes += found.size or 0
            self.unknown_sizes += found.size is None
            return
        self.missing += found.exists is False
        self.unknown += found.exists is None
        if len(self.first_missing) < _MAX_SHOWN:
            self.first_missing.append(found.row())

    def counts(self) -> dict[str, int]:
        """Return the number of assets by result."""
        return {"exist": self.exist, "missing": self.missing, "unknown": self.unknown}

    def _shown(self) -> Shown:
        facts = {"missing": self.missing, "unknown": self.unknown, "report": self.report}
        names = ("owner", "key", "exists", "href", "error")
        rows = (tuple(row.get(name) for name in names) for row in self.first_missing)
        return Shown(self.summary(), facts, names, rows, self.missing + self.unknown)

    def summary(self) -> str:
        """Return the counts as a phrase."""
        if not self.total:
            return "no assets to check"
        more = f" and {self.unknown_sizes} of unknown size" if self.unknown_sizes else ""
        return f"{self.exist} assets exist, {self.bytes:,} bytes{more}"
