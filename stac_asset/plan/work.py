"""The plan of a whole run: the assets of each item or collection, and the document to write.

`stac_asset.api.run_planner` creates the plan. A dry run shows the plan, and a download executes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pystac

from stac_asset.destinations.location import Location
from stac_asset.errors import ConfigError
from stac_asset.types import Failed, Transfer


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """The plan of a run, made before the first byte is transferred."""

    planned: list[list[Transfer | Failed]]
    """The planned assets of each item or collection, in the order of the source."""

    document: Location | None = None
    """The document to write, if any."""

    items: tuple[pystac.Item, ...] = ()
    """The items of an item collection that are planned, without repeated items."""

    invalid: tuple[Failed, ...] = ()
    """Documents of an item collection that are not valid items."""

    def __iter__(self) -> Iterator[Transfer | Failed]:
        yield from self.invalid
        for entries in self.planned:
            yield from entries


def config_error(planned: Iterable[Transfer | Failed]) -> ConfigError | None:
    """Return the error of the configuration, such as of `path_template`, that fails all assets.

    Args:
        planned: The planned assets of a run.
    """
    first: ConfigError | None = None
    for entry in planned:
        if isinstance(entry, Transfer) or not isinstance(entry.error, ConfigError):
            return None
        first = first or entry.error
    return first
