"""Finds planned files that exist and are valid. The engine and dry runs call this."""

from __future__ import annotations

from stac_asset.config import Config
from stac_asset.destinations.interface import Destination
from stac_asset.destinations.values import Declared
from stac_asset.integrity import Multihash
from stac_asset.transfer.content import HEAD_SIZE, START_SIZE, may_be_text
from stac_asset.transfer.content_check import content_error, empty_error, needs_content
from stac_asset.types import Candidate, Skipped, Transfer


def declared_by(transfer: Transfer) -> Declared:
    """Return the size and checksum that the asset of a transfer declares.

    Args:
        transfer: The planned transfer.
    """
    return Declared(transfer.size, Multihash.parse(transfer.checksum))


async def find_existing(
    transfer: Transfer,
    declared: Declared,
    config: Config,
    destination: Destination,
    clean_up: bool = True,
) -> Skipped | None:
    """Return the outcome of a transfer if its file exists and is valid.

    Args:
        transfer: The planned transfer.
        declared: Its declared size and checksum.
        config: How to check the file. Files to overwrite are never skipped.
        destination: The destination of the transfer.
        clean_up: Remove part files of interrupted runs beside an existing file.

    Raises:
        UnsafePathError: The file is outside of the destination.
        DestinationError: A folder has the name of the file.
    """
    if config.overwrite or transfer.overwrite:
        return None
    how = "checksum" if transfer.verify else config.verify_existing
    for candidate in transfer.candidates:
        key = destination.key_of(candidate.path)
        existing = await destination.existing(key, declared, how)
        if existing is None:
            continue
        is_verified = how == "checksum" and declared.checksum is not None
        is_checked = how == "none" or is_verified
        if not is_checked and not await _can_be_asset(
            transfer, candidate, existing.size, config, destination
        ):
            continue
        if clean_up:
            await destination.remove_leftovers(key, only_outdated=True)
            await remove_other_leftovers(transfer, candidate, destination)
        checksum = transfer.checksum if is_verified else None
        return Skipped(transfer, candidate, existing.size, checksum)
    return None


async def _can_be_asset(
    transfer: Transfer,
    candidate: Candidate,
    size: int,
    config: Config,
    destination: Destination,
) -> bool:
    """Return whether an existing file is neither empty nor a web page in place of the asset.

    Earlier versions stored such files.
    """
    if not size:
        return empty_error(transfer, candidate, config) is None
    if not destination.may_hold_pages or not needs_content(transfer, size, config):
        return True
    key = destination.key_of(candidate.path)
    if not may_be_text(await destination.head(key, START_SIZE)):
        return True
    head = await destination.head(key, HEAD_SIZE)
    return content_error(transfer, candidate, head, config) is None


async def remove_other_leftovers(
    transfer: Transfer, candidate: Candidate, destination: Destination
) -> None:
    """Remove the part files of the other candidates of a finished transfer.

    Args:
        transfer: The transfer.
        candidate: The candidate whose file exists.
        destination: The destination of the transfer.
    """
    for other in transfer.candidates:
        if other.path != candidate.path:
            await destination.remove_leftovers(destination.key_of(other.path))
