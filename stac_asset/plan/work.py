"""The plan of a whole run: the assets of each item or collection, and the document to write.

`stac_asset.api.run` creates the plan. A dry run shows the plan, and a download executes the plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stac_asset.types import Failed, Transfer


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """The plan of a run, made before the first byte is transferred."""

    planned: list[list[Transfer | Failed]]
    """The planned assets of each item or collection, in the order of the source."""

    document: Path | None = None
    """The document to write, if any."""

    def __iter__(self) -> Iterator[Transfer | Failed]:
        return (entry for entries in self.planned for entry in entries)
