"""Repairs of bad files in task runs, for the flows `verify` and `audit`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from prefect import get_run_logger

from prefect_stac_asset.flows.execution.budgets.errors import left_transfer
from prefect_stac_asset.flows.execution.session import Session, open_session
from prefect_stac_asset.flows.orchestration.clients import RequiredClients
from prefect_stac_asset.flows.orchestration.units import Unit, download_units
from prefect_stac_asset.flows.parameters.credentials import (
    Credentials,
    DestinationCredentials,
    missing_credential,
)
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from stac_asset.errors import MissingCredentialError
from stac_asset.types import Outcome
from stac_asset.verify.repair import Repair, Unrepairable, repair_config
from stac_asset.verify.results import Bad, OutOfBounds
from stac_asset.verify.run import Repairs


@asynccontextmanager
async def open_repairs(
    bad: Sequence[Bad],
    options: DownloadOptions,
    granularity: Granularity,
    credentials: Credentials,
    destination_credentials: DestinationCredentials,
) -> AsyncIterator[Repairs]:
    """Open a session in which repairs are task runs.

    Args:
        bad: The verdicts of the bad files.
        options: The options of the flow.
        granularity: Work of one task run.
        credentials: Blocks that hold credentials.
        destination_credentials: The block of the directory, if any.

    Raises:
        MissingCredentialError: A credential that a repair requires is not configured.
    """
    get_run_logger().info("%d files need a repair", len(bad))
    config = repair_config(options.config())
    repair_options = options.model_copy(
        update={"overwrite": config.overwrite, "allow_local_hrefs": config.allow_local_hrefs}
    )
    limit = options.max_concurrent_downloads
    async with open_session(
        config, limit, credentials, destination_credentials, options.budgets
    ) as session:

        def download(repairs: Sequence[Repair]) -> AsyncGenerator[Outcome, None]:
            return _download(repairs, repair_options, granularity, session)

        def check_credentials(file: Unrepairable) -> None:
            _check_credentials(file, bad)

        yield Repairs(session.clients, config, download, check_credentials)


async def _download(
    repairs: Sequence[Repair],
    options: DownloadOptions,
    granularity: Granularity,
    session: Session,
) -> AsyncGenerator[Outcome, None]:
    """Download files in task runs, and yield the outcome of each.

    Raises:
        MissingCredentialError: A required credential is not configured. Nothing was downloaded.
    """
    units = [
        Unit(number, planned.owner, (planned.transfer,)) for number, planned in enumerate(repairs)
    ]
    required = RequiredClients(session.clients)
    for unit in units:
        required.add(unit.transfers)
    if units:
        await required.resolve(options)
    downloads = download_units(units, len(units), granularity, options, session)
    async with aclosing(downloads) as done:
        async for unit, outcomes in done:
            for outcome in outcomes:
                yield outcome
            if unit.is_left:
                for transfer in unit.transfers:
                    yield left_transfer(transfer, unit.left_because)


def _check_credentials(file: Unrepairable, bad: Sequence[Bad]) -> None:
    """Raise an error if the source of a repair cannot be read without a credential.

    Raises:
        MissingCredentialError: A required credential is not configured.
    """
    cause = file.error.__cause__
    if isinstance(cause, MissingCredentialError):
        verdicts = (
            verdict
            for verdict in bad
            if not isinstance(verdict, OutOfBounds) and verdict.path == file.path
        )
        raise missing_credential(next(verdicts).asset.source or "", cause)
