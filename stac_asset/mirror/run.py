"""One run of a mirror: joins source, state, night, documents, removal and publication.

The downloads themselves are for the caller, who may want them as tasks:

    mirror = Mirror(directory, source, criteria, config, clients, now, kept)
    await mirror.look()
    async for prepared in mirror.choose(Limits()): ...   # decides, and counts
    await mirror.begin()
    for prepared in mirror.prepared():
        outcomes = ...
        await mirror.add(prepared, outcomes)
    await mirror.finish("keep")
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO

from stac_asset.clients.registry import Clients
from stac_asset.concurrency import in_thread
from stac_asset.config import Config
from stac_asset.errors import SourceError, StacAssetError
from stac_asset.mirror.changes import ChangeSet, WantedItem
from stac_asset.mirror.output import removal
from stac_asset.mirror.output.catalog import check_directory, publish
from stac_asset.mirror.output.item_documents import is_worth_writing, write_item
from stac_asset.mirror.output.parquet import has_geoparquet, is_current, write_parquet
from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.mirror.planning import Prepared, bytes_of, is_same_download, prepare
from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window, moment, rfc3339
from stac_asset.mirror.source_item import Found, Key
from stac_asset.mirror.sources.interface import Source
from stac_asset.mirror.state.index import (
    Begun,
    State,
    read_state,
    write_begun,
    write_index,
    write_searched,
)
from stac_asset.mirror.state.layout import PARQUET
from stac_asset.plan.planner import Planner
from stac_asset.redact import unsigned_href
from stac_asset.types import Failed, Outcome

logger = logging.getLogger(__name__)


class Mirror:
    """A run of a mirror.

    Args:
        directory: The directory of the mirror, which need not exist.
        source: Where the items are from.
        criteria: What is mirrored of it.
        config: How to download.
        clients: The clients of the run.
        now: When the run began.
        kept: An empty file, open to be read and written, for what is to be downloaded.
    """

    night: ChangeSet
    """What there is to do, after `look`."""

    window: Window
    """The span of time that was searched, after `look`."""

    def __init__(
        self,
        directory: Path,
        source: Source,
        criteria: Criteria,
        config: Config,
        clients: Clients,
        now: datetime,
        kept: IO[bytes],
    ) -> None:
        self.directory = Planner(directory, config).directory
        self._source = source
        self._criteria = criteria
        self._config = config
        self._clients = clients
        self._now = now
        self._kept = kept
        self._name = unsigned_href(source.href).rstrip("/")
        self._search = criteria.digest(self._name)
        self._state = State()
        self._chosen: list[WantedItem] = []
        self._limits = RunSizeLimits()
        self._gone: list[Key] = []
        self._changed = False
        self._had: set[str] = set()
        self._given_up: set[Key] = set()

    @property
    def gone(self) -> list[Key]:
        """The items that have left the source, after `look_for_removed`."""
        return self._gone

    @property
    def is_whole(self) -> bool:
        """Whether the source gave all that there is, after `look`."""
        return self._source.whole

    @property
    def errors(self) -> list[StacAssetError]:
        """Why items of the source could not be read, after `look`."""
        return self._source.errors

    async def look(self) -> None:
        """Reads what the mirror has, and what the source has of what is searched for.

        Raises:
            ConfigError: The directory is no mirror, and cannot become one.
            SourceError: The source cannot be read to its end.
        """
        check_directory(self.directory)
        self._state = await in_thread(read_state, self.directory)
        self._had = {key.collection for key in self._state.rows if key.collection is not None}
        since = moment(self._state.searched.get(self._search))
        self.window = self._criteria.window(self._now, since)
        wants = Planner(self.directory, self._config).wants
        self.night = ChangeSet(self._state, wants, self._kept)
        async for found in self._source.items(self._criteria, self.window):
            self.night.add(found)
        self.night.found = len(self.night.seen)
        unseen = set(self.night.unseen(self._criteria, self._name))
        async for found in self._source.by_id(unseen):
            self.night.add(found)
        self._given_up = unseen - self.night.seen

    async def look_for_removed(self, marked: bool) -> None:
        """Finds out which items have left the source.

        Args:
            marked: Whether those that are marked already are among them.

        Raises:
            SourceError: The source cannot be asked for them.
        """
        if not self._source.whole or not self.night.found:
            return
        some = removal.suspects(self.night, self._criteria, self.window, self._name, marked)
        self._gone = await removal.gone(some, self._source)

    async def choose(self, limits: RunSizeLimits) -> AsyncIterator[Prepared]:
        """Yields the items that this run takes, as far as its limits go.

        Args:
            limits: How much it takes at most.
        """
        self._limits = limits
        wanted = self.night.wanted
        self._chosen = []
        for number, prepared in enumerate(self._prepare(wanted)):
            if limits.is_full:
                limits.left += len(wanted) - number
                return
            asks = limits.max_bytes is not None
            size = await bytes_of(prepared, self._clients if asks else None, self._config)
            if limits.take(size):
                self._chosen.append(prepared.wanted)
                yield prepared

    async def begin(self) -> None:
        """Writes down what is about to be downloaded, so that a run that is killed loses nothing.

        Raises:
            DestinationError: That cannot be written.
        """
        # What was found, and is not wanted, has been mirrored since.
        done = self.night.seen - {wanted.key for wanted in self.night.wanted} | self._given_up
        begun = {key: entry for key, entry in self._state.begun.items() if key not in done}
        since = time.time()
        for wanted in self._chosen:
            before = begun.get(wanted.key)
            if before is not None and is_same_download(before, wanted):
                begun[wanted.key] = dataclasses.replace(before, failed=False)
            else:
                begun[wanted.key] = Begun(wanted.version, since, self._search)
        self._state.begun = begun
        await in_thread(write_begun, self.directory, begun)
        if self._search not in self._state.searched:
            # Until a run has taken all that it found, the windows begin no later than this one.
            first = dataclasses.replace(self._criteria, overlap="0 days").window(self._now)
            await self._note_searched(first.start)

    def prepared(self) -> Iterator[Prepared]:
        """Yields the items that were chosen, with what is to be downloaded of them."""
        return self._prepare(self._chosen)

    async def add(self, prepared: Prepared, outcomes: Sequence[Outcome]) -> bool:
        """Writes an item's document, and returns whether there is one.

        Args:
            prepared: The item.
            outcomes: What became of its assets.

        Raises:
            DestinationError: It cannot be written.
        """
        key = prepared.wanted.key
        if prepared.document is None or not is_worth_writing(outcomes):
            self._note_failed(key)
            return False
        before = self._state.rows.get(key)
        try:
            self._state.rows[key] = await in_thread(
                write_item, prepared, outcomes, self._config, self.directory, self._name, before
            )
        except SourceError as error:
            # What can be read need not be copied: such an item holds the others back no more.
            logger.warning("item '%s' cannot be mirrored: %s", key.id, error)
            self._note_failed(key)
            return False
        self._changed = True
        if not any(isinstance(outcome, Failed) for outcome in outcomes):
            del self._state.begun[key]
        else:
            self._note_failed(key)
        return True

    async def save(self) -> None:
        """Makes a catalog of what is there; a run that ends early has that, too.

        Raises:
            DestinationError: It cannot be written.
        """
        await in_thread(write_begun, self.directory, self._state.begun)
        rows = list(self._state.rows.values())
        if not rows and not self._changed:
            return
        collections, before = await self._collections(), self._had
        written = await in_thread(publish, self.directory, rows, self._name, collections, before)
        if self._changed or written or self._state.read:
            await in_thread(write_index, self.directory, rows)

    async def finish(self, on_removed: OnRemoved) -> None:
        """Ends the run: items that left the source, the catalog, and the indexes.

        Args:
            on_removed: What becomes of items that left the source.

        Raises:
            DestinationError: Something cannot be written.
        """
        leaving = [self._state.rows[key] for key in self._gone]
        if on_removed == "mark" and leaving:
            marked = await in_thread(removal.mark, leaving, self.directory, self._now)
            self._state.rows |= marked
            self._changed = True
        elif on_removed == "delete" and leaving:
            for row in leaving:
                del self._state.rows[row.key]
            self._changed = True
        await self.save()
        if on_removed == "delete":
            # Last, so that nothing ever links to what is not there.
            await in_thread(removal.delete, leaving, self.directory)
        await self._write_parquet()
        if self._source.whole and not self._limits.left:
            await self._note_searched(self._now)

    def _note_failed(self, key: Key) -> None:
        self._state.begun[key] = dataclasses.replace(self._state.begun[key], failed=True)

    def _prepare(self, wanted: Sequence[WantedItem]) -> Iterator[Prepared]:
        return prepare(self.night, wanted, self.directory, self._config, self._state.rows)

    async def _collections(self) -> dict[str, Found]:
        """Returns what the source says of the collections of this run."""
        names = set(self._criteria.collections)
        names |= {one.key.collection for one in self._chosen if one.key.collection is not None}
        found = {}
        for name in sorted(names):
            try:
                collection = await self._source.collection(name)
            except SourceError as error:
                logger.warning("collection '%s' stays as it is: %s", name, error)
                continue
            if collection is not None:
                found[name] = collection
        return found

    async def _write_parquet(self) -> None:
        if not has_geoparquet() or not (self._state.rows or self._changed):
            return
        if not is_current(self.directory):
            try:
                await in_thread(write_parquet, self.directory, self._state.rows.values())
            except ValueError as error:
                (self.directory / PARQUET).unlink(missing_ok=True)
                logger.warning("there is no %s: %s", PARQUET, error)

    async def _note_searched(self, until: datetime | None) -> None:
        """Writes down up to when all is mirrored, if the window moves with the time."""
        if until is not None and self._criteria.moves:
            self._state.searched[self._search] = rfc3339(until)
            await in_thread(write_searched, self.directory, self._state.searched)
