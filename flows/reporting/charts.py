"""The chart of the throughput of a run over time, as SVG."""

from __future__ import annotations

from xml.etree import ElementTree

from rich.filesize import decimal

from prefect_stac_asset.flows.reporting import svg
from prefect_stac_asset.flows.reporting.statistics import Throughput

_WIDTH, _HEIGHT = 720, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 12, 12, 40
"""Margins in pixels."""


def throughput_chart(throughput: Throughput) -> ElementTree.Element:
    """Return a chart of bytes per second over the time since the start.

    Args:
        throughput: The received bytes, in at least one bucket.
    """
    width = throughput.width
    rates = [size / width for size in throughput.buckets]
    seconds = len(rates) * width
    top = max(max(rates), 1.0) * 1.05
    root = svg.picture(_WIDTH, _HEIGHT)
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT

    def x_of(second: float) -> float:
        return _LEFT + (right - _LEFT) * second / seconds

    def y_of(rate: float) -> float:
        return bottom - (bottom - _TOP) * rate / top

    for rate in svg.ticks(0, top, 4):
        y = y_of(rate)
        svg.draw(root, "line", x1=_LEFT, x2=right, y1=y, y2=y, stroke=svg.MUTED, stroke_opacity=0.3)
        svg.label(root, _LEFT - 6, y + 4, f"{decimal(int(rate))}/s", "end")
    for second in svg.ticks(0, seconds, 8):
        svg.label(root, x_of(second), bottom + 16, f"{second:g}")
    steps = [(x_of(0), y_of(0))]
    for index, rate in enumerate(rates):
        steps += [(x_of(index * width), y_of(rate)), (x_of((index + 1) * width), y_of(rate))]
    steps.append((x_of(seconds), y_of(0)))
    svg.draw(root, "polygon", points=svg.points(steps), fill=svg.ACCENT, fill_opacity=0.85)
    svg.draw(root, "line", x1=_LEFT, x2=right, y1=bottom, y2=bottom, stroke=svg.MUTED)
    svg.label(root, (_LEFT + right) / 2, _HEIGHT - 6, "time since the start (s)")
    return root
