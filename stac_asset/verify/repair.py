"""Plans the repair of what a verification found bad: which assets are downloaded again, from where.

A document names its source by the last of its `derived_from` links. Who is to be repaired is what
the document says, who repairs is the asset of the same key in the source: the file goes where it
was, and has to have the size and the checksum that the document says.
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
from stac_asset.error_mapping import mapped
from stac_asset.errors import SourceError, StacAssetError
from stac_asset.hrefs import is_local, local_path
from stac_asset.integrity import Multihash
from stac_asset.plan.planner import Owner, Planner
from stac_asset.redact import redact_href
from stac_asset.stac.parse import Stac
from stac_asset.stac.read import read_stac
from stac_asset.types import Failed, Transfer
from stac_asset.verify.check import check
from stac_asset.verify.expected import ExpectedAsset
from stac_asset.verify.inventory import Inventory
from stac_asset.verify.results import Bad, Corrupt, Missing, OutOfBounds, Verdict

_SOURCES_AT_ONCE = 16
"""How many sources are read at the same time."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A file that can be downloaded again."""

    owner: Owner
    """The source's item or collection."""

    transfer: Transfer


@dataclass(frozen=True, slots=True)
class Unrepairable:
    """A file that cannot be downloaded again."""

    path: str
    error: StacAssetError


def repair_config(config: Config) -> Config:
    """Returns the configuration of repairs.

    A source is named by a document that may have come with the data, so it names no local file
    by default, even where it is local itself.

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
    """Yields how to repair each bad file, or why it cannot be.

    Args:
        bad: What was found. Nothing is yielded of what was refused.
        inventory: The inventory that it is from.
        clients: The clients of the run.
        config: What `repair_config` returned.
    """
    wanted, contested = _told_apart(bad, inventory)
    for verdict in contested:
        reason = "another asset has the same file, and says something else of it"
        yield Unrepairable(verdict.path, SourceError(reason))
    by_source: dict[str | None, list[Missing | Corrupt]] = {}
    for verdict in wanted:
        by_source.setdefault(verdict.asset.source, []).append(verdict)
    planner = Planner(inventory.directory, config)

    async def plan(
        entry: tuple[str | None, list[Missing | Corrupt]],
    ) -> list[Repair | Unrepairable]:
        href, verdicts = entry
        try:
            source = await _read(href, clients, config)
        except StacAssetError as error:
            return [Unrepairable(verdict.path, error) for verdict in verdicts]
        return [_plan(verdict, source, planner) for verdict in verdicts]

    sources = list(by_source.items())
    async with aclosing(bounded(plan, sources, _SOURCES_AT_ONCE)) as planned:
        async for repairs in planned:
            for repair in repairs:
                yield repair


def after_repair(bad: Bad, inventory: Inventory, errors: Mapping[str, Exception]) -> Verdict:
    """Returns what is found of an asset when all repairs have ended.

    Args:
        bad: What was found before.
        inventory: The inventory that it is from.
        errors: Why files could not be repaired, by their paths.
    """
    now = check(bad.asset, inventory)
    if not isinstance(now, Missing | Corrupt):
        return now
    error = errors.get(now.path)
    if error is not None:
        reason = error.message if isinstance(error, StacAssetError) else str(error)
        return dataclasses.replace(now, reason=f"{now.reason}, and cannot be repaired: {reason}")
    return now


def _told_apart(
    bad: Iterable[Bad], inventory: Inventory
) -> tuple[list[Missing | Corrupt], list[Missing | Corrupt]]:
    """Returns what to repair, a verdict a file, and that of which documents say different things.

    One may say so of a file that is another's, and good, to have it overwritten.
    """
    by_file = {
        os.path.realpath(verdict.path): verdict
        for verdict in bad
        if not isinstance(verdict, OutOfBounds)
    }
    contested = set()
    for asset in inventory.assets() if by_file else ():
        file = _file(asset, inventory)
        if file in by_file and _identity(asset) != _identity(by_file[file].asset):
            contested.add(file)
    return (
        [verdict for file, verdict in by_file.items() if file not in contested],
        [verdict for file, verdict in by_file.items() if file in contested],
    )


def _file(asset: ExpectedAsset, inventory: Inventory) -> str | None:
    try:
        path = inventory.file_of(asset)
    except StacAssetError:
        return None
    return os.path.realpath(path) if path is not None else None


def _identity(asset: ExpectedAsset) -> tuple[object, ...]:
    # With a checksum, it does not matter which source the bytes are from.
    source = asset.source if Multihash.parse(asset.checksum) is None else None
    return asset.owner, asset.key, source, asset.size, asset.checksum


async def _read(href: str | None, clients: Clients, config: Config) -> Stac:
    """Returns the document of a source.

    Raises:
        SourceError: There is none, or it cannot be read.
    """
    if href is None:
        raise SourceError("its document has no derived_from link to a source")
    if is_local(href) and not local_path(href).is_file():
        raise SourceError(f"there is no source {redact_href(href)}")
    return await read_stac(href, clients, config)


def _plan(verdict: Missing | Corrupt, source: Stac, planner: Planner) -> Repair | Unrepairable:
    asset = verdict.asset
    owners = [owner for owner in _owners(source) if str(owner.id) == asset.owner_id]
    owners = [owner for owner in owners if asset.key in owner.assets]
    if len(owners) != 1:
        count = "no asset" if not owners else f"{len(owners)} assets"
        error = SourceError(f"its source has {count} '{asset.key}' of {asset.owner}")
        return Unrepairable(verdict.path, error)
    [owner] = owners
    planned = planner.asset(asset.key, owner.assets[asset.key], owner)
    if isinstance(planned, Failed):
        return Unrepairable(verdict.path, mapped(planned.error, owner.assets[asset.key].href))
    stated = Multihash.parse(asset.checksum) is not None
    transfer = dataclasses.replace(
        planned,
        candidates=tuple(
            dataclasses.replace(candidate, path=verdict.path) for candidate in planned.candidates
        ),
        size=asset.size if asset.size is not None else planned.size,
        checksum=asset.checksum if stated else planned.checksum,
    )
    return Repair(owner, transfer)


def _owners(source: Stac) -> Sequence[Owner]:
    return list(source) if isinstance(source, pystac.ItemCollection) else [source]
