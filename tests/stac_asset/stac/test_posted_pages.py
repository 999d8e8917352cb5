"""Item collections whose next pages require a POST request or headers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stac_asset import Config
from stac_asset.clients import Client, Clients
from stac_asset.errors import SourceError
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.sources.open import open_source
from stac_asset.notices import collect_notices
from stac_asset.stac.item_pages import open_item_pages
from stac_asset.stac.read import read_stac
from tests.support.mirror_runs import NOW
from tests.support.search_api import SearchApi, SearchRequest, found_item, json_reply, search_api

CONFIG = Config(retry_wait=0.01, retry_wait_max=0.02, http_max_attempts=2)
ITEMS = [found_item(f"i{number}") for number in range(5)] + [found_item("other", "others")]


def saved_search(api: SearchApi, path: Path, **link: Any) -> Path:
    """Save the first page of a search by POST to a file, and return the path."""
    fields = {"collections": ["things"], "limit": 2}
    page = api.page(SearchRequest("POST", "/search", fields, {}, "/search"))
    page["links"][0] |= link
    path.write_text(json.dumps(page))
    return path


async def read_ids(source: str, scratch: Path, clients: list[Client] | None = None) -> list[str]:
    """Return the ids of an item collection, read in memory and through files alike."""
    async with Clients(CONFIG, clients) as known:
        stac = await read_stac(source, known, CONFIG)
        scratch.mkdir(exist_ok=True)
        pages = await open_item_pages(source, known, CONFIG, scratch)
    ids = [item["id"] for item, _ in pages.documents()]
    assert [item.id for item in stac] == ids  # type: ignore[union-attr]
    assert pages.error is None
    return ids


async def test_saved_search_by_post_is_read_to_the_end(tmp_path: Path) -> None:
    with search_api(ITEMS, methods=("POST",)) as api:
        path = saved_search(api, tmp_path / "search.json")
        ids = await read_ids(str(path), tmp_path / "pages")
    assert ids == ["i0", "i1", "i2", "i3", "i4"]
    assert {request.method for request in api.requests} == {"POST"}
    assert api.requests[0].fields == {"collections": ["things"], "limit": 2, "offset": 2}
    assert api.requests[0].headers["content-type"] == "application/json"


async def test_mirror_of_a_saved_search_by_post_is_complete(tmp_path: Path) -> None:
    with search_api(ITEMS, methods=("POST",)) as api:
        path = saved_search(api, tmp_path / "search.json")
        async with Clients(CONFIG) as clients:
            source = await open_source(str(path), clients, CONFIG, tmp_path)
            found = [item.key async for item in source.items(Criteria(), Criteria().window(NOW))]
    assert len(found) == 5
    assert source.is_complete


async def test_body_of_the_current_page_is_merged(tmp_path: Path) -> None:
    class MergingApi(SearchApi):
        def next_link(self, request: SearchRequest, offset: int) -> dict[str, Any]:
            body = {"offset": offset}
            return {"rel": "next", "href": "/search", "method": "POST", "body": body, "merge": True}

    with search_api(ITEMS, methods=("POST",)) as api:
        path = saved_search(api, tmp_path / "search.json")
        api.hook = lambda request: json_reply(MergingApi(ITEMS).page(request))
        assert await read_ids(str(path), tmp_path / "pages") == ["i0", "i1", "i2", "i3", "i4"]


@pytest.mark.parametrize("link", [{"merge": True}, {"body": None}])
async def test_page_without_the_body_of_its_search_is_an_error(
    tmp_path: Path, link: dict[str, Any]
) -> None:
    with search_api(ITEMS, methods=("POST",)) as api:
        path = saved_search(api, tmp_path / "search.json", **link)
        async with Clients(CONFIG) as clients:
            with pytest.raises(SourceError, match="requires the body of the search"):
                await read_stac(str(path), clients, CONFIG)
    assert api.requests == []


async def test_headers_of_a_link_are_sent(tmp_path: Path) -> None:
    with search_api(ITEMS) as api:
        first = api.page(SearchRequest("GET", "/search", {"limit": 4}, {}, "/search"))
        headers = {"Search-After": "4", "Host": "other.example"}
        first["links"] = [{"rel": "next", "href": "./more?limit=2", "headers": headers}]
        rest = json_reply({"type": "FeatureCollection", "features": ITEMS[4:], "links": []})
        api.hook = lambda request: rest if request.path == "/more" else json_reply(first)
        ids = await read_ids(f"{api.url}/items?limit=4", tmp_path / "pages")
    assert ids == ["i0", "i1", "i2", "i3", "i4", "other"]
    more = [request.headers for request in api.requests if request.path == "/more"]
    assert [sent["search-after"] for sent in more] == ["4", "4"]
    assert not any("other" in sent["host"] for sent in more)


@pytest.mark.parametrize(
    ("status", "location", "is_read"),
    [(301, "/search/", True), (308, "/elsewhere", True), (302, "/elsewhere", False)],
)
async def test_redirected_page_stays_a_post_request(
    tmp_path: Path, status: int, location: str, is_read: bool
) -> None:
    with search_api(ITEMS, methods=("POST",)) as api:
        path = saved_search(api, tmp_path / "search.json")
        api.hook = lambda request: (
            (status, {"Location": location}, b"")
            if request.path == "/search"
            else json_reply(api.page(request))
        )
        async with Clients(CONFIG) as clients:
            if is_read:
                stac = await read_stac(str(path), clients, CONFIG)
                assert len(list(stac)) == 5  # type: ignore[call-overload]
            else:
                with pytest.raises(SourceError, match="which is another address"):
                    await read_stac(str(path), clients, CONFIG)
    assert {request.method for request in api.requests} == {"POST"}


async def test_redirect_to_another_origin_gets_no_body(tmp_path: Path) -> None:
    with (
        search_api(ITEMS, methods=("POST",)) as api,
        search_api(ITEMS, methods=("POST",)) as other,
    ):
        path = saved_search(api, tmp_path / "search.json", headers={"X-Token": "secret"})
        api.hook = lambda request: (307, {"Location": f"{other.url}/search"}, b"")
        async with Clients(CONFIG) as clients:
            with pytest.raises(SourceError, match="another address"):
                await read_stac(str(path), clients, CONFIG)
    assert other.requests == []


async def test_post_to_another_origin_than_that_of_a_remote_page_is_refused(
    tmp_path: Path,
) -> None:
    with (
        search_api(ITEMS, methods=("POST",)) as api,
        search_api(ITEMS, methods=("POST",)) as other,
    ):
        first = json.loads(saved_search(other, tmp_path / "search.json").read_text())
        api.hook = lambda request: json_reply(first)
        async with Clients(CONFIG) as clients:
            with pytest.raises(SourceError, match="at another origin"):
                await read_stac(f"{api.url}/page", clients, CONFIG)
    assert other.requests == []


async def test_client_without_post_requests_is_named(tmp_path: Path) -> None:
    class Plain(Client):
        name = "plain"

        def claims(self, url: Any) -> bool:
            return str(url.scheme) == "http"

        def open_url(self, url: Any, content_type: str | None = None) -> Any:
            raise AssertionError

    with search_api(ITEMS, methods=("POST",)) as api:
        path = saved_search(api, tmp_path / "search.json")
        with pytest.raises(SourceError, match="the client 'plain' does not send"):
            await read_ids(str(path), tmp_path / "pages", [Plain()])
    assert api.requests == []


async def test_pages_that_repeat_end_the_item_collection(tmp_path: Path) -> None:
    with search_api(ITEMS, methods=("POST",)) as api:
        path = saved_search(api, tmp_path / "search.json")
        page = json_reply(json.loads(path.read_text()))
        api.hook = lambda request: page
        with collect_notices():
            async with Clients(CONFIG) as clients:
                with pytest.raises(SourceError, match="same items as an earlier page"):
                    await read_stac(str(path), clients, CONFIG)
    assert len(api.requests) == 1
