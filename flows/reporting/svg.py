"""Elements of SVG pictures, and data URLs.

The colors are readable on light and on dark backgrounds.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from xml.etree import ElementTree

ACCENT = "#2b8cbe"
"""Color of data."""

ACCENT_2 = "#d9822b"
"""Color of a second kind of data."""

MUTED = "#808080"
"""Color of axes, texts, land and data in the background."""

_FONT = "system-ui, sans-serif"


def picture(width: float, height: float) -> ElementTree.Element:
    """Return an empty picture with a transparent background.

    Args:
        width: The width in pixels.
        height: The height in pixels.
    """
    return ElementTree.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "width": number(width),
            "height": number(height),
            "viewBox": f"0 0 {number(width)} {number(height)}",
            "font-family": _FONT,
            "font-size": "12",
        },
    )


def draw(
    parent: ElementTree.Element, name: str, text: str | None = None, **attributes: float | str
) -> ElementTree.Element:
    """Add an element to a picture or group, and return the element.

    Args:
        parent: The picture or group.
        name: The name of the element.
        text: The text of the element.
        attributes: The attributes. Underscores become hyphens.
    """
    element = ElementTree.SubElement(
        parent,
        name,
        {
            key.rstrip("_").replace("_", "-"): value if isinstance(value, str) else number(value)
            for key, value in attributes.items()
        },
    )
    element.text = text
    return element


def label(
    parent: ElementTree.Element, x: float, y: float, text: str, anchor: str = "middle"
) -> None:
    """Add a text.

    Args:
        parent: The picture or group.
        x: Horizontal position of the anchor in pixels.
        y: Vertical position of the base line in pixels.
        text: The text.
        anchor: The part of the text at the position: start, middle or end.
    """
    draw(parent, "text", text, x=x, y=y, text_anchor=anchor, fill=MUTED)


def points(positions: Iterable[tuple[float, float]]) -> str:
    """Return positions as the attribute `points` of a line or polygon.

    Args:
        positions: Horizontal and vertical positions in pixels.
    """
    return " ".join(f"{number(x)},{number(y)}" for x, y in positions)


def number(value: float) -> str:
    """Return a number with at most one decimal place.

    Args:
        value: The number.
    """
    return f"{value:.1f}".removesuffix(".0")


def ticks(low: float, high: float, count: int) -> list[float]:
    """Return round numbers in a range, for the labels of an axis.

    Args:
        low: The start of the range.
        high: The end of the range, above the start.
        count: The approximate number of labels.
    """
    rough = (high - low) / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [index * step for index in range(first, last + 1)]


def data_url(root: ElementTree.Element) -> str:
    """Return a picture as a data URL.

    Args:
        root: The picture.
    """
    text = ElementTree.tostring(root, encoding="utf-8")
    return f"data:image/svg+xml;base64,{base64.b64encode(text).decode()}"
