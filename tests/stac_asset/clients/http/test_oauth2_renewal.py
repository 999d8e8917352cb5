"""Renewal of OAuth2 tokens that expire or are refused."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest

from stac_asset import HttpClient
from stac_asset.clients import Clients
from stac_asset.destinations import LocalDestinations
from stac_asset.errors import ResponseForbiddenError
from stac_asset.transfer.engine import Engine
from stac_asset.types import Downloaded
from tests.stac_asset.clients.http.conftest import MakeConfig
from tests.support.client_reads import read_bytes
from tests.support.oauth2_server import (
    CLIENT_CREDENTIALS,
    DEVICE_CODES,
    DEVICE_GRANT,
    USER_PASSWORD,
    OAuth2Server,
)


@pytest.mark.parametrize(
    ("grant", "refreshable", "rotating", "grants"),
    [
        (CLIENT_CREDENTIALS, False, False, ["client_credentials"] * 3),
        (CLIENT_CREDENTIALS, True, True, ["client_credentials", "refresh_token", "refresh_token"]),
        (USER_PASSWORD, False, False, ["password"] * 3),
        (USER_PASSWORD, True, True, ["password", "refresh_token", "refresh_token"]),
        (USER_PASSWORD, True, False, ["password", "refresh_token", "refresh_token"]),
        (DEVICE_CODES, True, True, [DEVICE_GRANT, "refresh_token", "refresh_token"]),
        (DEVICE_CODES, False, False, [DEVICE_GRANT] * 3),
    ],
)
async def test_token_is_renewed_before_expiry(
    grant: dict[str, Any],
    refreshable: bool,
    rotating: bool,
    grants: list[str],
    server: OAuth2Server,
    make_config: MakeConfig,
) -> None:
    """The server accepts all tokens, so only the announced lifetime causes a renewal."""
    server.expires_in, server.refreshable, server.rotating = 1, refreshable, rotating
    async with await HttpClient.from_config(make_config(grant)) as client:
        async with asyncio.timeout(240):
            while len(server.forms) < 3:
                assert await read_bytes(client, f"{server.url}/a.tif") == b"pixels"
                await asyncio.sleep(0.02)
    assert server.grants == grants
    assert {status for _, status in server.files} == {200}


async def test_refused_refresh_token_repeats_grant(
    server: OAuth2Server, make_config: MakeConfig
) -> None:
    server.expires_in, server.refreshable = 1, True
    async with await HttpClient.from_config(make_config(USER_PASSWORD)) as client:
        async with asyncio.timeout(240):
            while len(server.forms) < 5:
                server.refreshes.clear()
                assert await read_bytes(client, f"{server.url}/a.tif") == b"pixels"
                await asyncio.sleep(0.02)
    renewal = ["refresh_token", "password"]
    assert server.grants == ["password", *renewal, *renewal]


async def test_tokens_that_expire_during_a_run_are_renewed(
    server: OAuth2Server, make_config: MakeConfig, tmp_path: Path
) -> None:
    """The server refuses expired tokens."""
    server.expires_in, server.life, server.delay = 2, 3, 0.12
    config = make_config(CLIENT_CREDENTIALS)
    async with Clients(config) as clients:
        engine = Engine(clients, config, LocalDestinations(), max_concurrent_downloads=1)
        outcomes = [outcome async for outcome in engine.run(server.transfers(tmp_path, 30))]
    assert len(outcomes) == 30
    assert all(isinstance(outcome, Downloaded) for outcome in outcomes)
    assert len(server.forms) >= 2


@pytest.mark.parametrize(
    ("grant", "refreshable", "grants"),
    [
        (CLIENT_CREDENTIALS, False, ["client_credentials"] * 2),
        (USER_PASSWORD, False, ["password"] * 2),
        (USER_PASSWORD, True, ["password", "refresh_token"]),
        (DEVICE_CODES, True, [DEVICE_GRANT, "refresh_token"]),
    ],
)
async def test_revoked_token_is_replaced_once(
    grant: dict[str, Any],
    refreshable: bool,
    grants: list[str],
    server: OAuth2Server,
    make_config: MakeConfig,
) -> None:
    """The announced lifetime is an hour. A hundred concurrent requests are refused."""
    server.refreshable = refreshable
    async with await HttpClient.from_config(make_config(grant)) as client:
        assert await read_bytes(client, f"{server.url}/a.tif") == b"pixels"
        server.revoke()
        reads = await asyncio.gather(
            *(read_bytes(client, f"{server.url}/a.tif") for _ in range(100))
        )
        assert set(reads) == {b"pixels"}
    assert server.grants == grants


async def test_persistent_refusal_is_an_error(
    server: OAuth2Server, make_config: MakeConfig
) -> None:
    server.life = -1
    async with await HttpClient.from_config(make_config(CLIENT_CREDENTIALS)) as client:
        for _ in range(10):
            with pytest.raises(ResponseForbiddenError, match="401"):
                await read_bytes(client, f"{server.url}/a.tif")
            assert not await client.href_exists(f"{server.url}/a.tif")
    assert len(server.forms) == 2


async def test_token_without_expiry_is_used_until_refused(
    server: OAuth2Server, make_config: MakeConfig
) -> None:
    server.expires_in = None
    async with await HttpClient.from_config(make_config(CLIENT_CREDENTIALS)) as client:
        assert await read_bytes(client, f"{server.url}/a.tif") == b"pixels"
        await asyncio.sleep(1.1)  # Tokens count as valid for at least a second.
        assert await read_bytes(client, f"{server.url}/a.tif") == b"pixels"
        assert len(server.forms) == 1
        server.revoke()
        assert await read_bytes(client, f"{server.url}/a.tif") == b"pixels"
    assert len(server.forms) == 2


async def test_token_without_type_is_used(server: OAuth2Server, make_config: MakeConfig) -> None:
    server.faults = [(200, {}, {"access_token": "acc3ss-0", "expires_in": 60})]
    server.accepted["acc3ss-0"] = math.inf
    async with await HttpClient.from_config(make_config(CLIENT_CREDENTIALS)) as client:
        assert await read_bytes(client, f"{server.url}/a.tif") == b"pixels"
