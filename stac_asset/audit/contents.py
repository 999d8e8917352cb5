"""Differences that only the contents of files show: checksums, and web pages in place of files."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping
from contextlib import aclosing

from stac_asset.audit.differences import Difference, Kind
from stac_asset.config import Config
from stac_asset.destinations import Destinations
from stac_asset.destinations.location import Location
from stac_asset.mirror.layout import document_path
from stac_asset.mirror.source_item import Key
from stac_asset.verify.check import check_all
from stac_asset.verify.expected import ExpectedAsset
from stac_asset.verify.inventory import take_inventory
from stac_asset.verify.results import Bad, Corrupt, Missing, OutOfBounds

Reported = Collection[tuple[Key | None, str | None]]
"""Items and assets that are reported already."""


async def content_differences(
    directory: Location,
    destinations: Destinations,
    config: Config,
    keys: Iterable[Key],
    reported: Reported,
    on_file: Callable[[], object],
) -> AsyncGenerator[Difference, None]:
    """Read all files of a mirror, and yield the files that differ from the documents.

    Args:
        directory: The mirror, which has at least one item.
        destinations: The destinations of the run.
        config: Which content of files is accepted.
        keys: The items of the mirror.
        reported: Items and assets of missing and corrupt files, which are left out.
        on_file: Called after each file.

    Raises:
        SourceError: The documents cannot be read.
        DestinationError: A request failed.
    """
    documents = {f"{directory}/{document_path(key)}": key for key in keys}
    inventory = await take_inventory(str(directory), destinations)
    checking = check_all(inventory, config=config, read=True, selects=_asset_of(documents))
    async with aclosing(checking) as verdicts:
        async for verdict in verdicts:
            on_file()
            if isinstance(verdict, Missing | Corrupt | OutOfBounds):
                key = documents[verdict.asset.document]
                if (key, verdict.asset.key) not in reported:
                    yield _difference(verdict, key, f"{directory}/")


def _asset_of(documents: Mapping[str, Key]) -> Callable[[ExpectedAsset], bool]:
    """Return the function that selects the assets of items of the mirror."""
    return lambda asset: asset.document in documents


def _difference(verdict: Bad, key: Key, base: str) -> Difference:
    kind = Kind.MISSING if isinstance(verdict, Missing) else Kind.CORRUPT
    path = None if isinstance(verdict, OutOfBounds) else verdict.path.removeprefix(base)
    return Difference(kind, verdict.reason, key, verdict.asset.key, path)
