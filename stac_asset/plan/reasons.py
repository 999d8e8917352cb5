"""Internal: the reasons why a run downloads or skips items and assets."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Reason(StrEnum):
    """Why a run downloads or skips an item or an asset."""

    NEW = "new"
    CHANGED = "changed"
    RETRY = "failed before"
    FILES_MISSING = "files missing"
    RESTORED = "back in the source"
    METADATA = "metadata changed"
    """Only the document changed. No asset is downloaded."""

    OVERWRITE = "overwrite"
    """The file exists, and `overwrite` is set."""

    PRESENT = "present"
    """The file exists and is valid, or all files of the item do. No asset is downloaded."""


_PRECEDENCE = (Reason.RETRY, Reason.CHANGED, Reason.OVERWRITE)
"""Reasons of assets that apply to the whole item, in order of precedence."""


def item_reason(assets: Iterable[Reason | None]) -> Reason | None:
    """Derive the reason of an item from the reasons of the assets.

    Args:
        assets: The reason of each asset. None is an asset that cannot be downloaded.

    Returns:
        The reason, or None if no asset can be downloaded.
    """
    found = set(assets) - {None}
    for reason in _PRECEDENCE:
        if reason in found:
            return reason
    if found == {Reason.NEW, Reason.PRESENT}:
        return Reason.FILES_MISSING
    return next(iter(found), None)
