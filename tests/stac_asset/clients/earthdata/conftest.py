"""Fixtures for tests of the Earthdata client: local hosts under real names, and clients."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable

import pytest

from stac_asset import EarthdataClient
from tests.support.earthdata_tls import TOKEN, EarthdataOverTls, earthdata_over_tls

MakeClient = Callable[..., EarthdataClient]


@pytest.fixture
async def earthdata(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> AsyncIterator[EarthdataOverTls]:
    """Run the Earthdata hosts."""
    async with earthdata_over_tls(server_context, client_context) as hosts:
        yield hosts


@pytest.fixture
async def make_client(earthdata: EarthdataOverTls) -> AsyncIterator[MakeClient]:
    """Return a function that creates clients of the local hosts."""
    clients: list[EarthdataClient] = []

    def client(token: str | None = TOKEN, **kwargs: object) -> EarthdataClient:
        if "session" not in kwargs:
            kwargs["session"] = earthdata.session()
        clients.append(EarthdataClient(token=token, **kwargs))  # type: ignore[arg-type]
        return clients[-1]

    yield client
    for created in clients:
        await created.close()
