"""Plans the repair of bad files: which assets are downloaded again, and from which source.

The source of an item or collection is the target of its last `derived_from` link. A bad file is
replaced by the asset with the same key in the source. The download is written to the same path, and
checked against the size and checksum in the local document.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import pystac

from stac_asset.clients.registry import Clients
from stac_asset.concurrency import bounded
from stac_asset.config import Config
from stac_asset.destinations.location import Location
from stac_asset.error_mapping import mapped
from stac_asset.errors import SourceError, StacAssetError
from stac_asset.hrefs import is_local, local_path
from stac_asset.integrity import Multihash
from stac_asset.plan.owners import Owner
from stac_asset.plan.planner import Planner
from stac_asset.redact import redact_href
from stac_asset.stac.local_facts import facts_of
from stac_asset.stac.parse import Stac
from stac_asset.stac.read import read_stac
from stac_asset.types import Failed, Transfer
from stac_asset.verify.check import check
from stac_asset.verify.expected import ExpectedAsset
from stac_asset.verify.inventory import Inventory
from stac_asset.verify.results import Bad, Corrupt, Missing, OutOfBounds, Verdict

_MAX_SOURCES = 16
"""Maximum number of sources that are read at the same time."""

REPAIR_FAILED = ", and the repair failed: "
"""Text between the reason of a difference and the error of the repair."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A file that can be downloaded again."""

    owner: Owner
    """The item or collection in the source."""

    transfer: Transfer
    """The download of the file."""


@dataclass(frozen=True, slots=True)
class Unrepairable:
    """A file that cannot be downloaded again."""

    path: str
    """The location of the file: an absolute path, or a URL."""

    error: StacAssetError
    """The reason."""


def repair_config(config: Config) -> Config:
    """Return the configuration for repairs.

    A document may have come with the data, and its `derived_from` link is not trusted. So by
    default, no source may reference local files, not even a local source.

    Args:
        config: The configuration of the verification.
    """
    changed = config.copy()
    changed.overwrite = True
    changed.allow_local_hrefs = bool(config.allow_local_hrefs)
    return changed


async def plan_repairs(
    bad: Iterable[Bad], inventory: Inventory, clients: Clients, config: Config
) -> AsyncGenerator[Repair | Unrepairable, None]:
    """Read the sources of bad files, and yield a planned repair or an error for each file.

    Args:
        bad: The bad verdicts. Files out of bounds are ignored.
        inventory: The inventory of the documents.
        clients: The clients of the run.
        config: The result of `repair_config`.
    """
    repairable, conflicting = await _separate_conflicting(bad, inventory)
    for verdict in conflicting:
        reason = "another asset references the same file and declares different facts"
        yield Unrepairable(verdict.path, SourceError(reason))
    by_source: dict[str | None, list[Missing | Corrupt]] = {}
    for verdict in repairable:
        by_source.setdefault(verdict.asset.source, []).append(verdict)
    planner: Planner[Location] = Planner(inventory.directory, config, facts_of(inventory.directory))

    async def plan_source(
        entry: tuple[str | None, list[Missing | Corrupt]],
    ) -> list[Repair | Unrepairable]:
        href, verdicts = entry
        try:
            source = await _read(href, clients, config)
        except StacAssetError as error:
            return [Unrepairable(verdict.path, error) for verdict in verdicts]
        return [_plan_repair(verdict, source, planner) for verdict in verdicts]

    sources = list(by_source.items())
    async with aclosing(bounded(plan_source, sources, _MAX_SOURCES)) as planned:
        async for repairs in planned:
            for repair in repairs:
                yield repair


async def after_repair(
    bad: Bad,
    inventory: Inventory,
    errors: Mapping[str, Exception],
    config: Config,
    read: bool = False,
) -> Verdict:
    """Check an asset again after all repairs, and add the error of a failed repair to the reason.

    Args:
        bad: The verdict before the repairs.
        inventory: The inventory of the document.
        errors: The errors of failed repairs, by the paths of the files.
        config: Which content of files is accepted.
        read: Read the file if the asset declares a checksum.
    """
    verdict = await check(bad.asset, inventory, config, read)
    if not isinstance(verdict, Missing | Corrupt):
        return verdict
    error = errors.get(verdict.path)
    if error is not None:
        reason = error.message if isinstance(error, StacAssetError) else str(error)
        reason = f"{verdict.reason}{REPAIR_FAILED}{reason}"
        return dataclasses.replace(verdict, reason=reason)
    return verdict


async def _separate_conflicting(
    bad: Iterable[Bad], inventory: Inventory
) -> tuple[list[Missing | Corrupt], list[Missing | Corrupt]]:
    """Separate repairable files from files with conflicting declarations.

    Declarations conflict if two assets reference the same file, and differ in owner, size, checksum
    or source. Otherwise a malicious document could reference the file of another item, and a repair
    would overwrite the file. Assets of one owner with the same source share a file.

    Returns:
        A verdict for each repairable file, and for each file with conflicting declarations.
    """
    by_file = {
        inventory.destination.real_key(verdict.path): verdict
        for verdict in bad
        if not isinstance(verdict, OutOfBounds)
    }
    conflicting = set()
    if by_file:
        async with aclosing(inventory.batches()) as batches:
            async for assets in batches:
                for asset in assets:
                    file = _key(asset, inventory)
                    if file in by_file and _identity(asset) != _identity(by_file[file].asset):
                        conflicting.add(file)
    return (
        [verdict for file, verdict in by_file.items() if file not in conflicting],
        [verdict for file, verdict in by_file.items() if file in conflicting],
    )


def _key(asset: ExpectedAsset, inventory: Inventory) -> str | None:
    """Return the key of an asset's file, if the file can be checked."""
    try:
        return inventory.key_of(asset)
    except StacAssetError:
        return None


def _identity(asset: ExpectedAsset) -> tuple[object, ...]:
    """Return the facts in which all assets of one file must agree."""
    # If a checksum is declared, the bytes of any source are equally good.
    source = asset.source if Multihash.parse(asset.checksum) is None else None
    return asset.owner, source, asset.size, asset.checksum


async def _read(href: str | None, clients: Clients, config: Config) -> Stac:
    """Read the source document of a repair.

    Raises:
        SourceError: The source is not declared, does not exist, or cannot be read.
    """
    if href is None:
        raise SourceError("the document has no `derived_from` link to a source")
    if is_local(href) and not os.path.isfile(local_path(href)):
        raise SourceError(f"the source {redact_href(href)} does not exist")
    return await read_stac(href, clients, config, follow_next=False)


def _plan_repair(
    verdict: Missing | Corrupt, source: Stac, planner: Planner[Location]
) -> Repair | Unrepairable:
    asset = verdict.asset
    is_described = asset.size is not None or asset.checksum is not None
    if isinstance(verdict, Corrupt) and verdict.is_other_content and is_described:
        reason = f"{asset.document} describes this content. Download the {asset.owner} again"
        return Unrepairable(verdict.path, SourceError(reason))
    owners = [owner for owner in _owners(source) if str(owner.id) == asset.owner_id]
    owners = [owner for owner in owners if asset.key in owner.assets]
    if len(owners) != 1:
        count = "no asset" if not owners else f"{len(owners)} assets"
        error = SourceError(f"the source has {count} '{asset.key}' of {asset.owner}")
        return Unrepairable(verdict.path, error)
    [owner] = owners
    planned = planner.asset(asset.key, owner.assets[asset.key], owner)
    if isinstance(planned, Failed):
        return Unrepairable(verdict.path, mapped(planned.error, owner.assets[asset.key].href))
    has_checksum = Multihash.parse(asset.checksum) is not None
    transfer = dataclasses.replace(
        planned,
        candidates=tuple(
            dataclasses.replace(candidate, path=verdict.path) for candidate in planned.candidates
        ),
        size=asset.size if asset.size is not None else planned.size,
        checksum=asset.checksum if has_checksum else planned.checksum,
    )
    return Repair(owner, transfer)


def _owners(source: Stac) -> Sequence[Owner]:
    return list(source) if isinstance(source, pystac.ItemCollection) else [source]
