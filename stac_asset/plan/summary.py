"""Internal: the planned assets of a run, and the totals of a plan.

Dry runs of the library, of the command line and of the flows have the same totals. Memory does not
grow with the number of items.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from stac_asset.display import Display, Shown
from stac_asset.plan.prices import GIGABYTE, price_of
from stac_asset.plan.reasons import Reason, item_reason

Action: TypeAlias = Literal["download", "skip", "fail"]
"""The planned action for an asset."""

FAILING = "cannot be downloaded"
"""Reason of items and assets that cannot be downloaded, in the counts of a plan."""

MAX_ITEMS = 1000
"""Maximum number of items that a plan lists. The counts include all items."""


@dataclass(frozen=True, slots=True)
class PlannedAsset:
    """The planned action for an asset, with details."""

    owner: str
    """The item or collection that owns the asset, e.g. `item 'S2B_31UFU'`."""

    key: str
    """The asset key."""

    action: Action
    """`download`, `skip` (the file already exists) or `fail`."""

    href: str | None = None
    """The source href, redacted."""

    client: str | None = None
    """The name of the client that claims the href, if a client was looked up."""

    path: str | None = None
    """The absolute path of the destination file, or the URL of the object."""

    size: int | None = None
    """Size in bytes, from `file:size`, the source or the existing file, if known."""

    note: str | None = None
    """Details of the action, such as the error, or the cause of an unknown size."""

    reason: Reason | None = None
    """The reason to download or skip the asset. Unset for an asset that cannot be downloaded."""


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """The planned action for an item or a collection."""

    id: str
    """The id of the item or collection."""

    collection: str | None
    """The id of the item's collection, if known."""

    reason: str
    """The reason to download or skip the item: a value of `Reason`, or 'cannot be downloaded'."""

    assets: int
    """Number of assets to download."""

    bytes: int | None
    """Bytes to download. Unset if the size of an asset is unknown."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Speed of earlier downloads to a destination, to estimate the duration of a run."""

    bytes: int
    """Received bytes."""

    seconds: float
    """Sum of the durations of all downloads, in seconds."""

    files: int
    """Number of downloads."""

    def estimate(self, size: int, unknown: int, files: int, slots: int) -> float | None:
        """Estimate the duration of a run in seconds.

        Args:
            size: Known bytes to download.
            unknown: Number of files with an unknown size. Each takes the mean duration.
            files: Number of files to download.
            slots: Maximum number of simultaneous downloads.

        Returns:
            The duration, or None without earlier downloads.
        """
        if not files:
            return 0.0
        if not (self.files and self.bytes and self.seconds > 0):
            return None
        total = size * self.seconds / self.bytes + unknown * self.seconds / self.files
        return round(total / max(1, min(slots, files)), 1)


@dataclass(frozen=True, slots=True, repr=False)
class PlanSummary(Display):
    """The totals of a plan."""

    items: dict[str, int]
    """Number of items by reason, such as `new`, `changed`, `failed before` and `present`."""

    assets: dict[str, int]
    """Number of assets by reason."""

    bytes: int
    """Total size, in bytes, of all files to download with a known size."""

    unknown: int
    """Number of files to download with an unknown size."""

    requests: int
    """Minimum number of requests: a request for each file to download."""

    seconds: float | None
    """Estimated duration in seconds, from earlier runs in the directory or `expected_speed`. Unset
    if neither is known."""

    cost: float | None
    """Cost of the known bytes, by `price_per_gb`. Unset without prices."""

    rows: tuple[PlannedItem, ...] = ()
    """The first 1,000 items, without items that are present."""

    @property
    def changes(self) -> int:
        """Number of items that are not present."""
        return sum(self.items.values()) - self.items.get(Reason.PRESENT.value, 0)

    def _shown(self) -> Shown:
        rows = ((row.collection, row.id, row.reason, row.assets, row.bytes) for row in self.rows)
        columns = ("collection", "item", "reason", "files", "bytes")
        return Shown(str(self), {}, columns, rows, self.changes)

    def __str__(self) -> str:
        parts = [f"{count:,} {reason}" for reason, count in self.items.items()]
        text = f"Items: {', '.join(parts) or 'none'}. {self.requests:,} files to download"
        text += f" ({self.bytes:,} bytes"
        text += f", {self.unknown:,} files of unknown size)" if self.unknown else ")"
        if self.seconds is not None:
            text += f", about {self.seconds:,.0f} s"
        if self.cost is not None:
            text += f", cost {self.cost:,.2f}"
        return text


@dataclass(slots=True)
class PlanTotals:
    """Counter of the items and assets of a plan.

    Args:
        prices: The option `price_per_gb`.
        slots: Maximum number of simultaneous downloads.
        expected_speed: The option `expected_speed`, in bytes per second.
        speed: Speed of earlier downloads to the destination, if known.
    """

    prices: Mapping[str, float]
    slots: int
    expected_speed: float | None = None
    speed: Speed | None = None
    _items: Counter[str] = field(default_factory=Counter)
    _assets: Counter[str] = field(default_factory=Counter)
    _bytes: int = 0
    _unknown: int = 0
    _files: int = 0
    _cost: float = 0.0
    _rows: list[PlannedItem] = field(default_factory=list)

    def add(
        self,
        id: str,
        assets: Sequence[PlannedAsset],
        collection: str | None = None,
        reason: Reason | None = None,
    ) -> None:
        """Count an item or a collection.

        Args:
            id: The id of the item or collection.
            assets: The planned assets.
            collection: The id of the item's collection, if known.
            reason: The reason to download the item. By default, the assets determine the reason.
        """
        reason = reason or item_reason(asset.reason for asset in assets)
        files = [asset for asset in assets if asset.action == "download"]
        sizes = [file.size for file in files if file.size is not None]
        size = sum(sizes)
        self._assets.update(_name(asset.reason) for asset in assets)
        self._bytes += size
        self._unknown += len(files) - len(sizes)
        self._files += len(files)
        if self.prices:
            self._cost += sum(
                (file.size or 0) / GIGABYTE * price_of(file.href or "", self.prices)
                for file in files
            )
        total = size if len(sizes) == len(files) else None
        self.add_item(PlannedItem(id, collection, _name(reason), len(files), total))

    def add_item(self, item: PlannedItem) -> None:
        """Count an item without assets to download.

        Args:
            item: The item.
        """
        self._items[item.reason] += 1
        if len(self._rows) < MAX_ITEMS and item.reason != Reason.PRESENT:
            self._rows.append(item)

    def add_present(self, count: int) -> None:
        """Count items that are present.

        Args:
            count: Number of items.
        """
        if count:
            self._items[Reason.PRESENT.value] += count

    def summary(self) -> PlanSummary:
        """Return the totals."""
        return PlanSummary(
            items=dict(self._items),
            assets=dict(self._assets),
            bytes=self._bytes,
            unknown=self._unknown,
            requests=self._files,
            seconds=self._seconds(),
            cost=round(self._cost, 4) if self.prices else None,
            rows=tuple(self._rows),
        )

    def _seconds(self) -> float | None:
        if self.expected_speed is not None:
            return None if self._unknown else round(self._bytes / self.expected_speed, 1)
        speed = self.speed or Speed(0, 0.0, 0)
        return speed.estimate(self._bytes, self._unknown, self._files, self.slots)


def _name(reason: Reason | None) -> str:
    return FAILING if reason is None else reason.value
