"""Fixtures for tests of the Planetary Computer client: Azurite, a token endpoint and clients."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable

import pytest

from stac_asset import Config, PlanetaryComputerClient
from tests.support.azurite import Azurite, TokenEndpoint, token_endpoint
from tests.support.loopback import loopback_session

SUBSCRIPTION_KEY = "subscr1ption-key"
BLOB_HOST = "blob.core.windows.net"


MakeClient = Callable[..., PlanetaryComputerClient]


@pytest.fixture
async def tokens() -> AsyncIterator[TokenEndpoint]:
    """Run a token endpoint."""
    async with token_endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def container() -> str:
    """Return the name of a container for this test."""
    return f"c{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def make_client(
    azurite: Azurite, tokens: TokenEndpoint, config: Config
) -> AsyncIterator[MakeClient]:
    """Return a function that creates clients which sign the hrefs of Azurite."""
    clients: list[PlanetaryComputerClient] = []

    def client(**kwargs: object) -> PlanetaryComputerClient:
        options = {"blob_hosts": [azurite.url], "config": config, **kwargs}
        if "session" not in kwargs:
            options["session"] = loopback_session()
        options.setdefault("sas_token_endpoint", tokens.url)
        clients.append(PlanetaryComputerClient(**options))  # type: ignore[arg-type]
        return clients[-1]

    yield client
    for created in clients:
        await created.close()
