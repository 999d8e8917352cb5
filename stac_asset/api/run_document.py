"""Internal: the document of a run, which replaces the document of an earlier run.

`Run` calls these methods after the transfers. If assets failed or are no longer selected, the new
document keeps the files of the earlier document.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import TypeVar

import pystac

from stac_asset.config import Config
from stac_asset.destinations import Destination
from stac_asset.destinations.location import Location
from stac_asset.plan.work import PlannedRun
from stac_asset.rewrite.rewriter import make_files_relative, rewrite, rewrite_collection
from stac_asset.rewrite.serialize import document_of, json_bytes
from stac_asset.stac.earlier_document import EarlierDocument, replace_document, would_be_empty
from stac_asset.stac.earlier_files import keep_earlier_files, unselected_files
from stac_asset.stac.item_collections import ReadItems
from stac_asset.stac.parse import item_of
from stac_asset.types import KeptFile, Outcome

_Owner = TypeVar("_Owner", pystac.Item, pystac.Collection)


class RunDocument:
    """The document of an item, a collection or an item collection.

    Args:
        work: The plan, with the location of the document. Without a location, only the object is
            rewritten.
        config: The configuration of the run.
        destination: The open destination of the run.
        is_used: Returns whether a planned asset uses a path.
        keep_non_downloaded: Keep assets on the objects that were not selected for download.
    """

    def __init__(
        self,
        work: PlannedRun,
        config: Config,
        destination: Destination,
        is_used: Callable[[str], bool],
        keep_non_downloaded: bool,
    ) -> None:
        self._work = work
        self._config = config
        self._destination = destination
        self._is_used = is_used
        self._keep_non_downloaded = keep_non_downloaded
        self.location: Location | None = None
        """The location of the document. None if no run has written the document."""
        self.is_written = False
        """Whether this run has written the document."""

    async def replace(self, owner: _Owner, outcomes: list[Outcome]) -> _Owner:
        """Rewrite an item or collection, write the document, and return the new object.

        Args:
            owner: The item or collection. The object is not modified.
            outcomes: The outcomes of the assets.

        Raises:
            DestinationError: The document cannot be written.
        """

        async def build(earlier: EarlierDocument) -> tuple[_Owner, bytes | None]:
            kept = await self._keep_earlier_files(owner, outcomes, earlier)
            unselected = await self._unselected_files(owner, kept, earlier)
            new = rewrite(
                owner,
                kept,
                self._config,
                self._work.document,
                self._keep_non_downloaded,
                unselected,
            )
            if self._work.document is None:
                return new, None
            if await self._is_left(kept, earlier):
                return new, None
            return new, json_bytes(document_of(new))

        return await replace_document(self._work.document, self._destination, build)

    async def replace_items(
        self, items: pystac.ItemCollection, outcomes: list[list[Outcome]]
    ) -> pystac.ItemCollection:
        """Rewrite an item collection, write the document, and return the new object.

        Args:
            items: The item collection. The object is not modified.
            outcomes: The outcomes of the assets of each item.

        Raises:
            DestinationError: The document cannot be written.
        """

        async def build(earlier: EarlierDocument) -> tuple[pystac.ItemCollection, bytes | None]:
            return await self._rewritten_items(items, outcomes, earlier)

        return await replace_document(self._work.document, self._destination, build)

    async def _rewritten_items(
        self,
        items: pystac.ItemCollection,
        outcomes: list[list[Outcome]],
        earlier: EarlierDocument,
    ) -> tuple[pystac.ItemCollection, bytes | None]:
        """Return the rewritten item collection, and the JSON document to write, if any."""
        work = self._work
        outcomes = [
            await self._keep_earlier_files(item, of_item, earlier)
            for item, of_item in zip(work.items, outcomes, strict=True)
        ]
        unselected = [
            await self._unselected_files(item, of_item, earlier)
            for item, of_item in zip(work.items, outcomes, strict=True)
        ]
        rewritten = [
            rewrite(item, of_item, self._config, None, self._keep_non_downloaded, others)
            for item, of_item, others in zip(work.items, outcomes, unselected, strict=True)
        ]
        for invalid in items.invalid if isinstance(items, ReadItems) else ():
            before = await earlier.item(invalid)
            if before is not None:
                rewritten.append(item_of(before, str(work.document)))
        new = rewrite_collection(items, rewritten)
        of_all = [*work.invalid, *chain.from_iterable(outcomes)]
        if await self._is_left(of_all, earlier):
            return new, None
        document = document_of(new)
        if work.document is not None and not self._config.absolute_hrefs:
            # The items of an earlier run, after the items of this run, have no outcomes.
            of_items = zip(document["features"], outcomes, unselected, strict=False)
            for feature, of_item, others in of_items:
                make_files_relative(feature, of_item, work.document, others)
        return new, json_bytes(document) if work.document is not None else None

    async def _is_left(self, outcomes: list[Outcome], earlier: EarlierDocument) -> bool:
        """Return whether no document is written, because all assets failed."""
        is_empty = would_be_empty(outcomes, self._config)
        self.is_written = self._work.document is not None and not is_empty
        has_document = self.is_written or await earlier.exists()
        self.location = self._work.document if has_document else None
        return is_empty

    async def _keep_earlier_files(
        self,
        owner: pystac.Item | pystac.Collection,
        outcomes: list[Outcome],
        earlier: EarlierDocument,
    ) -> list[Outcome]:
        return await keep_earlier_files(
            owner, outcomes, earlier, self._config, self._destination, self._is_used
        )

    async def _unselected_files(
        self,
        owner: pystac.Item | pystac.Collection,
        outcomes: list[Outcome],
        earlier: EarlierDocument,
    ) -> dict[str, KeptFile]:
        return await unselected_files(
            owner, outcomes, earlier, self._config, self._destination, self._is_used
        )
