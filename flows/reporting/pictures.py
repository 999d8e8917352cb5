"""Pictures for the summary of a run."""

from __future__ import annotations

from prefect_stac_asset.flows.reporting import svg
from prefect_stac_asset.flows.reporting.charts import throughput_chart
from prefect_stac_asset.flows.reporting.maps import footprint_map
from prefect_stac_asset.flows.reporting.statistics import Statistics


def pictures(statistics: Statistics) -> list[tuple[str, str]]:
    """Return the titles of the pictures, and the pictures as data URLs of SVG images.

    Args:
        statistics: The statistics of the run.
    """
    images = []
    if statistics.throughput.buckets:
        chart = throughput_chart(statistics.throughput)
        images.append(("Throughput over time", svg.data_url(chart)))
    if any(statistics.footprints):
        footprints = footprint_map({svg.ACCENT: statistics.footprints})
        images.append(("Footprints of the items", svg.data_url(footprints)))
    return images
