"""Records of a search for the next run.

The records are the time up to which all items are mirrored, and the position at which the search
failed. `mirror.run` calls these functions. Functions that write block.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime

from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import rfc3339
from stac_asset.mirror.state.index import MirrorState, write_positions, write_searched
from stac_asset.mirror.storage.interface import MirrorStorage


class SearchRecords:
    """The records of a search in the state of a mirror.

    Args:
        storage: The files of the mirror.
        state: State of the mirror. Its records are changed.
        criteria: Criteria of the search.
        search: Digest of the search.
    """

    def __init__(
        self, storage: MirrorStorage, state: MirrorState, criteria: Criteria, search: str
    ) -> None:
        self._storage = storage
        self._state = state
        self._criteria = criteria
        self._search = search

    def begin(self, now: datetime) -> None:
        """Record the start of the first time window, unless an earlier run has done so.

        Until a run has mirrored all found items, later windows start here or earlier.

        Args:
            now: Start of the run.

        Raises:
            DestinationError: The record cannot be written.
        """
        if self._search not in self._state.searched:
            first = dataclasses.replace(self._criteria, overlap="0 days").window(now)
            self.complete(first.start)

    def complete(self, until: datetime | None) -> None:
        """Record the time up to which all items are mirrored, if the time window is relative.

        Args:
            until: The time.

        Raises:
            DestinationError: The record cannot be written.
        """
        if until is not None and self._criteria.is_relative:
            self._state.searched[self._search] = rfc3339(until)
            write_searched(self._storage, self._state.searched)

    def set_position(self, position: str | None, has_left: bool) -> None:
        """Record the position at which the search failed, or remove the position.

        Args:
            position: The position, or None for a search that did not fail.
            has_left: Whether the run left items. The next run must find these items, so an earlier
                position is kept.

        Raises:
            DestinationError: The record cannot be written.
        """
        positions = self._state.positions
        before = positions.get(self._search)
        if (has_left and before is not None) or position == before:
            return
        positions.pop(self._search, None)
        if position is not None:
            positions[self._search] = position
        write_positions(self._storage, positions)
