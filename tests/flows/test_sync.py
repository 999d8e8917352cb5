"""The flow `sync` on a real Prefect server, over a real STAC API, with nights in between."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pystac
import pytest
from prefect.client.schemas.objects import State
from prefect.exceptions import ParameterTypeError
from prefect.settings import PREFECT_API_URL
from prefect.utilities.callables import parameter_schema
from pystac.validation import JsonSchemaSTACValidator

from prefect_stac_asset import flows
from prefect_stac_asset.blocks import HttpCredentials
from prefect_stac_asset.flows import DownloadOptions, Search, SyncResult
from prefect_stac_asset.flows.mirror.result import PLAN
from prefect_stac_asset.flows.reporting.artifacts import SUMMARY
from prefect_stac_asset.flows.reporting.events import ITEM_DOWNLOADED, RUN_COMPLETED
from stac_asset.errors import ConfigError, DownloadError, SourceError
from stac_asset.stac.item_files import read_items
from stac_asset.testing import Origin, Stall
from tests.flows.reading import read_artifacts, read_back, read_events
from tests.flows.running import until
from tests.mirror.nights import check_catalog, documents, item_of, put_api
from tests.stac_api import COLLECTION, KEYS, Api, on_origin, real_items, stac_api

OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=2)
ALL = Search(collections=[COLLECTION])


@pytest.fixture(scope="module")
def real() -> list[dict[str, Any]]:
    """The 1,000 real items."""
    folder = Path(__file__).parents[3] / "shared" / "data"
    return real_items(folder) if folder.is_dir() else []


@pytest.fixture(scope="module")
def module_origin() -> Iterator[Origin]:
    with Origin() as running:
        yield running


@pytest.fixture(scope="module")
def module_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = Path(__file__).parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("../shared/data is absent")
    with stac_api(tmp_path_factory.mktemp("api"), folder) as api:
        yield api


@pytest.fixture
def api(module_api: Api, shared_data: Path) -> Api:
    """A real STAC API; what it serves, a test says."""
    return module_api


@pytest.fixture
def origin(module_origin: Origin) -> Origin:
    """The origin of the assets, as if nobody had asked it anything."""
    module_origin.heal()
    module_origin.forget()
    return module_origin


@pytest.fixture
def few(real: list[dict[str, Any]], origin: Origin) -> list[dict[str, Any]]:
    """Twelve of the items, with two assets each."""
    return [on_origin(item, origin) for item in real[::90]]


async def sync(api: Api | str, directory: Path, search: Search = ALL, **more: Any) -> SyncResult:
    href = api.href if isinstance(api, Api) else api
    return await flows.sync(href, str(directory), search, **({"options": OPTIONS} | more))


async def synced(
    api: Api | str, directory: Path, search: Search = ALL, **more: Any
) -> State[SyncResult]:
    href = api.href if isinstance(api, Api) else api
    arguments = {"options": OPTIONS} | more
    state: State[SyncResult] = await flows.sync(
        href, str(directory), search, **arguments, return_state=True
    )
    return state


def ids(items: list[dict[str, Any]]) -> set[str]:
    return {str(item["id"]) for item in items}


def changed(item: dict[str, Any], origin: Origin, key: str) -> dict[str, Any]:
    """Returns an item one of whose assets is elsewhere now."""
    new = copy.deepcopy(item)
    new["assets"][key]["href"] = origin.href(f"/{item['id']}/{key}.v2.tif?size=600")
    return new


def set_updated(item: dict[str, Any]) -> dict[str, Any]:
    new = copy.deepcopy(item)
    new["properties"]["updated"] = "2026-06-01T00:00:00Z"
    return new


async def test_two_nights_over_a_thousand_items(
    api: Api, origin: Origin, real: list[dict[str, Any]], tmp_path: Path
) -> None:
    directory = tmp_path / "m"
    items = [on_origin(item, origin) for item in real]
    options = DownloadOptions(include=["visual"], retry_wait=0.01)

    api.serve(items[:990])
    state = await synced(api, directory, options=options)
    result = await state.aresult()
    assert state.name == "Completed"
    assert (result.found, result.new, result.downloaded, result.failed) == (990, 990, 990, 0)
    assert len(origin.gets()) == 990
    assert result.document == str(directory / "catalog.json")
    await check_whole(directory, ids(items[:990]), origin)

    origin.forget()
    state = await synced(api, directory, options=options)
    result = await state.aresult()
    assert (state.name, state.type.value) == ("NothingNew", "COMPLETED")
    assert (result.found, result.unchanged, result.new) == (990, 990, 0)
    assert origin.requests == []

    # A night later: four are gone, five changed and three moved, ten are new.
    tonight = [
        *(set_updated(item) for item in items[4:9]),
        *(changed(item, origin, "visual") for item in items[9:12]),
        *items[12:],
    ]
    api.serve(tonight)
    state = await synced(api, directory, options=options, on_removed="mark")
    result = await state.aresult()
    assert (result.new, result.changed, result.unchanged) == (10, 8, 978)
    assert (result.removed, result.failed) == (4, 0)
    assert len(origin.gets()) == 18
    there = documents(directory)
    gone = {name for name, item in there.items() if "mirror:removed" in item["properties"]}
    assert gone == ids(items[:4])
    assert len(there) == 1000

    origin.forget()
    api.serve(tonight[:-1])
    result = await sync(api, directory, options=options, on_removed="delete")
    assert (result.new, result.changed, result.removed) == (0, 0, 5)
    assert origin.requests == []
    assert set(documents(directory)) == ids(items[4:-1])
    state = await flows.verify(str(directory), return_state=True)
    assert (state.name, state.message) == ("Completed", "995 of 995 files are good")


async def check_whole(directory: Path, names: set[str], origin: Origin) -> None:
    """Checks that a mirror is valid STAC, and holds what the origin has, and an index of it."""
    catalog = check_catalog(directory, names)
    validator = JsonSchemaSTACValidator()
    items = list(catalog.get_items(recursive=True))
    (collection,) = catalog.get_children()
    validator.validate_core(
        json.loads((directory / "catalog.json").read_bytes()),
        pystac.STACObjectType.CATALOG,
        "1.1.0",
    )
    validator.validate_core(
        json.loads(Path(collection.get_self_href() or "").read_bytes()),
        pystac.STACObjectType.COLLECTION,
        "1.1.0",
    )
    assert collection.title == "Sentinel-2 Level-2A"
    for item in items[:: max(1, len(items) // 20)]:
        validator.validate_core(
            json.loads(Path(item.get_self_href() or "").read_bytes()),
            pystac.STACObjectType.ITEM,
            "1.1.0",
        )
        for key, asset in item.assets.items():
            path = Path(item.get_self_href() or "").parent / asset.href
            assert path.read_bytes() == origin.content(f"/{item.id}/{key}.tif?size=500")
        (derived,) = [link for link in item.links if link.rel == "derived_from"]
        assert f"/items/{item.id}" in str(derived.target)
    pytest.importorskip("stac_geoparquet")
    rows = list(read_items(directory / "items.parquet", "index"))
    assert ids(rows) == names
    for row in rows[:5]:
        for asset in row["assets"].values():
            assert (directory / asset["href"]).is_file()


async def test_searches_of_the_api(
    api: Api, origin: Origin, real: list[dict[str, Any]], tmp_path: Path
) -> None:
    items = [on_origin(item, origin) for item in real]
    api.serve(items)
    one = items[0]
    west, south, *_ = one["bbox"]
    cases = {
        "ids": Search(collections=[COLLECTION], ids=[one["id"], items[7]["id"]]),
        "bbox": Search(bbox=[west, south, west + 0.01, south + 0.01], datetime="2024-07-10"),
        "datetime": Search(datetime="2024-08-28T17:00:00Z/..", page_size=7),
        "intersects": Search(
            intersects={"type": "Point", "coordinates": [west + 0.5, south + 0.5]},
            datetime="2024-07-10/2024-07-11",
        ),
    }
    for name, search in cases.items():
        result = await sync(api, tmp_path / name, search, dry_run=True)
        assert 0 < result.new < 100, name
    assert result.found == result.new
    result = await sync(api, tmp_path / "m", cases["ids"])
    check_catalog(tmp_path / "m", {one["id"], items[7]["id"]})
    state = await synced(api, tmp_path / "m", Search(datetime="last 10 days"))
    assert state.name == "NothingNew"
    assert (await state.aresult()).found == 0


async def test_failed_items_are_tried_again_and_hold_nothing_back(
    api: Api, origin: Origin, few: list[dict[str, Any]], tmp_path: Path
) -> None:
    api.serve(few)
    bad = f"/{few[3]['id']}/B04.tif"
    origin.remove(bad)
    state = await synced(api, tmp_path)
    assert state.is_failed()
    assert "1 of 24 assets failed" in (state.message or "")
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, DownloadError)
    check_catalog(tmp_path, ids(few))
    report = [json.loads(line) for line in (tmp_path / "sync.report.ndjson").open()]
    assert [row["key"] for row in report if row["state"] == "failed"] == ["B04"]

    origin.forget()
    again = await synced(api, tmp_path, options=OPTIONS.model_copy(update={"warn": True}))
    assert again.name == "CompletedWithWarnings"
    assert [request.path for request in origin.gets()] == [bad]
    origin.put(bad, size=500)
    result = await sync(api, tmp_path)
    assert (result.again, result.downloaded, result.failed_items) == (1, 1, 0)
    assert set(documents(tmp_path)[few[3]["id"]]["assets"]) == set(KEYS)


async def test_item_of_a_static_catalog_that_cannot_be_read_fails_alone(
    origin: Origin, tmp_path: Path
) -> None:
    root = {"type": "Catalog", "stac_version": "1.1.0", "id": "c", "description": "c"}
    links = [{"rel": "item", "href": f"./{name}.json"} for name in ("gone", "good")]
    href = origin.put("/static/catalog.json", json.dumps(root | {"links": links}).encode())
    good = json.dumps(item_of(origin, "good", collection=None)).encode()
    origin.put("/static/good.json", good)
    origin.remove("/static/gone.json")
    state = await synced(href, tmp_path, Search())
    assert state.is_failed()
    assert "Item document 'http" in (state.message or "")
    assert "/static/gone.json' cannot be read: 404" in (state.message or "")
    check_catalog(tmp_path, {"good"})
    origin.put("/static/gone.json", good.replace(b'"good"', b'"gone"'))
    assert (await sync(href, tmp_path, Search())).new == 1
    check_catalog(tmp_path, {"good", "gone"})


async def test_limits_leave_the_rest_for_the_next_run(
    api: Api, origin: Origin, few: list[dict[str, Any]], tmp_path: Path
) -> None:
    api.serve(few)
    first = await sync(api, tmp_path, max_items=5)
    assert (first.new, first.left, first.downloaded) == (5, 7, 10)
    check_catalog(tmp_path, set(documents(tmp_path)))
    second = await sync(api, tmp_path, max_bytes=4500)
    assert (second.new, second.left, second.bytes) == (4, 3, 4000)
    third = await sync(api, tmp_path)
    assert (third.new, third.left) == (3, 0)
    check_catalog(tmp_path, ids(few))
    gets = [request.path for request in origin.gets()]
    assert len(gets) == len(set(gets)) == 24


async def test_dry_run_shows_the_plan_and_does_nothing(
    api: Api, origin: Origin, few: list[dict[str, Any]], tmp_path: Path
) -> None:
    api.serve(few[:6])
    await sync(api, tmp_path / "m")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "m").rglob("*")}
    origin.forget()
    api.serve([set_updated(few[1]), *few[2:8]])
    state = await synced(api, tmp_path / "m", dry_run=True, on_removed="delete")
    assert (state.name, state.type.value) == ("DryRun", "COMPLETED")
    artifact = (await read_artifacts(state))[PLAN]
    assert artifact["type"] == "table"
    rows = {row["item"]: row for row in json.loads(artifact["data"])}
    assert {name: row["reason"] for name, row in rows.items()} == {
        few[0]["id"]: "removed from the source: delete",
        few[1]["id"]: "changed",
        few[6]["id"]: "new",
        few[7]["id"]: "new",
    }
    assert rows[few[6]["id"]]["assets"] == 2
    assert "2 new, 1 changed" in artifact["description"]
    result = await state.aresult()
    assert (result.new, result.changed, result.removed, result.dry_run) == (2, 1, 1, True)
    assert origin.requests == []
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "m").rglob("*")}
    assert not (tmp_path / "never").exists()
    await sync(api, tmp_path / "never", dry_run=True)
    assert not (tmp_path / "never").exists()


async def test_removal_needs_the_sources_word(
    api: Api, origin: Origin, few: list[dict[str, Any]], tmp_path: Path
) -> None:
    api.serve(few)
    await sync(api, tmp_path)
    result = await sync(api, tmp_path, Search(datetime="last 10 days"), on_removed="delete")
    assert result.removed == 0, "a search without results says nothing"
    api.serve(few[1:])
    newest = max(few[1:], key=lambda item: str(item["properties"]["datetime"]))
    window = Search(datetime=f"{newest['properties']['datetime'][:10]}/..")
    if few[0]["properties"]["datetime"] < newest["properties"]["datetime"][:10]:
        assert (await sync(api, tmp_path, window, on_removed="delete")).removed == 0
    assert (await sync(api, tmp_path)).removed == 0, "by default, nothing is looked for"
    check_catalog(tmp_path, ids(few))
    assert (await sync(api, tmp_path, on_removed="delete")).removed == 1
    check_catalog(tmp_path, ids(few[1:]))


async def test_what_one_sees_in_prefect(
    api: Api, origin: Origin, few: list[dict[str, Any]], tmp_path: Path
) -> None:
    api.serve(few[:3])
    state = await synced(api, tmp_path, {"collections": [COLLECTION]})  # type: ignore[arg-type]
    run, task_runs = await read_back(state, 7)
    assert run.parameters["search"] == {"collections": [COLLECTION]}
    assert json.loads(json.dumps(run.parameters)) == run.parameters
    assert run.name == f"sync {api.href.removeprefix('http://')} to {tmp_path}"
    assert {task_run.name for task_run in task_runs} >= {f"{few[0]['id']}/B04"}
    assert run.state is not None
    assert run.state.message == "3 items found: 3 new, 0 changed; 6 downloaded, 0 skipped, 0 failed"
    assert "| Assets downloaded | 6 |" in (await read_artifacts(state))[SUMMARY]["data"]
    events = await read_events(ITEM_DOWNLOADED, state, 3)
    assert {event["payload"]["id"] for event in events} == ids(few[:3])
    for event in events:
        assert Path(event["payload"]["document"]).is_file()
    (completed,) = await read_events(RUN_COMPLETED, state, 1)
    assert completed["payload"]["new"] == 3
    result = await state.aresult()
    assert SyncResult.model_validate_json(result.model_dump_json()) == result


PROGRAM = """
import asyncio, sys, flows
source, directory, collection = sys.argv[1:]
options = flows.DownloadOptions(max_concurrent_downloads=2, http_read_timeout=600)
search = flows.Search(collections=[collection])
asyncio.run(flows.sync(source, directory, search, options))
"""


@pytest.mark.parametrize("granularity", ["asset", "batch"])
async def test_run_that_was_killed_is_continued(
    api: Api, origin: Origin, few: list[dict[str, Any]], tmp_path: Path, granularity: str
) -> None:
    """In a process of its own, on the same Prefect server."""
    directory = tmp_path / "m"
    api.serve(few)
    late = {f"/{item['id']}/visual.tif" for item in few[6:]}
    for path in late:
        origin.fault(path, Stall(), times=0)
    program = PROGRAM.replace("options))", f"options, granularity={granularity!r}))")
    command = [sys.executable, "-c", program, api.href, str(directory), COLLECTION]
    environment = {**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value())}
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=Path(__file__).parents[2], stdout=log, stderr=log
        )
        await until(lambda: process.returncode is not None or len(origin.gets("*visual.tif")) >= 8)
        assert process.returncode is None, (tmp_path / "log").read_text()
        process.send_signal(signal.SIGKILL)
        await process.wait()
    done = {path.relative_to(directory) for path in directory.rglob("*.tif")}
    assert 8 <= len(done) < 24
    assert (directory / ".mirror/begun.ndjson").exists()
    origin.heal()
    origin.forget()
    result = await sync(api, directory)
    asked = {request.path.lstrip("/") for request in origin.gets()}
    assert asked == {f"{item['id']}/{key}.tif" for item in few for key in KEYS} - {
        str(path.relative_to(COLLECTION)) for path in done
    }
    assert result.failed == 0
    check_catalog(directory, ids(few))
    assert (await synced(api, directory)).name == "NothingNew"


async def test_second_run_into_the_same_mirror_is_refused(
    api: Api, origin: Origin, few: list[dict[str, Any]], tmp_path: Path
) -> None:
    api.serve(few[:2])
    origin.fault("/*.tif", Stall(), times=0)
    patient = DownloadOptions(http_read_timeout=1, retry_wait=0.01, http_max_attempts=1000)
    first = asyncio.ensure_future(synced(api, tmp_path, options=patient))
    await until(lambda: origin.gets("/*.tif"))
    refused = await synced(api, tmp_path)
    assert refused.is_failed()
    assert "another run is writing it" in (refused.message or "")
    origin.heal()
    assert (await first).is_completed()
    check_catalog(tmp_path, ids(few[:2]))


async def test_first_error_ends_the_run_and_what_is_there_is_a_catalog(
    api: Api, origin: Origin, few: list[dict[str, Any]], tmp_path: Path
) -> None:
    api.serve(few)
    origin.remove(f"/{few[-1]['id']}/B04.tif")
    options = DownloadOptions(fail_fast=True, max_concurrent_downloads=1, http_max_attempts=1)
    try:
        state = await synced(api, tmp_path, options=options)
    finally:
        origin.put(f"/{few[-1]['id']}/B04.tif", size=500)
    assert state.is_failed()
    check_catalog(tmp_path, set(documents(tmp_path)))
    assert len(documents(tmp_path)) >= 8
    assert (await synced(api, tmp_path)).is_completed()
    check_catalog(tmp_path, ids(few))


async def test_credentials_go_to_the_api(origin: Origin, tmp_path: Path) -> None:
    block = HttpCredentials(hosts=[origin.url], token="SECRET")
    await block.save("mirror-api", overwrite=True)
    href = put_api(origin, [item_of(origin, "one")])
    origin.require("Authorization", "Bearer SECRET", "/api*")
    try:
        state = await synced(href, tmp_path, Search(), credentials=block)
    finally:
        origin.heal()
    assert state.is_completed(), state.message
    run, _ = await read_back(state, 2)
    assert run.name == f"sync api to {tmp_path}"
    said = f"{run.name} {run.state} {json.dumps(await read_artifacts(state))}"
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert "SECRET" not in said
    assert b"SECRET" not in stored
    for path in ("/api/search", "/api/collections/things"):
        for request in origin.gets(path):
            assert request.headers["authorization"] == "Bearer SECRET"


BAD: dict[str, tuple[type[Exception], str, dict[str, Any]]] = {
    "unknown collection": (
        ConfigError,
        "`search.collections` names 'nothing'",
        {"search": Search(collections=["nothing"])},
    ),
    "bbox of three numbers": (
        ConfigError,
        "`search.bbox` must have four numbers",
        {"search": Search(bbox=[1, 2, 3])},
    ),
    "time": (ConfigError, "`search.datetime` 'soon'", {"search": Search(datetime="soon")}),
    "filter": (ConfigError, "`search.filter` is not supported", {"search": Search(filter="a = 1")}),
    "check": (ConfigError, "check_first", {"options": DownloadOptions(check_first=True)}),
    "no items": (ConfigError, "`max_items` must be at least 1", {"max_items": 0}),
    "no bytes": (ConfigError, "`max_bytes` must be at least 1", {"max_bytes": -5}),
    "contradiction": (
        ConfigError,
        "include and exclude",
        {"options": DownloadOptions(include=["a"], exclude=["b"])},
    ),
    "JSON": (SourceError, "`source` is JSON text", {"source": '{"type": "Catalog"}'}),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
async def test_bad_input_is_refused_before_anything_runs(
    api: Api,
    origin: Origin,
    few: list[dict[str, Any]],
    tmp_path: Path,
    case: tuple[type[Exception], str, dict[str, Any]],
) -> None:
    if not api.is_serving:
        api.serve(few)
    error, names, given = case
    arguments = {"source": api.href, "directory": str(tmp_path / "m")} | given
    with pytest.raises(error, match=names) as caught:
        await flows.sync(**arguments)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    assert not (tmp_path / "m").exists()
    assert origin.requests == []


def test_form_explains_every_field_and_folds_the_rare_ones() -> None:
    schema = parameter_schema(flows.sync.fn)
    assert all(one["description"] for one in schema.properties.values())
    shown = schema.definitions["Search"]["properties"]
    assert list(shown) == ["collections", "bbox", "datetime", "more"]
    rare = shown["more"]["anyOf"][0]["properties"]
    assert {*shown, *rare} == {*Search.model_fields, "more"}
    for fields in (shown, rare):
        assert [one["position"] for one in fields.values()] == list(range(len(fields)))
        assert all(one["title"] and one["description"] for one in fields.values())
    sent = {"bbox": [1, 2, 3, 4], "more": {"ids": ["a"], "overlap": "2 days"}}
    assert Search.model_validate(sent) == Search(bbox=[1, 2, 3, 4], ids=["a"], overlap="2 days")


async def test_search_with_an_unknown_field_is_refused(tmp_path: Path) -> None:
    search: Any = {"colections": ["SECRET"]}
    with pytest.raises(ParameterTypeError, match=r"search\.colections") as caught:
        await flows.sync("http://127.0.0.1:1/", str(tmp_path), search)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("data", [b"<html>login</html>", b'{"hello": "world"}'])
async def test_api_that_is_none_is_refused(origin: Origin, tmp_path: Path, data: bytes) -> None:
    href = origin.put("/no/api/", data).replace("//", "//user:SECRET@", 1)
    state = await synced(f"{href}?token=SECRET", tmp_path / "m")
    assert state.is_failed()
    run, _ = await read_back(state, 0)
    assert "SECRET" not in run.name
    run, _ = await read_back(await synced(href, tmp_path / "m"), 0)
    assert run.name == f"sync api to {tmp_path / 'm'}"
    assert "is not a STAC API" in (state.message or "")
    assert "`source` '" in (state.message or "")
    assert "SECRET" not in (state.message or "")
    assert not (tmp_path / "m").exists()
