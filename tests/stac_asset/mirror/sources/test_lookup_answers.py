"""Requests by id: an item is absent only after a definite answer about exactly this id."""

from __future__ import annotations

from typing import Any

import pytest

from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window
from stac_asset.mirror.source_item import Key
from tests.support.mirror_runs import CONFORMS
from tests.support.search_api import (
    CQL2,
    Reply,
    SearchRequest,
    found_item,
    json_reply,
    lookup,
    open_api,
    search_api,
)

ODD = ["a,b", "a/b", "a:b", "a b", "it's", '"quoted"', "ünïcödé", "a%2Fb", "a?b#c", "a&b=c", "+"]


def keys(*names: str) -> list[Key]:
    return [Key("things", name) for name in names]


@pytest.mark.parametrize("methods", [("POST",), ("GET", "POST")])
async def test_ids_with_any_characters_are_found_by_post(methods: tuple[str, ...]) -> None:
    with search_api([found_item(name) for name in ODD], methods=methods) as api:
        assert await lookup(api.url, keys(*ODD, "gone,away")) == (set(ODD), set())


async def test_id_with_comma_is_found_at_its_own_path_without_post() -> None:
    items = [found_item(name) for name in (*ODD, "a", "b")]
    with search_api(items, conforms=CONFORMS) as api:
        found = await lookup(api.url, keys(*ODD, "a", "gone,away", "gone,/away"))
        assert found == ({*ODD, "a"}, {"gone,/away"})


async def test_api_that_limits_results_is_asked_again() -> None:
    items = [found_item(f"item-{number}") for number in range(30)]

    def limited(request: SearchRequest) -> Reply | None:
        if request.path != "/search":
            return None
        found = [item for item in items if item["id"] in request.fields["ids"]]
        return json_reply({"features": found[:10]})

    with search_api(items, hook=limited) as api:
        names = {item["id"] for item in items}
        assert await lookup(api.url, keys(*names, "gone")) == (names, set())


async def test_api_that_ignores_ids_is_asked_for_the_path_of_the_item() -> None:
    items = [found_item(f"item-{number}") for number in range(30)]

    def first_page(request: SearchRequest) -> Reply | None:
        if request.path != "/search":
            return None
        return json_reply({"features": items[: request.limit]})

    with search_api(items, hook=first_page) as api:
        assert await lookup(api.url, keys("item-29", "gone")) == ({"item-29"}, set())


@pytest.mark.parametrize(
    ("answer", "is_undecided"),
    [
        (json_reply({}, 404), False),
        (json_reply({}, 410), False),
        (json_reply({}, 403), True),
        (json_reply({}, 500), True),
        (json_reply(found_item("other")), True),
        ((200, {}, b"<html>"), True),
        ((404, {}, b"<html>Not found</html>"), True),
    ],
)
async def test_only_a_definite_answer_makes_an_item_absent(
    answer: Reply, is_undecided: bool
) -> None:
    def refuse(request: SearchRequest) -> Reply | None:
        if request.path == "/search":
            return json_reply({"message": "unknown parameter 'ids'"}, 400)
        return answer if "/items/" in request.path else None

    with search_api([], hook=refuse) as api:
        undecided = {"gone"} if is_undecided else set()
        assert await lookup(api.url, keys("gone")) == (set(), undecided)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (json_reply(found_item("gone")), ({"gone"}, set())),
        (json_reply({}, 401), (set(), {"gone"})),
        (json_reply({}, 403), (set(), {"gone"})),
        (json_reply({}, 500), (set(), {"gone"})),
        (json_reply({}, 404), (set(), set())),
        (json_reply({}, 405), (set(), set())),
        ((404, {}, b"<html>Not found</html>"), (set(), set())),
        (json_reply(found_item("other")), (set(), set())),
    ],
)
async def test_path_of_an_item_can_contradict_an_exact_search(
    answer: Reply, expected: tuple[set[str], set[str]]
) -> None:
    def reply(request: SearchRequest) -> Reply | None:
        return answer if "/items/" in request.path else None

    with search_api([], methods=("POST",), hook=reply) as api:
        assert await lookup(api.url, keys("gone")) == expected


async def test_paths_that_fail_are_not_requested_for_each_item() -> None:
    def refuse(request: SearchRequest) -> Reply | None:
        return json_reply({}, 403) if "/items/" in request.path else None

    names = {f"item-{number}" for number in range(20)}
    with search_api([], methods=("POST",), hook=refuse) as api:
        assert await lookup(api.url, keys(*names)) == (set(), names)
        assert len([request for request in api.requests if "/items/" in request.path]) == 3


async def test_failing_api_leaves_all_items_undecided() -> None:
    def fail(request: SearchRequest) -> Reply | None:
        return json_reply({}, 503) if request.path == "/search" else None

    with search_api([], hook=fail) as api:
        names = {f"item-{number}" for number in range(120)}
        assert await lookup(api.url, keys(*names)) == (set(), names)
        assert len({str(request.fields["ids"]) for request in api.searches}) == 1


async def test_other_items_of_an_answer_are_not_returned() -> None:
    others: list[dict[str, Any]] = [found_item("wanted", "others"), found_item("else")]
    with search_api([*others, found_item("wanted")], ignored={"ids", "collections"}) as api:
        assert await lookup(api.url, keys("wanted")) == ({"wanted"}, set())


async def test_ids_with_commas_become_a_filter_without_post() -> None:
    with search_api([], conforms=CONFORMS + CQL2) as api:
        await lookup(api.url, keys("it's, here"))
        (request, *_) = api.searches
        assert request.fields["filter"] == "id IN ('it''s, here')"
        assert request.fields["filter-lang"] == "cql2-text"
        assert "ids" not in request.fields


@pytest.mark.parametrize("way", ["nothing", "upper case", "first id"])
async def test_search_by_id_that_finds_no_known_item_is_no_definite_answer(way: str) -> None:
    def hook(request: SearchRequest) -> Reply | None:
        ids = request.fields.get("ids")
        if not ids:
            return None
        changed = {"nothing": [], "upper case": [name.upper() for name in ids]}.get(way, ids[:1])
        return json_reply({"features": [item for item in api.items if item["id"] in changed]})

    async def lookup_after_search() -> tuple[list[str], set[Key]]:
        async with open_api(api.url) as source:
            async for _ in source.items(Criteria(), Window()):
                pass
            found = [item.document["id"] async for item in source.items_by_id(keys("a/b"))]
            return found, source.undecided

    with search_api([found_item("k")], methods=("POST",), hook=hook) as api:
        assert await lookup_after_search() == ([], set(keys("a/b")))
        api.hook = None
        assert await lookup_after_search() == ([], set())
        api.items.append(found_item("a/b"))
        assert await lookup_after_search() == (["a/b"], set())
