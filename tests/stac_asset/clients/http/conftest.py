"""Fixtures for tests of the HTTP client: an OAuth2 server and configurations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from stac_asset import Config
from tests.support.oauth2_server import OAuth2Server, oauth2_server

MakeConfig = Callable[..., Config]


@pytest.fixture
async def server() -> AsyncIterator[OAuth2Server]:
    """Run an OAuth2 server."""
    async with oauth2_server() as running:
        yield running


@pytest.fixture
def make_config(server: OAuth2Server) -> MakeConfig:
    """Return a function that makes configurations for the server, with short retry waits."""

    def config(grant: dict[str, Any], **kwargs: Any) -> Config:
        short_waits = {"retry_wait": 0.01, "retry_wait_max": 0.05}
        return Config(**{**short_waits, **server.config, **grant, **kwargs})

    return config
