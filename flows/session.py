"""Gives tasks an engine: that of the flow that they run in, or one of their own.

Tasks that a flow awaits share its event loop, and with it one engine: its connections, tokens and
limits hold for the whole run. A task that is submitted to a task runner runs in a loop of its own,
often in another process, and so does one in somebody else's flow: it gets an engine of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from stac_asset import Config
from stac_asset.clients import Clients
from stac_asset.transfer import Engine
from stac_asset.types import Outcome, Transfer


@dataclass(slots=True)
class Session:
    """What the tasks of one run share."""

    config: Config
    clients: Clients
    engine: Engine
    max_concurrent_downloads: int
    """How many assets may be in work at once."""

    _places: asyncio.Semaphore

    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    stopping: bool = False
    """Whether the run is being stopped by its own failure, rather than cancelled from outside."""

    async def download(self, transfer: Transfer) -> Outcome:
        """Downloads one transfer, when there is a place for it.

        Args:
            transfer: What to download.
        """
        async with self._places:
            return await self.engine.download(transfer)


_current: ContextVar[Session | None] = ContextVar("session", default=None)


@asynccontextmanager
async def open_session(config: Config, max_concurrent_downloads: int) -> AsyncIterator[Session]:
    """Opens a session for the tasks that are awaited inside.

    Args:
        config: The configuration of the run.
        max_concurrent_downloads: How many assets may be in work at once.
    """
    async with Clients(config) as clients:
        session = Session(
            config=config,
            clients=clients,
            engine=Engine(clients, config),
            max_concurrent_downloads=max_concurrent_downloads,
            _places=asyncio.Semaphore(max_concurrent_downloads),
        )
        token = _current.set(session)
        try:
            yield session
        finally:
            _current.reset(token)


@asynccontextmanager
async def current_session(config: Config, max_concurrent_downloads: int) -> AsyncIterator[Session]:
    """Yields the session of the run around, or opens one where there is none to share.

    Args:
        config: The configuration that is wanted.
        max_concurrent_downloads: How many assets may be in work at once.
    """
    session = _current.get()
    if (
        session is not None
        and session.loop is asyncio.get_running_loop()
        and session.config == config
    ):
        yield session
    else:
        async with open_session(config, max_concurrent_downloads) as own:
            yield own
