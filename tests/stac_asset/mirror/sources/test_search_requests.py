"""Method, filter language and parameters of searches."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stac_asset.errors import ConfigError, SourceError
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.testing import Origin
from tests.support.mirror_runs import CONFIG, CONFORMS, build_item, run_mirror, serve_items
from tests.support.search_api import (
    CQL2,
    Reply,
    SearchRequest,
    found_item,
    json_reply,
    search_api,
    search_source,
)

ODD = ("a,b", "a/b", "a:b", "a b", "it's", '"quoted"', "ünïcödé", "a%2Cb")
TEXT = "eo:cloud_cover < 20"
CORNERS = ", ".join(f"{number / 1000} {number / 1000}" for number in range(4000))
POLYGON = f"S_INTERSECTS(geometry, POLYGON((0 0, {CORNERS}, 4 0, 0 0)))"
BOTH = ("GET", "POST")
FREE_TEXT = "https://api.stacspec.org/v1.0.0-rc.1/item-search#free-text"
ADVANCED = "https://api.stacspec.org/v1.0.0-rc.1/item-search#advanced-free-text"


async def fields_of_search(criteria: Criteria, **api_fields: Any) -> tuple[str, dict[str, Any]]:
    """Return the method and the parameters of the first search that an API receives."""
    with search_api([found_item("a")], **api_fields) as api:
        await search_source(api.url, criteria)
        return api.searches[0].method, api.searches[0].fields


async def test_short_text_filter_is_sent_by_get() -> None:
    method, fields = await fields_of_search(Criteria(filter=TEXT), methods=BOTH)
    assert (method, fields["filter"], fields["filter-lang"]) == ("GET", TEXT, "cql2-text")


@pytest.mark.parametrize(
    "more",
    [{"methods": ("POST",)}, {"methods": BOTH, "conforms": [*CONFORMS, CQL2[0], CQL2[2]]}],
    ids=["only POST", "only CQL2 JSON"],
)
async def test_text_filter_is_converted_where_get_or_text_is_not_supported(
    more: dict[str, Any],
) -> None:
    method, fields = await fields_of_search(Criteria(filter=TEXT), **more)
    assert (method, fields["filter-lang"]) == ("POST", "cql2-json")
    assert fields["filter"] == {"op": "<", "args": [{"property": "eo:cloud_cover"}, 20]}


async def test_text_filter_that_is_too_long_for_a_url_is_sent_by_post_as_json() -> None:
    method, fields = await fields_of_search(Criteria(filter=POLYGON), methods=BOTH)
    assert (method, fields["filter-lang"]) == ("POST", "cql2-json")
    assert fields["filter"]["op"] == "s_intersects"
    assert len(fields["filter"]["args"][1]["coordinates"][0]) == 4003


async def test_text_filter_beside_long_geometry_is_sent_by_post() -> None:
    points = [[number / 1000, 1.0] for number in range(1000)]
    intersects = {"type": "MultiPoint", "coordinates": points}
    method, _ = await fields_of_search(
        Criteria(filter=TEXT, intersects=intersects), methods=BOTH, ignored={"intersects"}
    )
    assert method == "POST"


@pytest.mark.parametrize("status", [414, 431])
async def test_refused_url_is_sent_by_post(status: int) -> None:
    def refuse(request: SearchRequest) -> Reply | None:
        return json_reply({}, status) if request.method == "GET" and "?" in request.target else None

    with search_api([found_item("a")], methods=BOTH, hook=refuse) as api:
        assert (await search_source(api.url, Criteria(filter=TEXT))).ids == ["a"]
        assert [request.method for request in api.searches] == ["GET", "POST"]


async def test_url_that_is_too_long_without_post_fails_with_the_reason() -> None:
    def refuse(request: SearchRequest) -> Reply | None:
        return json_reply({}, 414) if request.path == "/search" else None

    with (
        search_api([], hook=refuse) as api,
        pytest.raises(SourceError, match=r"shorter `search.filter`"),
    ):
        await search_source(api.url, Criteria(filter=TEXT))


async def test_text_is_not_converted_for_an_api_that_reads_only_text() -> None:
    conforms = [*CONFORMS, *CQL2[:2]]
    _, fields = await fields_of_search(Criteria(filter=TEXT), methods=("POST",), conforms=conforms)
    assert (fields["filter"], fields["filter-lang"]) == (TEXT, "cql2-text")


async def test_text_that_cannot_be_parsed_is_sent_unchanged() -> None:
    method, fields = await fields_of_search(Criteria(filter="a ~~ ("), methods=("POST",))
    assert (method, fields["filter"], fields["filter-lang"]) == ("POST", "a ~~ (", "cql2-text")


@pytest.mark.parametrize("methods", [("GET",), ("POST",), BOTH])
@pytest.mark.parametrize("filter_", [None, TEXT, json.dumps({"op": "isNull", "args": []})])
async def test_exactly_the_items_with_odd_ids_are_found(
    methods: tuple[str, ...], filter_: str | None
) -> None:
    items = [found_item(name) for name in (*ODD, "a", "b", "c")]

    def by_filter(request: SearchRequest) -> Reply | None:
        # The API understands the condition that replaces ids with commas.
        text = str(request.fields.get("filter", ""))
        if request.path != "/search" or "a,b" not in text:
            return None
        return json_reply({"features": [item for item in items if item["id"] == "a,b"]})

    with search_api(items, methods=methods, hook=by_filter) as api:
        result = await search_source(api.url, Criteria(ids=ODD, filter=filter_))
        assert (set(result.ids), len(result.ids)) == (set(ODD), len(ODD))
        assert (result.source.is_complete, result.notices) == (True, [])


async def test_id_with_comma_is_refused_where_no_request_can_express_it() -> None:
    with (
        search_api([], conforms=CONFORMS) as api,
        pytest.raises(ConfigError, match=r"`search.ids` has 'a,b', and the API"),
    ):
        await search_source(api.url, Criteria(ids=("a,b",)))


async def test_collection_with_comma_is_refused_without_post() -> None:
    criteria = Criteria(collections=("a,b",))
    with search_api([found_item("x", "a,b")], methods=BOTH) as api:
        assert (await search_source(api.url, criteria)).ids == ["x"]
        api.methods = ("GET",)
        with pytest.raises(ConfigError, match=r"`search.collections` names 'a,b'"):
            await search_source(api.url, criteria)


async def test_many_ids_are_searched_in_several_urls() -> None:
    items = [found_item(f"item-{number:03}") for number in range(120)]
    names = [item["id"] for item in items]
    with search_api(items) as api:
        assert (await search_source(api.url, Criteria(ids=tuple(names)))).ids == names
        assert [len(request.fields["ids"]) for request in api.searches] == [50, 50, 20]


@pytest.mark.parametrize(
    ("conforms", "methods", "terms", "expected"),
    [
        (FREE_TEXT, ("GET",), ("flood, fire",), "flood,fire"),
        (FREE_TEXT, ("POST",), ("flood, fire",), ["flood", "fire"]),
        (FREE_TEXT, ("POST",), ("climate model", "fire"), ["climate model", "fire"]),
        (ADVANCED, ("GET",), ('"climate model" +fire',), '"climate model" +fire'),
        (ADVANCED, ("POST",), ("flood", "fire"), "(flood) OR (fire)"),
    ],
)
async def test_free_text_has_the_form_of_the_extension(
    conforms: str, methods: tuple[str, ...], terms: tuple[str, ...], expected: object
) -> None:
    _, fields = await fields_of_search(
        Criteria(q=terms), methods=methods, conforms=[*CONFORMS, conforms]
    )
    assert fields["q"] == expected


async def test_free_text_requires_an_api_with_the_extension(origin: Origin, tmp_path: Path) -> None:
    criteria = Criteria(q=("flood",))
    with (
        search_api([]) as api,
        pytest.raises(ConfigError, match=r"`search.q` is not supported by the API"),
    ):
        await search_source(api.url, criteria)
    href = serve_items(origin, [build_item(origin, "a")])
    with pytest.raises(ConfigError, match=r"`search.q` requires a STAC API"):
        await run_mirror(tmp_path / "m", href, criteria)


def test_free_text_is_part_of_the_identity_of_a_search() -> None:
    assert Criteria().digest("x") != Criteria(q=("a",)).digest("x")
    with pytest.raises(ConfigError, match=r"`search.q` has an empty entry"):
        Criteria(q=(" ",))


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=5))
def test_ids_in_a_filter_are_quoted(names: list[str]) -> None:
    from stac_asset.mirror.sources.search_requests import _json_of, _with_ids

    fields = _with_ids(None, names)
    if any("\x00" in name for name in names):
        return
    assert _json_of(fields["filter"]) == {"op": "in", "args": [{"property": "id"}, names]}


@pytest.mark.parametrize(
    "link",
    [
        {"rel": "search", "href": "{url}/search", "method": "GET,POST"},
        {"rel": "search", "href": "{url}/search", "method": ["get"]},
        {"rel": "search", "href": "{url}/search", "method": "PATCH"},
        {"rel": "search", "href": "{url}/search{?bbox,datetime}"},
    ],
)
async def test_search_is_found_among_unusual_links(link: dict[str, Any]) -> None:
    def landing(request: SearchRequest) -> Reply | None:
        if request.path != "/":
            return None
        links = [
            {"rel": "search", "href": "http://[invalid"},
            link | {"href": link["href"].replace("{url}", api.url)},
            {"rel": "search", "href": f"{api.url}/form", "type": "text/html"},
            {"rel": "search", "href": "/x", "type": "application/opensearchdescription+xml"},
        ]
        return json_reply({"id": "api", "conformsTo": CONFORMS, "links": links})

    with search_api([found_item("a")], methods=BOTH, hook=landing) as api:
        assert (await search_source(f"{api.url}/")).ids == ["a"]


async def test_api_without_valid_link_to_the_search_is_refused() -> None:
    links = [{"rel": "search", "href": "http://[invalid"}]
    document = {"id": "api", "conformsTo": CONFORMS, "links": links}
    with (
        search_api([], hook=lambda _: json_reply(document)) as api,
        pytest.raises(SourceError, match="no link 'search' of the root has a valid href"),
    ):
        await search_source(api.url)


@pytest.mark.parametrize("status", [405, 501])
async def test_search_by_post_that_is_refused_is_sent_by_get(status: int) -> None:
    def refuse(request: SearchRequest) -> Reply | None:
        return json_reply({}, status) if request.method == "POST" else None

    config = replace(CONFIG, http_max_attempts=1)
    with search_api([found_item("a"), found_item("b")], methods=BOTH, hook=refuse) as api:
        result = await search_source(api.url, Criteria(ids=("a",)), config)
    assert (result.ids, result.source.is_complete) == (["a"], True)
