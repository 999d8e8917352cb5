"""The places of an audit, which are opened here: the mirror, the source and the report."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from stac_asset.audit.progress import AuditProgress
from stac_asset.clients.registry import Clients
from stac_asset.config import Config
from stac_asset.destinations import Destinations
from stac_asset.destinations.location import Location
from stac_asset.mirror.opening import open_mirror
from stac_asset.mirror.run import MirrorUpdate
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.mirror.storage.open import MAX_CONCURRENCY


@dataclass(frozen=True, slots=True)
class AuditJob:
    """A mirror, and the source with which the mirror is compared."""

    source: str
    """Href of the source."""

    directory: Location
    """The absolute location of the mirror."""

    criteria: Criteria
    """The search of the mirror."""

    config: Config
    """The configuration: the wanted assets, and options of requests."""

    clients: Clients
    """The clients that read the source."""

    destinations: Destinations
    """The destinations of the run."""

    report: Location | None = None
    """The location of the report, which can be in the mirror."""

    concurrency: int = MAX_CONCURRENCY
    """Maximum number of documents of an object store that are read or written at the same time."""

    progress: AuditProgress = field(default_factory=AuditProgress)
    """The progress, which callers read."""

    @asynccontextmanager
    async def open_mirror(
        self, writable: bool
    ) -> AsyncIterator[tuple[MirrorUpdate, MirrorStorage]]:
        """Open a new run of the mirror.

        Args:
            writable: Whether the run writes.

        Raises:
            SourceError: The source cannot be read, or the mirror does not exist.
            ConfigError: The source does not support the search, or the directory is no mirror.
            DestinationError: Another run updates the mirror, or a request failed.
        """
        opening = open_mirror(
            self.source,
            self.directory,
            self.criteria,
            self.config,
            self.clients,
            self.destinations,
            writable=writable,
            must_exist=True,
            concurrency=self.concurrency,
        )
        async with opening as opened:
            yield opened
