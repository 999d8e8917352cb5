"""Removes leftovers of interrupted runs from a destination. The command `clean` calls `clean`."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass

from stac_asset.concurrency import bounded
from stac_asset.destinations.interface import Destination
from stac_asset.destinations.values import Leftover

_MAX_REMOVALS = 8
"""Maximum number of leftovers that are removed at the same time."""


@dataclass(frozen=True, slots=True)
class Cleaning:
    """The leftovers of a destination, by the reason to remove or keep a leftover."""

    removed: tuple[Leftover, ...] = ()
    """Removed leftovers. In a dry run, those that would be removed."""

    young: tuple[Leftover, ...] = ()
    """Leftovers that a run wrote to recently."""

    in_use: tuple[Leftover, ...] = ()
    """Leftovers that a run has open."""

    foreign: tuple[Leftover, ...] = ()
    """Kept uploads that another program may have started."""


def sort_leftovers(
    found: list[Leftover], older_than: float, without_note: bool = False
) -> Cleaning:
    """Return which leftovers are to be removed.

    Args:
        found: All leftovers.
        older_than: Minimum age in seconds of a leftover to remove.
        without_note: Remove also uploads that another program may have started.
    """
    own = [one for one in found if without_note or not one.is_foreign]
    return Cleaning(
        removed=tuple(one for one in own if one.age >= older_than),
        young=tuple(one for one in own if one.age < older_than),
        foreign=tuple(one for one in found if one.is_foreign and not without_note),
    )


async def clean(
    destination: Destination, older_than: float, dry_run: bool = False, without_note: bool = False
) -> Cleaning:
    """Remove part files, notes and unfinished uploads of interrupted runs.

    Args:
        destination: The destination.
        older_than: Minimum age in seconds since the last write.
        dry_run: Remove nothing.
        without_note: Remove also uploads that another program may have started.

    Returns:
        The removed and the kept leftovers.

    Raises:
        DestinationError: The destination cannot be listed, or a leftover cannot be removed.
    """
    found = [leftover async for leftover in destination.leftovers()]
    planned = sort_leftovers(found, older_than, without_note)
    if dry_run or not planned.removed:
        return planned

    async def remove(leftover: Leftover) -> tuple[Leftover, bool]:
        return leftover, await destination.remove_leftover(leftover)

    removed: list[Leftover] = []
    in_use: list[Leftover] = []
    async with aclosing(bounded(remove, planned.removed, _MAX_REMOVALS)) as results:
        async for leftover, is_removed in results:
            (removed if is_removed else in_use).append(leftover)
    return Cleaning(tuple(removed), planned.young, tuple(in_use), planned.foreign)
