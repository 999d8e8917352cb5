"""What a run knows of all its items before the first task, and does before the first download."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable

from prefect_stac_asset.flows.execution.session import Session
from prefect_stac_asset.flows.orchestration.clients import RequiredClients
from prefect_stac_asset.flows.orchestration.existence import check_first
from prefect_stac_asset.flows.orchestration.units import Unit, download_units
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from prefect_stac_asset.flows.reporting.monitor import Amount
from stac_asset.types import Failed, Outcome


class RunPreparation:
    """What lies ahead of a run, gathered in memory that does not grow with it.

    Args:
        options: How to download.
        granularity: What a task run is.
        session: The session of the run.
    """

    def __init__(
        self, options: DownloadOptions, granularity: Granularity, session: Session
    ) -> None:
        self.amount = Amount()
        self.units = 0
        """How many items there are."""

        self.transfers = 0
        """How many assets there are to download."""

        self._options = options
        self._granularity = granularity
        self._session = session
        self._hosts = RequiredClients(session.clients)
        self._first: Exception | None = None

    def add(self, unit: Unit) -> None:
        """Takes note of an item.

        Args:
            unit: The item, and what is planned of it.
        """
        transfers = unit.transfers
        self.units += 1
        self.transfers += len(transfers)
        self.amount.add(unit.planned)
        self._hosts.add(transfers)
        if self._first is None and len(transfers) < len(unit.planned):
            self._first = next(one.error for one in unit.planned if isinstance(one, Failed))

    async def begin(self, units: Iterable[Unit] = ()) -> None:
        """Does what comes before the first download.

        Args:
            units: The items, where they may have to be checked first.

        Raises:
            StacAssetError: With `fail_fast`, the error of the first asset that cannot be planned:
                there is no task run then.
            MissingCredentialError: A credential is missing.
            DownloadError: Assets do not exist, and they were to be checked first.
        """
        if self._options.fail_fast and self._first is not None:
            raise self._first
        await self._hosts.resolve(self._options)
        if self._options.check_first:
            await check_first(
                units, self.transfers, self._granularity, self._options, self._session
            )

    def download(self, units: Iterable[Unit]) -> AsyncGenerator[tuple[Unit, list[Outcome]], None]:
        """Downloads items, and yields each with what became of its assets.

        Args:
            units: The items; they are drawn as they can be worked on.
        """
        return download_units(
            units, self.transfers, self._granularity, self._options, self._session
        )
