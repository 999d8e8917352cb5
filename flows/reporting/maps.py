"""The map of the footprints of items, on a map of the land, as SVG.

The map has the equirectangular projection: longitudes and latitudes have the same scale.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

from prefect_stac_asset.flows.reporting import svg
from prefect_stac_asset.flows.reporting.footprints import Outline

_WIDTH, _HEIGHT = 720, 360
_LEFT, _BOTTOM = 44, 24
"""Margins in pixels."""

_MIN_DEGREES = 8.0
"""Minimum height of a map in degrees, so that the place can be recognized."""

_MIN_PIXELS = 5.0
"""Size of a footprint below which a dot is drawn instead."""

_LAND = Path(__file__).with_name("land.txt")


@dataclass(frozen=True, slots=True)
class _View:
    """Visible part of the Earth, in degrees."""

    west: float
    south: float
    east: float
    north: float

    @property
    def scale(self) -> float:
        """Pixels per degree."""
        return (_WIDTH - _LEFT) / (self.east - self.west)

    def position(self, longitude: float, latitude: float) -> tuple[float, float]:
        return (
            _LEFT + (longitude - self.west) * self.scale,
            (self.north - latitude) * self.scale,
        )

    def has(self, ring: Sequence[tuple[float, float]], shift: float) -> bool:
        longitudes = [x for x, _ in ring]
        latitudes = [y for _, y in ring]
        return (
            max(longitudes) + shift > self.west
            and min(longitudes) + shift < self.east
            and max(latitudes) > self.south
            and min(latitudes) < self.north
        )


def footprint_map(layers: Mapping[str, Iterable[Sequence[Outline]]]) -> ElementTree.Element:
    """Return a map of footprints. A footprint in a later layer covers those in earlier layers.

    Args:
        layers: The footprints by color, and in each the outlines of an item. At least one layer
            has an outline.
    """
    drawn = {
        color: [ring for outlines in footprints for ring in outlines]
        for color, footprints in layers.items()
    }
    view = _view([position for rings in drawn.values() for ring in rings for position in ring])
    root = svg.picture(_WIDTH, _HEIGHT)
    frame = svg.draw(
        root,
        "svg",
        x=_LEFT,
        y=0,
        width=_WIDTH - _LEFT,
        height=_HEIGHT - _BOTTOM,
        viewBox=f"{_LEFT} 0 {_WIDTH - _LEFT} {_HEIGHT - _BOTTOM}",
    )
    land = " ".join(f"M{ring}Z" for ring in _visible_land(view))
    svg.draw(frame, "path", d=land, fill=svg.MUTED, fill_opacity=0.3, fill_rule="evenodd")
    for color, rings in drawn.items():
        for outline in rings:
            _draw_outline(frame, view, outline, color)
    _draw_axes(root, view)
    return root


def _view(positions: Sequence[tuple[float, float]]) -> _View:
    """Return a view of all positions with a margin, in the shape of the map."""
    longitudes, latitudes = zip(*positions, strict=True)
    shape = (_WIDTH - _LEFT) / (_HEIGHT - _BOTTOM)
    height = max(
        (max(latitudes) - min(latitudes)) * 1.2,
        (max(longitudes) - min(longitudes)) * 1.2 / shape,
        _MIN_DEGREES,
    )
    middle_x = (max(longitudes) + min(longitudes)) / 2
    middle_y = (max(latitudes) + min(latitudes)) / 2
    width = height * shape
    return _View(
        middle_x - width / 2, middle_y - height / 2, middle_x + width / 2, middle_y + height / 2
    )


def _visible_land(view: _View) -> Iterator[str]:
    """Return the visible rings of land, also beyond the antimeridian."""
    for ring in _land():
        for shift in (-360.0, 0.0, 360.0):
            if view.has(ring, shift):
                yield svg.points(view.position(x + shift, y) for x, y in ring)


@cache
def _land() -> list[list[tuple[float, float]]]:
    lines = _LAND.read_text(encoding="utf-8").splitlines()
    rings = [line.split() for line in lines if not line.startswith("#")]
    return [
        [(int(x) / 10, int(y) / 10) for x, _, y in (pair.partition(",") for pair in ring)]
        for ring in rings
    ]


def _draw_outline(frame: ElementTree.Element, view: _View, outline: Outline, color: str) -> None:
    positions = [view.position(*position) for position in outline]
    xs, ys = zip(*positions, strict=True)
    if max(max(xs) - min(xs), max(ys) - min(ys)) < _MIN_PIXELS:
        svg.draw(frame, "circle", cx=xs[0], cy=ys[0], r=_MIN_PIXELS / 2, fill=color)
    elif outline[0] == outline[-1]:
        outer = svg.points(positions)
        svg.draw(frame, "polygon", points=outer, fill=color, fill_opacity=0.2, stroke=color)
    else:
        svg.draw(frame, "polyline", points=svg.points(positions), fill="none", stroke=color)


def _draw_axes(root: ElementTree.Element, view: _View) -> None:
    svg.draw(
        root,
        "rect",
        x=_LEFT,
        y=0.5,
        width=_WIDTH - _LEFT - 0.5,
        height=_HEIGHT - _BOTTOM - 0.5,
        fill="none",
        stroke=svg.MUTED,
        stroke_opacity=0.6,
    )
    for longitude in svg.ticks(view.west, view.east, 6):
        x, _ = view.position(longitude, view.south)
        if _LEFT + 16 < x < _WIDTH - 16:
            turned = (longitude + 180) % 360 - 180
            svg.label(root, x, _HEIGHT - 8, _degrees(turned, "E", "W"))
    for latitude in svg.ticks(max(view.south, -90), min(view.north, 90), 4):
        _, y = view.position(view.west, latitude)
        if 12 < y < _HEIGHT - _BOTTOM:
            svg.label(root, _LEFT - 6, y + 4, _degrees(latitude, "N", "S"), "end")


def _degrees(value: float, positive: str, negative: str) -> str:
    side = positive if value > 0 else negative if value < 0 else ""
    return f"{abs(value):g}°{side}"
