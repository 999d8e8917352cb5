"""Rewrite the items of an item collection, with the files and items of an earlier run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pystac

from prefect_stac_asset.flows.orchestration.units import Unit
from stac_asset.config import Config
from stac_asset.destinations import Destination
from stac_asset.destinations.location import Location
from stac_asset.plan.planner import Planner
from stac_asset.rewrite.rewriter import make_files_relative, rewrite
from stac_asset.rewrite.serialize import document_of
from stac_asset.stac.earlier_document import EarlierDocument, would_be_empty
from stac_asset.stac.earlier_files import existing_item, keep_earlier_files, unselected_files
from stac_asset.types import Outcome


class EarlierItems:
    """The item collection of an earlier run.

    Args:
        document: The location of the document.
        config: The configuration of the run.
        planner: The planner of the run, after all items are planned.
        destination: The destination of the run.
    """

    def __init__(
        self,
        document: Location,
        config: Config,
        planner: Planner[Location],
        destination: Destination,
    ) -> None:
        self._document = document
        self._config = config
        self._planner = planner
        self._destination = destination
        self._earlier = EarlierDocument(document, self._destination)
        self._is_empty = True
        self._has_failed = False

    async def rewritten(
        self, unit: Unit, outcomes: Sequence[Outcome]
    ) -> tuple[list[Outcome], dict[str, Any] | None]:
        """Return the outcomes with files of the earlier run, and the document of the item.

        Args:
            unit: The item.
            outcomes: The outcomes of the assets.

        Returns:
            The outcomes, and the document. A document that is not a valid item has the document of
            the earlier run, if any.
        """
        if unit.invalid is not None:
            document = await self._earlier.item(unit.invalid)
            self._is_empty &= document is None
            return list(outcomes), document
        assert isinstance(unit.owner, pystac.Item)
        kept = await keep_earlier_files(
            unit.owner,
            outcomes,
            self._earlier,
            self._config,
            self._destination,
            self._planner.is_used,
        )
        is_failed = would_be_empty(kept, self._config)
        self._is_empty &= is_failed
        self._has_failed |= is_failed
        unselected = await unselected_files(
            unit.owner,
            kept,
            self._earlier,
            self._config,
            self._destination,
            self._planner.is_used,
        )
        new = rewrite(unit.owner, kept, self._config, unselected=unselected)
        document = document_of(new)
        if not self._config.absolute_hrefs:
            make_files_relative(document, kept, self._document, unselected)
        return kept, document

    async def kept(self, unit: Unit) -> dict[str, Any] | None:
        """Return the document of the earlier run for an item that this run leaves, if any.

        Args:
            unit: The item.
        """
        assert isinstance(unit.owner, pystac.Item)
        document = await existing_item(unit.owner, self._earlier, self._config, self._destination)
        self._is_empty &= document is None
        return document

    async def is_left(self) -> bool:
        """Return whether no document is written.

        All assets failed, or the run has no items to write in place of an earlier document.
        """
        return self._is_empty and (self._has_failed or await self._earlier.exists())
