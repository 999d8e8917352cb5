"""Probes: size, type and existence of planned assets, without downloading."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stac_asset import Config
from stac_asset.clients.registry import Clients
from stac_asset.errors import (
    ContentError,
    ContentTypeError,
    NotFoundError,
    ResponseError,
    SchemeError,
    StalledError,
)
from stac_asset.testing import Delay, Origin, Status
from stac_asset.transfer.interface import Stat
from stac_asset.transfer.probe import probe, probe_all
from stac_asset.types import Candidate, Transfer
from tests.support.raw_origin import RawRequest, raw_origin, response_head


@pytest.fixture
def config() -> Config:
    return Config(retry_wait=0.001, retry_wait_max=0.002, http_max_attempts=10)


@pytest.fixture
async def clients(config: Config) -> AsyncIterator[Clients]:
    async with Clients(config) as running:
        yield running


def transfer_from(
    *hrefs: str, content_type: str | None = None, size: int | None = None
) -> Transfer:
    """Return a transfer with a candidate for each href, in order of preference."""
    candidates = tuple(Candidate(href, f"/data/{n}.tif") for n, href in enumerate(hrefs))
    return Transfer("item 'i'", "a", candidates, "/data", content_type=content_type, size=size)


async def test_probe_returns_facts_without_download(
    origin: Origin, clients: Clients, config: Config
) -> None:
    transfer = transfer_from(origin.put("/a.png", size=1234))
    result = await probe(transfer, clients, config)
    assert result.stat == Stat(1234, "image/png")
    assert (result.client, result.error) == ("http", None)
    assert result.candidate is transfer.candidates[0]
    assert [request.method for request in origin.requests] == ["HEAD"]


async def test_local_file_is_probed(tmp_path: Path, clients: Clients, config: Config) -> None:
    (tmp_path / "a.tif").write_bytes(b"123")
    result = await probe(transfer_from(str(tmp_path / "a.tif")), clients, config)
    assert result.error is None
    assert result.stat is not None
    assert result.stat.size == 3


async def test_first_existing_candidate_is_selected(
    origin: Origin, clients: Clients, config: Config
) -> None:
    for path in ("/first.tif", "/second.tif"):
        origin.remove(path)
    paths = ("/first.tif", "/second.tif", "/third.tif", "/fourth.tif")
    transfer = transfer_from(*(origin.href(path) for path in paths))
    result = await probe(transfer, clients, config)
    assert result.candidate is transfer.candidates[2]
    assert result.error is None
    assert result.stat is not None
    assert "/fourth.tif" not in {request.path for request in origin.requests}


async def test_error_of_preferred_candidate_is_returned(
    origin: Origin, clients: Clients, config: Config
) -> None:
    origin.remove("/second.tif")
    origin.fault("/first.tif", Status(403), times=0)
    transfer = transfer_from(origin.href("/first.tif"), origin.href("/second.tif"))
    result = await probe(transfer, clients, config)
    assert result.candidate is transfer.candidates[0]
    assert isinstance(result.error, ResponseError)
    assert result.error.status == 403
    assert (result.client, result.stat) == ("http", None)


async def test_transient_error_is_retried(origin: Origin, clients: Clients, config: Config) -> None:
    origin.fault("/a.tif", Status(503), times=2, method="HEAD")
    result = await probe(transfer_from(origin.put("/a.tif", size=9)), clients, config)
    assert result.error is None
    assert [request.status for request in origin.requests] == [503, 503, 200]


async def test_probe_ends_after_three_attempts(
    origin: Origin, clients: Clients, config: Config
) -> None:
    origin.fault("/a.tif", Status(503), times=0, method="HEAD")
    result = await probe(transfer_from(origin.href("/a.tif")), clients, config)
    assert isinstance(result.error, ResponseError)
    assert len(origin.requests) == 3


async def test_configured_attempts_limit_probe(
    origin: Origin, clients: Clients, config: Config
) -> None:
    config.http_max_attempts = 1
    origin.fault("/a.tif", Status(503), times=0, method="HEAD")
    await probe(transfer_from(origin.href("/a.tif")), clients, config)
    assert len(origin.requests) == 1


async def test_permanent_error_is_not_retried(
    origin: Origin, clients: Clients, config: Config
) -> None:
    origin.remove("/a.tif")
    result = await probe(transfer_from(origin.href("/a.tif")), clients, config)
    assert isinstance(result.error, NotFoundError)
    assert len(origin.requests) == 1


async def test_total_timeout_ends_probe(origin: Origin, clients: Clients, config: Config) -> None:
    config.http_client_timeout, config.http_max_attempts = 0.05, 1
    origin.fault("/a.tif", Delay(3600), times=0)
    result = await probe(transfer_from(origin.href("/a.tif")), clients, config)
    assert isinstance(result.error, StalledError)


async def test_declared_media_type_is_checked(
    origin: Origin, clients: Clients, config: Config
) -> None:
    href = origin.put("/a.tif", size=9, content_type="text/html")
    result = await probe(transfer_from(href, content_type="image/tiff"), clients, config)
    assert isinstance(result.error, ContentTypeError)


async def test_client_is_returned_without_asking_source(
    origin: Origin, clients: Clients, config: Config
) -> None:
    transfer = transfer_from(origin.href("/a.tif"))
    result = await probe(transfer, clients, config, is_asked=False)
    assert (result.client, result.stat, result.error) == ("http", None, None)
    assert origin.requests == []


async def test_href_without_client_is_an_error(clients: Clients, config: Config) -> None:
    result = await probe(transfer_from("unknown-scheme://host/a.tif"), clients, config)
    assert isinstance(result.error, SchemeError)
    assert result.client is None


async def test_results_have_order_of_transfers(
    origin: Origin, clients: Clients, config: Config
) -> None:
    origin.fault("/0.tif", Delay(0.03), times=0)
    origin.remove("/2.tif")
    hrefs = [origin.href(f"/{number}.tif?size={100 + number}") for number in range(5)]
    transfers = [transfer_from(href) for href in hrefs]
    results = await probe_all(transfers, clients, config)
    assert [result.candidate for result in results] == [one.candidates[0] for one in transfers]
    sizes = [result.stat.size if result.stat else None for result in results]
    assert sizes == [100, 101, None, 103, 104]


async def test_no_transfers_have_no_results(clients: Clients, config: Config) -> None:
    assert await probe_all([], clients, config) == []


@pytest.mark.parametrize("limits", [(2, 32), (500, 2), (0, 32)], ids=["limit", "host", "zero"])
async def test_concurrent_probes_are_limited(
    origin: Origin, clients: Clients, config: Config, limits: tuple[int, int]
) -> None:
    limit, config.max_connections_per_host = limits
    origin.fault("*", Delay(0.03), times=0)
    transfers = [transfer_from(origin.href(f"/{number}.tif")) for number in range(6)]
    results = await probe_all(transfers, clients, config, limit)
    assert len(results) == 6
    # A request counts as in flight until shortly after its response.
    assert origin.in_flight_max <= max(1, min(limits)) + 1


async def test_declared_sizes_are_trusted_on_request(
    origin: Origin, clients: Clients, config: Config
) -> None:
    declared = transfer_from(origin.put("/declared.tif", size=9), size=9)
    other = transfer_from(origin.put("/other.tif", size=8))
    first, second = await probe_all([declared, other], clients, config, trust_sizes=True)
    assert (first.stat, first.client, first.error) == (None, "http", None)
    assert second.stat is not None
    assert second.stat.size == 8
    assert {request.path for request in origin.requests} == {"/other.tif"}
    await probe_all([declared], clients, config)
    assert origin.heads("/declared.tif") != []


async def test_empty_file_does_not_exist_unless_declared_or_accepted(
    origin: Origin, clients: Clients, config: Config
) -> None:
    empty, other = origin.put("/a.tif", b""), origin.put("/b.tif", size=7)
    result = await probe(transfer_from(empty), clients, config)
    assert isinstance(result.error, ContentError)
    assert "empty file" in str(result.error)
    result = await probe(transfer_from(empty, other), clients, config)
    assert result.candidate.href == other
    assert (await probe(transfer_from(empty, size=0), clients, config)).error is None
    accepting = Config(allow_empty_files=True)
    assert (await probe(transfer_from(empty), clients, accepting)).error is None


async def test_length_0_of_head_is_not_trusted(clients: Clients, config: Config) -> None:
    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        is_head = "range" not in request.headers
        writer.write(response_head(200, 0 if is_head else 5))
        writer.write(b"" if is_head else b"II*\0a")

    async with raw_origin(respond) as raw:
        result = await probe(transfer_from(f"{raw.url}/a.tif"), clients, config)
    assert (result.error, result.stat) == (None, Stat(5))
