"""Internal: the planned action for each asset of a run, without downloading.

Existing files are checked, and sources are asked for sizes that items do not declare. No file or
directory is created.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from stac_asset.api.destinations import RunDestinations
from stac_asset.clients.registry import Clients
from stac_asset.config import Config
from stac_asset.destinations.location import parsed_location
from stac_asset.destinations.space import bytes_on_disk
from stac_asset.destinations.values import Declared
from stac_asset.errors import (
    ContentError,
    LoginPageError,
    NotFoundError,
    StacAssetError,
    TransferError,
)
from stac_asset.plan.reasons import Reason
from stac_asset.plan.summary import Action, PlannedAsset
from stac_asset.redact import redact_href
from stac_asset.transfer.existing import declared_by, find_existing
from stac_asset.transfer.host_limits import OpenConnection
from stac_asset.transfer.probe import ProbeResult, probe_all
from stac_asset.types import Failed, Transfer


async def planned_rows(
    planned: Sequence[Transfer | Failed],
    clients: Clients,
    destinations: RunDestinations,
    config: Config,
    limit: int,
    failed_before: Collection[tuple[str, str]] = (),
    connect: OpenConnection | None = None,
) -> list[PlannedAsset]:
    """Return the planned action for each asset, in the order of the plan.

    Args:
        planned: The planned transfers, and the assets that cannot be planned.
        clients: The clients of the run.
        destinations: The destinations of the run.
        config: The configuration of the run.
        limit: Maximum number of sources to ask at the same time.
        failed_before: Owner and key of each asset that failed in the earlier run.
        connect: Returns a connection to a host. By default, the requests have limits of their own.
    """
    rows: dict[int, PlannedAsset] = {}
    unknown: list[tuple[int, Transfer, Reason]] = []
    for index, entry in enumerate(planned):
        found = await _row_without_probe(entry, destinations, config, failed_before)
        if isinstance(found, PlannedAsset):
            rows[index] = found
        elif isinstance(entry, Transfer):
            unknown.append((index, entry, found))
    transfers = [transfer for _, transfer, _ in unknown]
    results = await probe_all(transfers, clients, config, limit, trust_sizes=True, connect=connect)
    for (index, transfer, reason), result in zip(unknown, results, strict=True):
        rows[index] = await _probed_row(transfer, reason, result, destinations)
    return [row for index, entry in enumerate(planned) for row in _with_shared(rows[index], entry)]


def _with_shared(row: PlannedAsset, entry: Transfer | Failed) -> Iterator[PlannedAsset]:
    """Yield the row of a transfer, and a row for each other asset that shares the file."""
    yield row
    for key in entry.shared_with if isinstance(entry, Transfer) else ():
        if row.action == "fail":
            yield replace(row, key=key)
        else:
            yield replace(row, key=key, action="skip", note=f"same file as asset '{entry.key}'")


async def _row_without_probe(
    entry: Transfer | Failed,
    destinations: RunDestinations,
    config: Config,
    failed_before: Collection[tuple[str, str]],
) -> PlannedAsset | Reason:
    """Return the row of an asset that fails or is skipped without a request to the source.

    If the source must be asked, return the reason to download the asset.
    """
    if isinstance(entry, Failed):
        return PlannedAsset(entry.owner, entry.key, "fail", note=_reason(entry.error))
    try:
        destination = destinations.destination_of(entry.directory)
        skipped = await find_existing(
            entry, declared_by(entry), config, destination, clean_up=False
        )
        if skipped is None:
            return await _reason_to_download(entry, destinations, config, failed_before)
    except StacAssetError as error:
        return PlannedAsset(entry.owner, entry.key, "fail", path=entry.path, note=_reason(error))
    return PlannedAsset(
        owner=entry.owner,
        key=entry.key,
        action="skip",
        href=redact_href(skipped.candidate.href),
        path=skipped.candidate.path,
        size=skipped.size,
        note="file already exists",
        reason=Reason.PRESENT,
    )


async def _reason_to_download(
    transfer: Transfer,
    destinations: RunDestinations,
    config: Config,
    failed_before: Collection[tuple[str, str]],
) -> Reason:
    """Return why an asset without a valid file is downloaded."""
    destination = destinations.destination_of(transfer.directory)
    for candidate in transfer.candidates:
        key = destination.key_of(candidate.path)
        if await destination.existing(key, Declared(), "none") is not None:
            is_asked = config.overwrite or transfer.overwrite
            return Reason.OVERWRITE if is_asked else Reason.CHANGED
    keys = (transfer.key, *transfer.shared_with)
    if any((transfer.owner, key) in failed_before for key in keys):
        return Reason.RETRY
    is_local = isinstance(parsed_location(transfer.directory), Path)
    if is_local and any(bytes_on_disk(one.path) for one in transfer.candidates):
        return Reason.RETRY  # A part file of an interrupted download.
    return Reason.NEW


async def _probed_row(
    transfer: Transfer, reason: Reason, result: ProbeResult, destinations: RunDestinations
) -> PlannedAsset:
    size = transfer.size
    if size is None and result.stat is not None:
        size = result.stat.size
    action, note = await _action(transfer, result, destinations)
    if action == "download" and size is None and note is None:
        note = "source reports no size"
    return PlannedAsset(
        owner=transfer.owner,
        key=transfer.key,
        action=action,
        href=redact_href(result.candidate.href),
        client=result.client,
        path=result.candidate.path,
        size=size,
        note=note,
        reason=None if action == "fail" else reason,
    )


async def _action(
    transfer: Transfer, result: ProbeResult, destinations: RunDestinations
) -> tuple[Action, str | None]:
    """Return the action for an asset without an existing file, and the reason if any."""
    destination = destinations.destination_of(transfer.directory)
    try:
        await destination.check(destination.key_of(result.candidate.path))
    except StacAssetError as error:
        return "fail", _reason(error)
    return probed_action(result)


def probed_action(result: ProbeResult) -> tuple[Action, str | None]:
    """Return the action for an asset from the answer of the source, and the reason if any.

    Args:
        result: The answer of the source.
    """
    match result.error:
        case None:
            return "download", None
        case NotFoundError():
            return "fail", f"missing: {result.error.message}"
        case ContentError() | LoginPageError():
            return "fail", result.error.message
        case TransferError():
            # Some servers reject the check and allow the download.
            return "download", f"source cannot be checked: {result.error.message}"
        case _:
            return "fail", result.error.message


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, StacAssetError) else str(error)
