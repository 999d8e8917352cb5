"""Gives tasks an engine: that of the flow that they run in, or one of their own.

Tasks that a flow awaits share its event loop, and with it one engine: its connections, tokens and
limits. A task that is submitted runs in a loop of its own, where those would not work, and so
does one in somebody else's flow: it gets an engine of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from stac_asset import Config
from stac_asset.clients import Clients
from stac_asset.transfer import Engine


@dataclass(frozen=True, slots=True)
class Session:
    """What the tasks of one run share."""

    config: Config
    clients: Clients
    engine: Engine
    loop: asyncio.AbstractEventLoop


_current: ContextVar[Session | None] = ContextVar("session", default=None)


@asynccontextmanager
async def open_session(config: Config) -> AsyncIterator[Session]:
    """Opens a session for the tasks that are awaited inside.

    Args:
        config: The configuration of the run.
    """
    async with Clients(config) as clients:
        engine = Engine(clients, config)
        session = Session(config, clients, engine, asyncio.get_running_loop())
        token = _current.set(session)
        try:
            yield session
        finally:
            _current.reset(token)


@asynccontextmanager
async def current_session(config: Config) -> AsyncIterator[Session]:
    """Yields the session of the run around, or opens one where there is none to share.

    Args:
        config: The configuration that is wanted.
    """
    session = _current.get()
    if (
        session is not None
        and session.loop is asyncio.get_running_loop()
        and session.config == config
    ):
        yield session
    else:
        async with open_session(config) as own:
            yield own
