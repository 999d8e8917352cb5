"""Secrets are sent only to the configured hosts, and do not appear in any output.

The tests configure secrets of each kind, and run downloads that succeed or fail. Then they search
all output: debug logs, files, messages, exception chains, representations, pickles and reports.
"""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pystac
import pytest

from stac_asset import Config, HttpClient, Message, download_item
from stac_asset.clients import Clients
from stac_asset.destinations import LocalDestinations
from stac_asset.stac.local_facts import LOCAL_FACTS
from stac_asset.stac.parse import stac_of
from stac_asset.stac.read import read_stac
from stac_asset.testing import (
    Fault,
    Origin,
    Redirect,
    Reset,
    Stall,
    Status,
    Truncate,
    WrongType,
)
from stac_asset.transfer.engine import Engine
from stac_asset.types import Outcome, outcome_row
from tests.support.error_chains import described
from tests.support.items import item_document

SECRET = "pl4nt3d-s3cr3t"

HEADERS = {"Authorization": f"Bearer {SECRET}-bearer", "X-Api-Key": f"{SECRET}-key"}

QUERY = (
    f"X-Amz-Signature={SECRET}-amz&X-Amz-Credential={SECRET}-id&sig={SECRET}-sas"
    f"&Key-Pair-Id={SECRET}&Policy={SECRET}&token={SECRET}"
)


@pytest.fixture
def other_origin() -> Iterator[Origin]:
    """An origin on another port, which must not receive the secrets."""
    with Origin() as running:
        yield running


def secret_config(config: Config) -> Config:
    """Return the configuration with a secret of each kind."""
    config.http_headers = dict(HEADERS)
    config.earthdata_token = f"{SECRET}-earthdata"
    config.pc_subscription_key = f"{SECRET}-subscription"
    config.oauth2_client_secret = f"{SECRET}-client"
    config.oauth2_username = f"{SECRET}-user"
    config.oauth2_password = f"{SECRET}-password"
    config.oauth2_extra = {"audience": f"{SECRET}-extra"}
    config.http_max_attempts = 2
    return config


def signed_item(origin: Origin, *keys: str) -> pystac.Item:
    """Return an item with signed asset hrefs, read from a signed href."""
    document = item_document(origin, *keys)
    for asset in document["assets"].values():
        asset |= {"href": f"{asset['href']}?{QUERY}", "type": "image/tiff"}
    item = stac_of(document, f"{origin.href('/item.json')}?{QUERY}", "item")
    assert isinstance(item, pystac.Item)
    return item


def files_with_secret(folder: Path) -> list[str]:
    """Return the names of the files that contain the secret."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return [
        file.name for file in files if SECRET in file.name or SECRET.encode() in file.read_bytes()
    ]


FAULTS: list[tuple[Fault, ...]] = [
    (),
    (Status(403),),
    (Status(404),),
    (Status(503, retry_after=0),),
    (Status(418, headers={"X-Echo": SECRET}, body=SECRET.encode()),),
    (Truncate(100_000),),
    (Reset(100_000),),
    (Reset(-1),),
    (Stall(after=100_000),),
    (WrongType("text/html"),),
    (Redirect("/a.tif"),),
    (Redirect(f"ftp://user:{SECRET}@host/?{QUERY}"),),
    (Redirect(f"http://127.0.0.1:1/x?{QUERY}"),),
    (Redirect(f"http://[bad?{QUERY}"),),
    (Redirect(f"http://127.0.0.1:1/x?{QUERY}&long={'A' * 9000}"),),
]


@pytest.mark.parametrize("faults", FAULTS, ids=lambda found: str(found)[:40])
async def test_run_writes_no_secret_to_any_output(
    origin: Origin,
    tmp_path: Path,
    config: Config,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    faults: tuple[Fault, ...],
) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    config = secret_config(config)
    if any(isinstance(fault, Stall) for fault in faults):
        config.http_read_timeout = 0.2
    origin.put("/a.tif", size=200_000)
    if faults:
        origin.fault("/a.tif", *faults, times=0)
    item = signed_item(origin, "a", "b")
    messages: asyncio.Queue[Message] = asyncio.Queue()
    output = repr(config) + str(config)
    pickled = b""
    try:
        new = await download_item(item, tmp_path, config=config, messages=messages)
        output += json.dumps(new.to_dict(include_self_link=True, transform_hrefs=False))
    except Exception as error:
        output += described(error)
        pickled = pickle.dumps(error)
    while not messages.empty():
        output += repr(messages.get_nowait())
    captured = capfd.readouterr()
    output += caplog.text + captured.out + captured.err
    assert SECRET not in output
    assert SECRET.encode() not in pickled
    assert files_with_secret(tmp_path) == []
    # The secrets must have been sent, otherwise the search proves nothing.
    assert all(request.headers["x-api-key"] == HEADERS["X-Api-Key"] for request in origin.gets())
    assert all(QUERY in request.query for request in origin.gets("/b.tif"))


async def test_representations_and_rows_contain_no_secret(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    from stac_asset.plan.planner import Planner

    config = secret_config(config)
    planned = list(Planner(tmp_path, config, LOCAL_FACTS).assets(signed_item(origin, "a", "b")))
    origin.remove("/b.tif")
    outcomes: list[Outcome] = []
    async with Clients(config) as clients:
        engine = Engine(clients, config, LocalDestinations())
        async for outcome in engine.run(planned):  # type: ignore[arg-type]
            outcomes.append(outcome)
        output = repr([clients.clients, clients, engine])
    output += repr([planned, outcomes]) + json.dumps([outcome_row(found) for found in outcomes])
    assert {found.state for found in outcomes} == {"downloaded", "failed"}
    assert SECRET not in output


async def test_headers_are_not_sent_after_redirect_to_other_origin(
    origin: Origin, other_origin: Origin, tmp_path: Path, config: Config
) -> None:
    config = secret_config(config)
    origin.fault("/a.tif", Redirect(other_origin.href("/elsewhere.tif")), times=0)
    origin.fault("/b.tif", Redirect("/c.tif"), times=0)
    other_origin.put("/elsewhere.tif", content_type="image/tiff")
    await download_item(signed_item(origin, "a", "b"), tmp_path, config=config)
    (request,) = other_origin.requests
    assert SECRET not in str(request.headers)
    (same,) = origin.gets("/c.tif")
    assert same.headers["authorization"] == HEADERS["Authorization"]
    assert (tmp_path / "a.tif").read_bytes() == other_origin.content("/elsewhere.tif")


async def test_session_headers_and_cookies_are_sent_only_to_origin_of_href(
    origin: Origin, other_origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.fault("/a.tif", Redirect(other_origin.href("/elsewhere.tif")), times=0)
    cookies = {"session": f"{SECRET}-cookie"}
    async with (
        aiohttp.ClientSession(headers=HEADERS, cookies=cookies) as session,
        HttpClient(session) as client,
    ):
        await client.download_href(origin.href("/a.tif"), tmp_path / "a.tif")
        assert await client.href_exists(origin.href("/a.tif"))
    assert SECRET in str(origin.gets("/a.tif")[0].headers)
    assert len(other_origin.requests) == 2
    assert SECRET not in str([request.headers for request in other_origin.requests])


async def test_headers_are_sent_after_redirect_back_to_origin(
    origin: Origin, other_origin: Origin, tmp_path: Path, config: Config
) -> None:
    config.http_headers = dict(HEADERS)
    origin.fault("/a.tif", Redirect(other_origin.href("/step")), times=0)
    other_origin.fault("/step", Redirect(origin.href("/final.tif")), times=0)
    await download_item(signed_item(origin, "a"), tmp_path, config=config)
    assert origin.gets("/final.tif")[0].headers["x-api-key"] == HEADERS["X-Api-Key"]
    assert SECRET not in str(other_origin.requests[0].headers)


async def test_error_of_unreadable_source_omits_query(origin: Origin, config: Config) -> None:
    origin.fault("/item.json", Status(403), times=0)
    async with Clients(secret_config(config)) as clients:
        with pytest.raises(ValueError, match=r"item\.json") as caught:
            await read_stac(f"{origin.href('/item.json')}?{QUERY}", clients, config)
    assert SECRET not in described(caught.value)


async def test_written_document_omits_signature_of_source(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = f"{origin.href('/item.json')}?v=2&jwt={SECRET}&hdnts={SECRET}&sas={SECRET}"
    item = stac_of(item_document(origin, "a"), href, "item")
    assert isinstance(item, pystac.Item)
    await download_item(item, tmp_path, config=config)
    assert files_with_secret(tmp_path) == []
    links = json.loads((tmp_path / f"{item.id}.json").read_text())["links"]
    (source,) = (link["href"] for link in links if link["rel"] == "derived_from")
    assert source == f"{origin.href('/item.json')}?v=2"


def test_config_repr_contains_no_secret(config: Config) -> None:
    secret: dict[str, Any] = {
        name: value for name, value in vars(secret_config(config)).items() if SECRET in str(value)
    }
    assert len(secret) == 7
    assert SECRET not in repr(config)
