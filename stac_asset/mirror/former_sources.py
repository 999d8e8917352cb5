"""Finds former addresses of a source, to detect removed items after a change of the address.

An item is identified by its collection and id. If a search returns items that the mirror recorded
for another address, that address is a former address of the source. A directory can also hold items
of several sources. Therefore an item of a former address counts as removed only if the former
address does not have the item either, or does not exist any more.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from stac_asset.clients.registry import Clients
from stac_asset.config import Config
from stac_asset.errors import ConnectionFailedError, NotFoundError, SourceError, StacAssetError
from stac_asset.hrefs import is_local, local_path
from stac_asset.mirror.changes import ChangeSet
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.sources.open import open_source
from stac_asset.mirror.sources.stac_api import StacApi
from stac_asset.notices import notice
from stac_asset.redact import redact_href


def former_sources(changes: ChangeSet, source: str) -> set[str]:
    """Return the former addresses of a source.

    Args:
        changes: Differences between source and mirror, after the search.
        source: The unsigned href of the source.
    """
    return changes.sources - {source}


async def still_at(source: str, keys: Iterable[Key], clients: Clients, config: Config) -> set[Key]:
    """Return the items that a former address still has, or may still have.

    Args:
        source: The former address.
        keys: The items.
        clients: The clients of the run.
        config: The configuration, for the number of attempts.
    """
    wanted = set(keys)
    try:
        with tempfile.TemporaryDirectory(prefix="stac-asset-") as scratch:
            former = await open_source(source, clients, config, Path(scratch))
            if not isinstance(former, StacApi):
                # Only items that a search has read are found by id.
                async for _ in former.items(Criteria(), Window()):
                    pass
                if not former.is_complete:
                    raise SourceError("the source cannot be read as a whole")
            there = {item.key async for item in former.items_by_id(wanted)}
            return wanted & (there | former.undecided)
    except StacAssetError as error:
        if _is_gone(source, error):
            return set()
        notice(
            "Removed items are not detected, because the former address of the source does not "
            "answer",
            f"{redact_href(source)}: {error}",
        )
        return wanted


def _is_gone(source: str, error: BaseException) -> bool:
    """Return whether an error shows that an address does not exist."""
    if is_local(source):
        return not local_path(source).exists()
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, NotFoundError | ConnectionFailedError):
            return True
        cause = cause.__cause__
    return False
