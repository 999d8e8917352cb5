"""Pictures for the summary of a run, drawn with matplotlib (extra `plots`)."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.filesize import decimal

from prefect_stac_asset.flows.reporting.footprints import Outline
from prefect_stac_asset.flows.reporting.statistics import Statistics, Throughput

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 80
_COLOR = "#1c6ea4"


def pictures(statistics: Statistics) -> list[tuple[str, str]]:
    """Return the titles of the pictures, and the pictures as data URLs of PNG images.

    The list is empty if matplotlib is not installed.

    Args:
        statistics: The statistics of the run.
    """
    try:
        import matplotlib  # noqa: F401 - tests whether the extra is installed
    except ImportError:
        return []
    images = []
    if statistics.throughput.buckets:
        images.append(("Throughput over time", _url(_throughput(statistics.throughput))))
    if statistics.footprints:
        images.append(("Footprints of the items", _url(_footprints(statistics.footprints))))
    return images


def _throughput(throughput: Throughput) -> Figure:
    # Without pyplot, which keeps global state and is not safe in the threads that run flows.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 2.6), layout="constrained")
    axes = figure.add_subplot()
    width = throughput.width
    rates = [size / width for size in throughput.buckets]
    edges = [index * width for index in range(len(rates) + 1)]
    axes.stairs(rates, edges, fill=True, color=_COLOR)
    axes.set_xlim(0, edges[-1])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("time since the start (s)")
    axes.set_ylabel("throughput (per second)")
    axes.yaxis.set_major_formatter(lambda value, _: decimal(int(value)))
    axes.grid(axis="y", alpha=0.3)
    return figure


def _footprints(footprints: Sequence[Sequence[Outline]]) -> Figure:
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot()
    rings = [ring for outlines in footprints for ring in outlines]
    lines = [ring for ring in rings if len(ring) > 1]
    points = [ring[0] for ring in rings if len(ring) == 1]
    axes.add_collection(LineCollection(lines, colors=_COLOR, linewidths=1, alpha=0.7))
    if points:
        axes.plot(*zip(*points, strict=True), ".", color=_COLOR)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.1)
    axes.autoscale_view()
    axes.set_xlabel("longitude (degrees)")
    axes.set_ylabel("latitude (degrees)")
    axes.grid(alpha=0.3)
    return figure


def _url(figure: Figure) -> str:
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=_DPI)
    return f"data:image/png;base64,{base64.b64encode(image.getvalue()).decode()}"
