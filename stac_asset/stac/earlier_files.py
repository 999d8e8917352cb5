"""Internal: files of an earlier run that a new document still references.

If an asset fails, or is no longer selected, the file that an earlier run downloaded stays in place.
The new document keeps referencing this file, so that a document never names fewer files than the
destination holds. Such a file is one of these:

- The file that the earlier document names for the asset, with the size that it declares.
- The planned file of a failed asset, if it exists with the declared size and checksum. A file has
  its final name only if it is complete.
"""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pystac

from stac_asset.config import Config, selects
from stac_asset.destinations.interface import Destination
from stac_asset.destinations.location import Location, is_store
from stac_asset.errors import StacAssetError
from stac_asset.hrefs import absolute_href, is_local, is_missing, local_path
from stac_asset.notices import notice
from stac_asset.plan.owners import owner_name
from stac_asset.stac.earlier_document import EarlierDocument
from stac_asset.transfer.existing import declared_by, find_existing
from stac_asset.types import Candidate, Failed, KeptFile, Outcome, Skipped, Transfer, asset_key


async def keep_earlier_files(
    owner: pystac.Item | pystac.Collection,
    outcomes: Sequence[Outcome],
    earlier: EarlierDocument,
    config: Config,
    destination: Destination,
    is_used: Callable[[str], bool] = lambda path: False,
) -> list[Outcome]:
    """Return outcomes in which each failed asset has the file of an earlier run, if any.

    An asset that lost its href since the earlier run, and that still has its file, is skipped.

    Args:
        owner: The item or collection.
        outcomes: The outcomes of the assets.
        earlier: The document of an earlier run.
        config: The configuration, for the checks of existing files.
        destination: The destination of the files.
        is_used: Returns whether another item of the run uses a path.
    """
    if not may_keep_files(owner, outcomes, config):
        return list(outcomes)
    assets = await earlier.assets(owner)
    files = {key: _file(asset, earlier.location) for key, asset in assets.items()}
    used = {outcome.candidate.path for outcome in outcomes if not isinstance(outcome, Failed)}
    # Assets of the earlier document can share a file, such as the bands of an HDF file.
    unchanged = {outcome.candidate.path for outcome in outcomes if isinstance(outcome, Skipped)}
    kept: list[Outcome] = []
    for key in _without_href(owner, outcomes, config):
        path = files.get(key)
        if path and (path in unchanged or not (path in used or is_used(path))):
            existing = await _existing(_named_transfer(path, key, assets[key]), config, destination)
            if existing is not None:
                name = owner_name(owner)
                notice(
                    "Assets lost their href, and the document keeps the files of an earlier run",
                    f"asset '{key}' of {name}",
                )
                transfer = dataclasses.replace(existing.transfer, owner=name)
                kept.append(dataclasses.replace(existing, transfer=transfer))
    for outcome in outcomes:
        if isinstance(outcome, Failed) and outcome.kept is None:
            path, key = files.get(outcome.key), outcome.key
            others = used.union(file for other, file in files.items() if file and other != key)
            found: KeptFile | None = None
            is_free = path not in used and (
                path is None or _is_planned(outcome, path) or not is_used(path)
            )
            if path and (is_free or path in unchanged):
                found = await _named_file(path, key, assets[key], config, destination)
            if found is None:
                found = await _planned_file(outcome, others, config, destination)
            if found is not None:
                notice(
                    "Downloads failed, and the document keeps the files of an earlier run",
                    f"asset '{key}' of {outcome.owner}",
                )
                outcome = dataclasses.replace(outcome, kept=found)
        kept.append(outcome)
    return kept


async def unselected_files(
    owner: pystac.Item | pystac.Collection,
    outcomes: Sequence[Outcome],
    earlier: EarlierDocument,
    config: Config,
    destination: Destination,
    is_used: Callable[[str], bool] = lambda path: False,
) -> dict[str, KeptFile]:
    """Return the files of an earlier run for the assets that are not selected, by asset key.

    Args:
        owner: The item or collection.
        outcomes: The outcomes of the selected assets.
        earlier: The document of an earlier run.
        config: The selection, and the checks of existing files.
        destination: The destination of the files.
        is_used: Returns whether an asset of the run uses a path.
    """
    if not (config.include or config.exclude):
        return {}
    assets = await earlier.assets(owner)
    unchanged = {outcome.candidate.path for outcome in outcomes if isinstance(outcome, Skipped)}
    used = {outcome.candidate.path for outcome in outcomes if not isinstance(outcome, Failed)}
    found: dict[str, KeptFile] = {}
    for key, asset in assets.items():
        path = _file(asset, earlier.location)
        if path is None or key not in owner.assets or selects(config, key, owner.assets[key]):
            continue
        if path in unchanged or not (path in used or is_used(path)):
            file = await _named_file(path, key, asset, config, destination)
            if file is not None:
                found[key] = file
    return found


async def existing_item(
    item: pystac.Item, earlier: EarlierDocument, config: Config, destination: Destination
) -> dict[str, Any] | None:
    """Return an item of the earlier document, without the assets whose files are missing.

    Args:
        item: The item, which the new run does not download.
        earlier: The document of an earlier run.
        config: The configuration, for the checks of existing files.
        destination: The destination of the files.

    Returns:
        The item. None if the document does not have the item, or no file exists.
    """
    found = await earlier.owner(item.collection_id, str(item.id))
    assets, has_file = {}, False
    for key, asset in (await earlier.assets(item)).items():
        path = _file(asset, earlier.location)
        if path is not None:
            if await _named_file(path, key, asset, config, destination) is None:
                continue
            has_file = True
        assets[key] = asset
    return {**found, "assets": assets} if found is not None and has_file else None


def may_keep_files(
    owner: pystac.Item | pystac.Collection, outcomes: Sequence[Outcome], config: Config
) -> bool:
    """Return whether files of an earlier run can be missing from the outcomes.

    Args:
        owner: The item or collection.
        outcomes: The outcomes of the assets.
        config: The configuration, for the selected assets.
    """
    return bool(_without_href(owner, outcomes, config)) or any(
        isinstance(outcome, Failed) for outcome in outcomes
    )


def _without_href(
    owner: pystac.Item | pystac.Collection, outcomes: Sequence[Outcome], config: Config
) -> list[str]:
    """Return the keys of the selected assets that have no href, and so far no outcome."""
    missing = [
        key
        for key, asset in owner.assets.items()
        if is_missing(asset.href) and selects(config, key, asset)
    ]
    known = {asset_key(outcome) for outcome in outcomes} if missing else ()
    return [key for key in missing if key not in known]


def _named_transfer(path: str, key: str, asset: Mapping[str, Any]) -> Transfer:
    """Return the transfer of a file that the earlier document names."""
    size, checksum = asset.get("file:size"), asset.get("file:checksum")
    media_type, roles = asset.get("type"), asset.get("roles")
    return Transfer(
        owner="",
        key=key,
        candidates=(Candidate(path, path),),
        directory=posixpath.dirname(path),
        content_type=media_type if isinstance(media_type, str) else None,
        size=size if type(size) is int else None,
        checksum=checksum if isinstance(checksum, str) else None,
        roles=tuple(role for role in roles if isinstance(role, str))
        if isinstance(roles, list)
        else (),
    )


async def _named_file(
    path: str, key: str, asset: Mapping[str, Any], config: Config, destination: Destination
) -> KeptFile | None:
    """Return the file that the earlier document names, if the file is complete."""
    found = await _existing(_named_transfer(path, key, asset), config, destination)
    return KeptFile(path, found.size, asset) if found is not None else None


async def _planned_file(
    failed: Failed, others: set[str], config: Config, destination: Destination
) -> KeptFile | None:
    """Return the planned file of an asset, if complete and not of another asset."""
    transfer = failed.transfer
    if transfer is None or transfer.overwrite:  # The file is of another version.
        return None
    found = await _existing(transfer, config, destination)
    if found is None or found.candidate.path in others:
        return None
    return KeptFile(found.candidate.path, found.size)


async def _existing(transfer: Transfer, config: Config, destination: Destination) -> Skipped | None:
    config = config.copy()
    config.overwrite = False
    try:
        return await find_existing(
            transfer, declared_by(transfer), config, destination, clean_up=False
        )
    except StacAssetError:
        return None


def _is_planned(failed: Failed, path: str) -> bool:
    transfer = failed.transfer
    return transfer is not None and any(found.path == path for found in transfer.candidates)


def _file(asset: object, document: Location | None) -> str | None:
    """Return the location of the file of an asset, if the file can be in the destination."""
    href = asset.get("href") if isinstance(asset, dict) else None
    try:
        absolute = absolute_href(href, str(document))
        if is_store(str(document)):
            return absolute if is_store(absolute) else None
        return str(local_path(absolute)) if is_local(absolute) else None
    except StacAssetError:
        return None
