"""A secret goes to the hosts that it is for, and is found nowhere else.

Secrets of every kind are planted, runs are made to succeed and to fail in many ways, and then
everything that they leave behind is searched: logs at DEBUG, files, messages, exception chains,
reprs, pickles and reports.
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
from stac_asset.redact import redact_href, redact_text, unsigned_href
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
from tests.chains import described
from tests.make_item import item_document

SECRET = "pl4nt3d-s3cr3t"
HEADERS = {"Authorization": f"Bearer {SECRET}-bearer", "X-Api-Key": f"{SECRET}-key"}
QUERY = (
    f"X-Amz-Signature={SECRET}-amz&X-Amz-Credential={SECRET}-id&sig={SECRET}-sas"
    f"&Key-Pair-Id={SECRET}&Policy={SECRET}&token={SECRET}"
)


@pytest.fixture
def other() -> Iterator[Origin]:
    """Another origin, which must not get what the first one gets."""
    with Origin() as running:
        yield running


def secret_config(config: Config) -> Config:
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
    document = item_document(origin, *keys)
    for asset in document["assets"].values():
        asset |= {"href": f"{asset['href']}?{QUERY}", "type": "image/tiff"}
    item = stac_of(document, f"{origin.href('/item.json')}?{QUERY}", "item")
    assert isinstance(item, pystac.Item)
    return item


def found_in(folder: Path) -> list[str]:
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
async def test_run_leaves_no_secret_behind(
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
    said = repr(config) + str(config)
    pickled = b""
    try:
        new = await download_item(item, tmp_path, config=config, messages=messages)
        said += json.dumps(new.to_dict(include_self_link=True, transform_hrefs=False))
    except Exception as error:
        said += described(error)
        pickled = pickle.dumps(error)
    while not messages.empty():
        said += repr(messages.get_nowait())
    captured = capfd.readouterr()
    said += caplog.text + captured.out + captured.err
    assert SECRET not in said
    assert SECRET.encode() not in pickled
    assert found_in(tmp_path) == []
    # It did arrive where it was meant to: the search would find nothing if nothing were sent.
    assert all(request.headers["x-api-key"] == HEADERS["X-Api-Key"] for request in origin.gets())
    assert all(QUERY in request.query for request in origin.gets("/b.tif"))


async def test_values_of_a_run_show_no_secret(
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
        said = repr([clients.clients, clients, engine])
    said += repr([planned, outcomes]) + json.dumps([outcome_row(found) for found in outcomes])
    assert {found.state for found in outcomes} == {"downloaded", "failed"}
    assert SECRET not in said


async def test_headers_are_dropped_over_a_redirect_to_another_origin(
    origin: Origin, other: Origin, tmp_path: Path, config: Config
) -> None:
    config = secret_config(config)
    origin.fault("/a.tif", Redirect(other.href("/elsewhere.tif")), times=0)
    origin.fault("/b.tif", Redirect("/c.tif"), times=0)
    other.put("/elsewhere.tif", content_type="image/tiff")
    await download_item(signed_item(origin, "a", "b"), tmp_path, config=config)
    (request,) = other.requests
    assert SECRET not in str(request.headers)
    (same,) = origin.gets("/c.tif")
    assert same.headers["authorization"] == HEADERS["Authorization"]
    assert (tmp_path / "a.tif").read_bytes() == other.content("/elsewhere.tif")


async def test_callers_session_is_for_the_origin_of_the_href_only(
    origin: Origin, other: Origin, tmp_path: Path, config: Config
) -> None:
    origin.fault("/a.tif", Redirect(other.href("/elsewhere.tif")), times=0)
    cookies = {"session": f"{SECRET}-cookie"}
    async with (
        aiohttp.ClientSession(headers=HEADERS, cookies=cookies) as session,
        HttpClient(session) as client,
    ):
        await client.download_href(origin.href("/a.tif"), tmp_path / "a.tif")
        assert await client.href_exists(origin.href("/a.tif"))
    assert SECRET in str(origin.gets("/a.tif")[0].headers)
    assert len(other.requests) == 2
    assert SECRET not in str([request.headers for request in other.requests])


async def test_redirect_back_gets_the_headers_again(
    origin: Origin, other: Origin, tmp_path: Path, config: Config
) -> None:
    config.http_headers = dict(HEADERS)
    origin.fault("/a.tif", Redirect(other.href("/step")), times=0)
    other.fault("/step", Redirect(origin.href("/final.tif")), times=0)
    await download_item(signed_item(origin, "a"), tmp_path, config=config)
    assert origin.gets("/final.tif")[0].headers["x-api-key"] == HEADERS["X-Api-Key"]
    assert SECRET not in str(other.requests[0].headers)


async def test_unreadable_source_is_named_without_its_query(origin: Origin, config: Config) -> None:
    origin.fault("/item.json", Status(403), times=0)
    async with Clients(secret_config(config)) as clients:
        with pytest.raises(ValueError, match=r"item\.json") as caught:
            await read_stac(f"{origin.href('/item.json')}?{QUERY}", clients, config)
    assert SECRET not in described(caught.value)


@pytest.mark.parametrize(
    ("href", "shown"),
    [
        (f"https://user:{SECRET}@host/a.tif", "https://host/a.tif"),
        (f"https://host/a.tif?{QUERY}", "https://host/a.tif?…"),
        (f"https://host/a.tif#{SECRET}", "https://host/a.tif"),
        (f"https://host?{QUERY}", "https://host?…"),
        ("s3://bucket/a b.tif", "s3://bucket/a b.tif"),
        ("/local/a#b?c.tif", "/local/a#b?c.tif"),
    ],
)
def test_href_is_shown_without_what_may_be_secret(href: str, shown: str) -> None:
    assert redact_href(href) == shown
    if " " not in href and "://" in href:
        assert redact_text(f"no such thing: '{href}', sorry") == f"no such thing: '{shown}', sorry"


SIGNING = """jwt hdnts hdnea hdntl sas sasToken __token__ token access_token accessToken bcdn_token
Policy Signature Key-Pair-Id Expires Hash-Algorithm X-Amz-Signature X-Amz-Security-Token x-amz-date
X%2DAmz%2DCredential X-Goog-Signature GoogleAccessId AWSAccessKeyId OSSAccessKeyId x-oss-signature
q-sign-algorithm q-ak q-signature sv se sp sr sig skoid sktid skt ske sks skv saoid scid ses st spr
verify hmac sign code apikey api_key maxar_api_key subscription-key connectId auth auth_key
oauth_signature session sessionid JSESSIONID client_secret password passwd SAMLResponse"""


def test_href_is_kept_without_what_signs_it() -> None:
    for name in SIGNING.split():
        href = f"https://user:{SECRET}@host/a.tif?id=1&{name}={SECRET}&page=2#{name}={SECRET}"
        assert unsigned_href(href) == "https://host/a.tif?id=1&page=2"


@pytest.mark.parametrize("name", ["id", "version", "bbox", "s", "monkey", "layers", "design"])
def test_href_is_kept_with_what_does_not_sign_it(name: str) -> None:
    href = f"https://host/a.tif?{name}=1&x#{name}"
    assert unsigned_href(href) == href


def test_href_whose_password_breaks_it_is_not_kept() -> None:
    for mark in "?#":
        assert SECRET not in unsigned_href(f"https://user:{SECRET}{mark}x@host/a.tif")
        assert SECRET not in unsigned_href(f"https://user:x{mark}{SECRET}@host/a.tif")


async def test_new_document_does_not_hold_what_signed_its_source(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = f"{origin.href('/item.json')}?v=2&jwt={SECRET}&hdnts={SECRET}&sas={SECRET}"
    item = stac_of(item_document(origin, "a"), href, "item")
    assert isinstance(item, pystac.Item)
    await download_item(item, tmp_path, config=config)
    assert found_in(tmp_path) == []
    links = json.loads((tmp_path / f"{item.id}.json").read_text())["links"]
    (source,) = (link["href"] for link in links if link["rel"] == "derived_from")
    assert source == f"{origin.href('/item.json')}?v=2"


def test_config_shows_none_of_its_secrets(config: Config) -> None:
    secret: dict[str, Any] = {
        name: value for name, value in vars(secret_config(config)).items() if SECRET in str(value)
    }
    assert len(secret) == 7
    assert SECRET not in repr(config)
