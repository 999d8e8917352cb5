"""Internal: shares, which are the items of a run of `download_batch`, and the cutting of shares.

A share is a part of the plan of the coordinating run. The plan decides the file of each asset, so
that shares never write the same file. All functions of this module are pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from prefect_stac_asset.flows.orchestration.units import Unit
from stac_asset.hrefs import is_local
from stac_asset.redact import unsigned_href
from stac_asset.types import Transfer

_T = TypeVar("_T")

_LOAD_ASSETS, _LOAD_BYTES = 20, 256 * 1024 * 1024
"""The smallest share: this number of assets, or this number of bytes.

A run of a deployment takes a few seconds to start, so smaller shares would mostly wait.
"""

_SHARES = 64
"""Number of shares of a run, within the limits of the size of a share.

Machines with different speeds end at the same time only if there are several shares per machine.
"""

_MAX_LOAD = 100.0
"""Size of the largest share, as a multiple of the smallest. A restarted share repeats little.

Items are not split, so that an item may exceed this limit.
"""


@dataclass(frozen=True, slots=True)
class ShareItem:
    """An item of a share."""

    digest: str
    """Identifies the item's document and plan, to find the item in shares of an earlier run."""

    transfers: tuple[Transfer, ...]
    """The planned transfers. Never empty."""


@dataclass(frozen=True, slots=True)
class Share:
    """The items that a single run downloads."""

    id: str
    """The name of the share: 32 hexadecimal digits."""

    directory: str
    """The destination. All files of the share are inside."""

    items: tuple[ShareItem, ...]
    """The items. Never empty."""

    @property
    def assets(self) -> int:
        """Number of assets to download."""
        return sum(len(item.transfers) for item in self.items)


def load_of(transfers: Sequence[Transfer]) -> float:
    """Return the size of an item, as a multiple of the smallest share.

    Args:
        transfers: The transfers of the item. Assets of unknown size count only by their number.
    """
    size = sum(transfer.size or 0 for transfer in transfers)
    return max(len(transfers) / _LOAD_ASSETS, size / _LOAD_BYTES)


def share_load(total: float) -> float:
    """Return the size at which a share is complete, as a multiple of the smallest share.

    Args:
        total: The size of all items of the run.
    """
    return min(_MAX_LOAD, max(1.0, total / _SHARES))


class Cutter(Generic[_T]):
    """Cuts items into shares of whole items, in order. No share is empty.

    An item that would exceed the size begins the next share. So only an item that is larger by
    itself exceeds the size. Two shares in a row are together larger than the size, which bounds the
    number of shares.

    Args:
        size: Maximum size of a share of several items, as a multiple of the smallest share.
    """

    def __init__(self, size: float) -> None:
        self._size = size
        self._share: list[_T] = []
        self._filled = 0.0

    def add(self, item: _T, load: float) -> list[_T]:
        """Add an item, and return the items of a complete share, if any.

        Args:
            item: The item.
            load: Size of the item, as a multiple of the smallest share.
        """
        complete = self.rest() if self._share and self._filled + load > self._size else []
        self._share.append(item)
        self._filled += load
        return complete

    def rest(self) -> list[_T]:
        """Return the items that were added since the last complete share."""
        share, self._share, self._filled = self._share, [], 0.0
        return share


def can_be_shared(transfers: Iterable[Transfer]) -> bool:
    """Return whether other machines can download the assets of an item.

    Local files are on this machine only. A document with a signed href would store the signature in
    the destination.

    Args:
        transfers: The transfers of the item.
    """
    return all(
        not is_local(candidate.href) and unsigned_href(candidate.href) == candidate.href
        for transfer in transfers
        for candidate in transfer.candidates
    )


def digest_of(unit: Unit) -> str:
    """Return a digest of an item's document and plan.

    Whether existing files are replaced or verified is not a part of the plan: a run that continues
    a killed run finds files that the killed run did not.

    Args:
        unit: The item with the planned transfers.
    """
    document = unit.owner.to_dict(include_self_link=False, transform_hrefs=False)
    plan = [
        (one.key, one.size, one.checksum, [(each.href, each.path) for each in one.candidates])
        for one in unit.transfers
    ]
    text = json.dumps([document, plan], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
