"""Servers that the tests of several clients share."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator

import pytest
import trustme

from tests.clients.azurite import Azurite, TokenEndpoint, azurite_running, token_endpoint

NAMES = (
    "*.blob.core.windows.net",
    "*.earthdata.nasa.gov",
    "*.lpdaac.earthdatacloud.nasa.gov",
    "*.s3.us-west-2.amazonaws.com",
    "*.nasa.gov",
    "*.earthdata.nasa.gov.evil.example",
    "*.evil.example",
)


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """Azure Blob Storage, one for all tests: each uses a container of its own."""
    with azurite_running() as running:
        yield running


@pytest.fixture
async def tokens() -> AsyncIterator[TokenEndpoint]:
    """An endpoint for SAS tokens that nobody has asked anything yet."""
    async with token_endpoint() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority that nobody else trusts."""
    return trustme.CA()


@pytest.fixture(scope="session")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """What a session needs to trust our certificates."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="session")
def certified(authority: trustme.CA) -> ssl.SSLContext:
    """What a server needs to be any of the hosts in our tests, look-alikes included."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate = authority.issue_cert(*NAMES)
    certificate.configure_cert(context)
    return context
