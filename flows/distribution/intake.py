"""Internal: reads the items of a coordinating run, and assigns each item.

| assigned to | items |
|---|---|
| an adopted share | unfinished items of an earlier run |
| the results | items that an earlier run downloaded |
| the coordinating run | items with signed or local hrefs |
| a new share | all others |

`coordinator.Distribution` creates an `Intake` for each run.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from prefect_stac_asset.flows.distribution.active_share import ActiveShare
from prefect_stac_asset.flows.distribution.documents import item_bytes, share_bytes
from prefect_stac_asset.flows.distribution.leftovers import Leftovers
from prefect_stac_asset.flows.distribution.shares import (
    Cutter,
    Share,
    ShareItem,
    can_be_shared,
    digest_of,
    load_of,
    share_load,
)
from prefect_stac_asset.flows.execution.finished import has_file
from prefect_stac_asset.flows.orchestration.units import Unit, merged
from stac_asset.destinations import Destinations
from stac_asset.notices import notice
from stac_asset.plan.owners import owner_name
from stac_asset.types import Outcome

_MAX_ASIDE = 256
"""Maximum number of items that are not in shares. Bounds the memory of the run."""

_OWN = "This run downloads items itself that have signed or local hrefs"
"""The notice for items that no share can contain."""


class Intake:
    """Reads the items of a run as needed, and assigns the items to shares.

    Args:
        leftovers: The shares of an earlier run.
    """

    def __init__(self, leftovers: Leftovers) -> None:
        self.assets = 0
        """Number of assets of the run."""

        self.is_read = False
        """Whether the source has no more items."""

        self.own: list[Unit] = []
        """Items that the run downloads itself."""

        self._leftovers = leftovers
        self._load = 0.0
        self._source: Iterator[Unit] = iter(())
        self._cutter = Cutter[Unit](1.0)
        self._adopted: dict[str, ActiveShare] = {}
        self._known: list[tuple[Unit, list[Outcome]]] = []
        """Items with outcomes of an earlier run, before the check of the files."""
        self._again: list[Unit] = []
        """Items of an earlier run with missing files."""
        self._left: list[Unit] = []
        """Items that are left because of a budget."""
        self._reason = ""
        """Reason why further items are left."""

    @property
    def is_empty(self) -> bool:
        """Whether no item waits."""
        return self.is_read and not (self.own or self._known or self._again or self._left)

    def count(self, unit: Unit) -> None:
        """Count an item, before the download begins.

        Args:
            unit: The item with the planned transfers.
        """
        transfers = unit.transfers
        self.assets += len(transfers)
        self._load += load_of(transfers)
        if self._leftovers.unfinished and transfers:
            self._leftovers.plan(digest_of(unit))

    def begin(self, units: Iterable[Unit], adopted: Mapping[str, ActiveShare]) -> None:
        """Set the source of items.

        Args:
            units: The items. They are read as needed.
            adopted: The unfinished shares of an earlier run that continue, by name.
        """
        self._source = iter(units)
        self._cutter = Cutter(share_load(self._load))
        for share in adopted.values():
            self._adopted |= {item.digest: share for item in share.share.items}

    def shares(self, count: int) -> Iterator[ActiveShare]:
        """Yield new shares, which are not written yet.

        Args:
            count: Maximum number of shares.
        """
        while count > 0 and not self.is_read and self._aside < _MAX_ASIDE:
            unit = self._again.pop() if self._again else next(self._source, None)
            self.is_read = unit is None
            units = self._cutter.rest() if unit is None else self._assigned(unit)
            if self._reason:  # Items that were added before the budget was reached.
                for one in units:
                    self.leave(one, self._reason)
                continue
            share = self._share_of(units)
            if share is not None:
                count -= 1
                yield share

    async def finished(self, destinations: Destinations) -> list[tuple[Unit, list[Outcome]]]:
        """Return items that need no download, with the outcomes.

        These items have an earlier result and existing files, or are left because of a budget.

        Args:
            destinations: The destinations of the run.
        """
        ended: list[tuple[Unit, list[Outcome]]] = [(unit, []) for unit in self._left]
        self._left = []
        for unit, outcomes in self._known:
            found = await asyncio.gather(*(has_file(one, destinations) for one in outcomes))
            if all(found):
                ended.append((unit, merged(unit, outcomes)))
            else:
                self._again.append(unit)
                self.is_read = False
        self._known = []
        return ended

    def leave(self, unit: Unit, reason: str) -> None:
        """Leave an item, and all items that are not in shares yet, because of a budget.

        Args:
            unit: The item.
            reason: The reason, as a sentence without a final period.
        """
        notice(reason, owner_name(unit.owner))
        self._left.append(replace(unit, left_because=reason))
        self._reason = reason

    @property
    def _aside(self) -> int:
        """Number of items that are not in shares."""
        return len(self.own) + len(self._known) + len(self._left)

    def _assigned(self, unit: Unit) -> list[Unit]:
        """Assign an item, and return the items of a complete share."""
        digest = digest_of(unit) if self._leftovers.ids else ""
        if not unit.transfers:
            self._known.append((unit, []))
        elif digest in self._leftovers.finished:
            self._known.append((unit, self._leftovers.finished.pop(digest)))
        elif digest in self._adopted:
            self._adopted.pop(digest).units[digest] = unit
        elif not can_be_shared(unit.transfers):
            notice(_OWN, unit.transfers[0].owner)
            self.own.append(unit)
        elif self._reason:
            self.leave(unit, self._reason)
        else:
            return self._cutter.add(unit, load_of(unit.transfers))
        return []

    def _share_of(self, units: list[Unit]) -> ActiveShare | None:
        items, rows, found = [], [], dict[str, Unit]()
        for unit in units:
            item = ShareItem(digest_of(unit), tuple(unit.transfers))
            row = item_bytes(item)
            if row is None or item.digest in found:
                self.own.append(unit)
                continue
            items.append(item)
            rows.append(row)
            found[item.digest] = unit
        if not items:
            return None
        directory = items[0].transfers[0].directory
        share = Share(uuid.uuid4().hex, directory, tuple(items))
        return ActiveShare(share, found, document=share_bytes(directory, rows))
