"""TODO."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stac_asset.types import Failed, Transfer


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """What a run is going to do, decided before a byte moves."""

    planned: list[list[Transfer | Failed]]
    """The assets of each item or collection, in their order."""

    document: Path | None = None
    """The document to write, if any."""

    def __iter__(self) -> Iterator[Transfer | Failed]:
        return (entry for entries in self.planned for entry in entries)
