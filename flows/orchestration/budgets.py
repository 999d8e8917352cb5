"""Admission of items: whether the budgets of a run have the bytes that an item needs.

An item that does not fit is left for the next run. The sizes of files that exist do not count, and
neither do other providers. While items are in progress, an item that does not fit waits for them,
because they can need fewer bytes than their documents declare, for example to resume part files.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, TypeVar

from rich.filesize import decimal

from prefect_stac_asset.flows.execution.budgets.meters import BudgetMeter, Reservation
from prefect_stac_asset.flows.execution.budgets.session import SessionMeters, reserved
from prefect_stac_asset.flows.execution.session import Session
from stac_asset.errors import StacAssetError
from stac_asset.hrefs import parse_href
from stac_asset.notices import notice
from stac_asset.plan.owners import Owner, owner_name
from stac_asset.transfer.existing import declared_by, find_existing
from stac_asset.transfer.known_hosts import endpoint_of
from stac_asset.types import Transfer


class BudgetItem(Protocol):
    """An item with planned transfers."""

    @property
    def number(self) -> int:
        """Position in the source, from 0."""

    @property
    def owner(self) -> Owner:
        """The item or collection."""

    @property
    def transfers(self) -> list[Transfer]:
        """The transfers."""


_T = TypeVar("_T", bound=BudgetItem)
_R = TypeVar("_R")


class _Decision(Enum):
    TAKEN = "taken"
    LATER = "later"
    """The item may fit after the items of the same batch."""
    LEFT = "left"


@dataclass(slots=True, eq=False)
class Held:
    """The reservations of items that are downloaded together."""

    reservations: dict[BudgetMeter, Reservation] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of reserved bytes."""
        return sum(one.size for one in self.reservations.values())


@dataclass(slots=True)
class _Item:
    """An item with assets that are downloaded in separate task runs."""

    held: Held
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    verdict: _Decision | None = None
    ended: int = 0
    """Number of assets that have ended."""


class Admission:
    """Decides which items of a run are taken.

    Args:
        session: The session of the flow.
        meters: The meters of its budgets.
    """

    def __init__(self, session: Session, meters: SessionMeters) -> None:
        self._session = session
        self._meters = meters
        self.reasons: dict[int, str] = {}
        """Reasons why items are left, by the number of the item."""
        self._reached: set[BudgetMeter] = set()
        self._held: list[Held] = []
        self._released = asyncio.Event()
        """Set at the next release of reservations, and then replaced."""
        self._items: dict[int, _Item] = {}

    @contextmanager
    def hold(self) -> Iterator[Held]:
        """Hold the reservations of items that are downloaded together, until the context ends."""
        held = Held()
        self._held.append(held)
        try:
            yield held
        finally:
            self._release(held)

    @asynccontextmanager
    async def asset_of(self, item: BudgetItem) -> AsyncIterator[bool]:
        """Admit the item of an asset once, and hold its reservations until all assets have ended.

        Args:
            item: The item.

        Yields:
            Whether the item is taken.
        """
        found = self._items.get(item.number)
        if found is None:
            found = self._items[item.number] = _Item(Held())
            self._held.append(found.held)
        try:
            async with found.turn:
                if found.verdict is None:
                    found.verdict = await self._admit(item, found.held)
            with reserved(found.held.reservations):
                yield found.verdict is _Decision.TAKEN
        finally:
            found.ended += 1
            if found.ended == len(item.transfers):
                del self._items[item.number]
                self._release(found.held)

    async def download_together(
        self, items: Sequence[_T], download: Callable[[list[_T]], Awaitable[list[_R]]]
    ) -> tuple[list[_R], list[_T]]:
        """Download the items of a batch that are taken, together as far as possible.

        Args:
            items: The items.
            download: Downloads items, and returns a result for each.

        Returns:
            The results, and the items that are left.
        """
        rest, results, left = deque(items), list[_R](), list[_T]()
        while rest:
            with self.hold() as held:
                taken = list[_T]()
                while rest:
                    verdict = await self._admit(rest[0], held)
                    if verdict is _Decision.LATER:
                        break
                    (taken if verdict is _Decision.TAKEN else left).append(rest.popleft())
                if taken:
                    with reserved(held.reservations):
                        results += await download(taken)
        return results, left

    async def _admit(self, item: BudgetItem, held: Held) -> _Decision:
        found = [(one, meter) for one in item.transfers for meter in await self._meters_of(one)]
        if not found:
            return _Decision.TAKEN
        if await self._reserve(_needs(found), held) is None:
            return _Decision.TAKEN
        missing = {one for one in item.transfers if await self._is_missing(one)}
        needs = _needs([(one, meter) for one, meter in found if one in missing])
        while True:
            released = self._released
            refused = await self._reserve(needs, held)
            if refused is None:
                return _Decision.TAKEN
            if refused not in self._reached:
                if held.size:
                    return _Decision.LATER
                if any(other.size for other in self._held):
                    await released.wait()
                    continue
            self._leave(item, refused, needs[refused])
            return _Decision.LEFT

    async def _reserve(self, needs: Counter[BudgetMeter], held: Held) -> BudgetMeter | None:
        """Reserve the bytes of an item, or return the budget that does not have as many."""
        done: list[tuple[Reservation, int]] = []
        for meter in needs:
            if meter in self._reached:
                return meter
        for meter, size in needs.items():
            reservation = held.reservations.get(meter)
            if reservation is None:
                reservation = held.reservations[meter] = meter.reserve()
            if not await self._meters.admit(meter, size, reservation):
                for other, reserved_size in done:
                    other.size -= reserved_size
                return meter
            done.append((reservation, size))
        return None

    def _release(self, held: Held) -> None:
        self._held.remove(held)
        for meter, reservation in held.reservations.items():
            meter.release(reservation)
        self._released.set()
        self._released = asyncio.Event()

    def _leave(self, item: BudgetItem, meter: BudgetMeter, size: int) -> None:
        """Note that an item is left because of a budget."""
        limit = meter.budget.bytes_per_30_days or 0
        shown = f"'{meter.budget.name}' of {decimal(limit)} in 30 days"
        if size > limit:
            condition = (
                f"Items need more bytes than budget {shown} has, so every run leaves them. "
                "Increase `bytes_per_30_days`"
            )
        else:
            self._reached.add(meter)
            condition = f"Budget {shown} is reached, so items are left for the next run"
        self.reasons[item.number] = condition
        notice(condition, owner_name(item.owner))

    async def _meters_of(self, transfer: Transfer) -> list[BudgetMeter]:
        """Return the meters of the budgets that limit the bytes of a transfer."""
        candidate = transfer.candidates[0]
        try:
            url = parse_href(candidate.href)
            client = await self._session.clients.client_of(url)
        except StacAssetError:
            return []  # The download of this asset raises the error.
        if not url.host:
            return []
        found = self._meters.meters_of(url.host, endpoint_of(url, candidate.storage, client))
        return [meter for meter in found if meter.budget.bytes_per_30_days is not None]

    async def _is_missing(self, transfer: Transfer) -> bool:
        destination = self._session.destination_of(transfer.directory)
        declared, config = declared_by(transfer), self._session.config
        try:
            found = await find_existing(transfer, declared, config, destination, clean_up=False)
        except StacAssetError:
            return True
        return found is None


def _needs(found: Sequence[tuple[Transfer, BudgetMeter]]) -> Counter[BudgetMeter]:
    """Return the bytes that transfers need, by budget. A file of unknown size counts as a byte."""
    needs: Counter[BudgetMeter] = Counter()
    for transfer, meter in found:
        needs[meter] += 1 if transfer.size is None else transfer.size
    return +needs
