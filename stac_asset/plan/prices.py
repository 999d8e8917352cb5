"""Internal: prices of the bytes that a download receives, by host."""

from __future__ import annotations

from collections.abc import Mapping

from stac_asset.errors import HrefError
from stac_asset.hrefs import parse_href

GIGABYTE = 1_000_000_000
"""Bytes of a gigabyte, as providers charge for transfers."""


def price_of(href: str, prices: Mapping[str, float]) -> float:
    """Return the price of a gigabyte from a source. Other sources than those named are free.

    Args:
        href: The href of a source. The host of `s3://bucket/key` is the bucket.
        prices: The price of a gigabyte, by host. The most specific name counts.
    """
    try:
        host = (parse_href(href).raw_host or "").lower()
    except HrefError:
        return 0.0
    if not host:
        return 0.0
    by_name = {name.lower(): price for name, price in prices.items()}
    if host in by_name:
        return by_name[host]
    labels = host.split(".")
    for start in range(1, len(labels)):
        pattern = f"*.{'.'.join(labels[start:])}"
        if pattern in by_name:
            return by_name[pattern]
    return by_name.get("*", 0.0)
