"""The picture of a mirror before and after a run, with new, updated and earlier items.

The picture shows a sample of each group, so its size and cost do not depend on the number of items.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from prefect import get_run_logger

from prefect_stac_asset.flows.reporting import svg
from prefect_stac_asset.flows.reporting.footprints import MAX_FOOTPRINTS, FootprintSample
from prefect_stac_asset.flows.reporting.maps import footprint_map
from stac_asset.mirror.planning import Prepared
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.state.rows import Rows

TITLE = "New since the last run"


class BeforeAfter:
    """The footprints of a run, and of a sample of the items that the mirror had before.

    Args:
        rows: The rows of the mirror before the downloads.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._before = len(rows)
        self._earlier = FootprintSample()
        self._new = FootprintSample()
        self._updated = FootprintSample()
        self._add_earlier(rows.sample(MAX_FOOTPRINTS))

    def has_item(self, prepared: Prepared) -> bool:
        """Return whether the mirror has an item. Call this method before the item is added.

        Args:
            prepared: The item.
        """
        return prepared.wanted.key in self._rows

    def add(self, prepared: Prepared, is_new: bool) -> None:
        """Record an item with a new document.

        Args:
            prepared: The item.
            is_new: Whether the mirror did not have the item before.
        """
        (self._new if is_new else self._updated).add(prepared.item)

    async def section(self) -> str | None:
        """Return markdown with the picture and a legend, if the run added or updated items.

        A picture that cannot be drawn is logged, and does not fail the run.
        """
        if not (self._new.footprints or self._updated.footprints):
            return None
        try:
            return await asyncio.to_thread(self._section)
        except Exception as error:
            get_run_logger().warning("Drawing the picture of the mirror failed: %s", error)
            return None

    def _section(self) -> str:
        layers = {
            svg.MUTED: self._earlier.footprints,
            svg.ACCENT_2: self._updated.footprints,
            svg.ACCENT: self._new.footprints,
        }
        picture = svg.data_url(footprint_map(layers))
        legend = [
            _legend("Blue", self._new.count, self._new, "new item"),
            _legend("Orange", self._updated.count, self._updated, "updated item"),
            _legend("Gray", self._before, self._earlier, "earlier item"),
        ]
        text = "\n".join(f"- {line}" for line in legend if line)
        return f"## {TITLE}\n\n![{TITLE}]({picture})\n\n{text}"

    def _add_earlier(self, rows: Iterable[IndexRow]) -> None:
        for row in rows:
            if row.bbox is not None and not row.removed:
                self._earlier.add_box(row.bbox)


def _legend(color: str, count: int, sample: FootprintSample, name: str) -> str:
    """Return a line of the legend, or an empty text without footprints."""
    shown = len(sample.footprints)
    if not shown:
        return ""
    of = f", of which {shown:,} are shown" if shown < count else ""
    return f"{color}: {count:,} {name}{'' if count == 1 else 's'}{of}"
