"""HTTP clients with a session of the caller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from stac_asset import HttpClient


@asynccontextmanager
async def client_with_session(**session: Any) -> AsyncIterator[HttpClient]:
    """Open a client with a session that has the given arguments."""
    async with HttpClient(aiohttp.ClientSession(**session)) as client:
        yield client
