"""TODO."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from prefect_stac_asset.flows.tasks.check_outcomes import Checked

_MAX_SHOWN = 100
"""Maximum number of missing assets that a result names."""


class CheckResult(BaseModel):
    """What a check found: small, without item or secret, and JSON-able."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    total: int = 0
    """How many assets there are."""

    exist: int = 0
    """How many of them exist."""

    missing: int = 0
    """How many do not."""

    unknown: int = 0
    """Of how many nobody can tell: their sources refuse, or cannot be reached."""

    bytes: int = 0
    """Bytes of those that exist, as far as is known."""

    unknown_sizes: int = 0
    """How many exist whose size is not known."""

    first_missing: list[dict[str, Any]] = []
    """The rows of the first hundred that do not exist, or of which nobody can tell."""

    report: str | None = None
    """The full report, if one was wanted: newline-delimited JSON, a row an asset."""

    seconds: float = 0.0
    """Wall time of the run."""

    def add(self, found: Checked) -> None:
        """Counts an asset.

        Args:
            found: What was found of it.
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

    def summary(self) -> str:
        """Returns the counts as a phrase."""
        more = f" and {self.unknown_sizes} of unknown size" if self.unknown_sizes else ""
        return f"{self.exist} assets exist, {self.bytes:,} bytes{more}"
