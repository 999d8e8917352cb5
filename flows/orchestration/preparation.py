"""Prepare the download of a run: count assets, resolve clients, and check existence."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Protocol

from prefect_stac_asset.flows.execution.session import Session
from prefect_stac_asset.flows.monitoring.monitor import Amount
from prefect_stac_asset.flows.orchestration.clients import RequiredClients
from prefect_stac_asset.flows.orchestration.existence import check_first
from prefect_stac_asset.flows.orchestration.units import Unit, download_units, is_batched
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from stac_asset.api.frozen_heap import frozen_heap
from stac_asset.destinations.location import Location, parsed_location
from stac_asset.destinations.space import check_space
from stac_asset.errors import ConfigError
from stac_asset.types import Failed, Outcome


class Distributor(Protocol):
    """Downloads the items of a run on other machines."""

    def add(self, unit: Unit) -> None:
        """Count an item, before the download begins."""

    def download(self, units: Iterable[Unit]) -> AsyncGenerator[tuple[Unit, list[Outcome]], None]:
        """Download items, and yield each item with the outcomes of all assets."""

    async def finish(self) -> None:
        """End the distribution, after the documents of the run are written."""


class RunPreparation:
    """Totals, required clients and required disk space of a run, before the first task run.

    Memory use does not grow with the number of items.

    Args:
        options: The options of the run.
        granularity: Whether a task run downloads one asset or a batch.
        session: The session of the run.
        distribution: Downloads the items on other machines. By default, this run downloads them.
    """

    def __init__(
        self,
        options: DownloadOptions,
        granularity: Granularity,
        session: Session,
        distribution: Distributor | None = None,
    ) -> None:
        self.amount = Amount()
        """Number and total size of the assets."""

        self.units = 0
        """Number of items and collections."""

        self.transfers = 0
        """Number of assets to download."""

        self._options = options
        self._granularity = granularity
        self._session = session
        self._distribution = distribution
        self._clients = RequiredClients(session.clients)
        self._first_error: Exception | None = None
        self._is_misconfigured = True
        """Whether all assets that cannot be planned fail because of the configuration."""
        self._directory: Location | None = None

    def add(self, unit: Unit) -> None:
        """Add an item.

        Args:
            unit: The item and its planned transfers.
        """
        transfers = unit.transfers
        self.units += 1
        self.transfers += len(transfers)
        self.amount.add(unit.planned)
        self.amount.has_asset_tasks = self._distribution is None and not is_batched(
            self.transfers, self._granularity, self._options
        )
        self._clients.add(transfers)
        if self._distribution is not None:
            self._distribution.add(unit)
        if self._directory is None and transfers:
            self._directory = parsed_location(transfers[0].directory)
        if len(transfers) < len(unit.planned):
            errors = [entry.error for entry in unit.planned if isinstance(entry, Failed)]
            self._first_error = self._first_error or errors[0]
            self._is_misconfigured &= all(isinstance(error, ConfigError) for error in errors)

    def check_configuration(self) -> None:
        """Check that the configuration fits the items, before a file or an artifact is written.

        Raises:
            ConfigError: No asset can be planned, because of the configuration.
        """
        if self._first_error is not None and self._is_misconfigured and not self.transfers:
            raise self._first_error

    async def begin(self, units: Callable[[], Iterable[Unit]]) -> None:
        """Resolve the clients, check the disk space, and check the assets if `check_first` is set.

        Args:
            units: Returns all items of the run.

        Raises:
            StacAssetError: An asset could not be planned, and `fail_fast` is set. No task run is
                started.
            MissingCredentialError: A required credential is not configured.
            DestinationError: The files do not fit on the disk.
            DownloadError: `check_first` is set, and assets do not exist.
        """
        if self._first_error is not None and self._options.fail_fast:
            raise self._first_error
        if self._options.check_free_space and isinstance(self._directory, Path):
            check_space(
                self.amount.known_bytes,
                lambda: (transfer for unit in units() for transfer in unit.transfers),
                self._directory,
            )
        await self._clients.resolve(self._options)
        if self._options.check_first:
            await check_first(
                units(), self.transfers, self._granularity, self._options, self._session
            )

    async def download(
        self, units: Iterable[Unit]
    ) -> AsyncGenerator[tuple[Unit, list[Outcome]], None]:
        """Download items, and yield each item with the outcomes of all assets.

        Args:
            units: The items. They are read as needed.

        Yields:
            An item, and the outcomes of its assets.
        """
        with frozen_heap(self.transfers):
            async with aclosing(self._downloads(units)) as done:
                async for unit, outcomes in done:
                    yield unit, outcomes

    def _downloads(self, units: Iterable[Unit]) -> AsyncGenerator[tuple[Unit, list[Outcome]], None]:
        if self._distribution is not None:
            return self._distribution.download(units)
        return download_units(
            units, self.transfers, self._granularity, self._options, self._session
        )

    async def finish(self) -> None:
        """Remove the documents of the distribution, after the documents of the run are written."""
        if self._distribution is not None:
            await self._distribution.finish()
