"""Sources of flows: hrefs, JSON text, pystac objects, files of items, and invalid input."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pystac
import pytest
from prefect.client.orchestration import get_client
from prefect.task_runners import ThreadPoolTaskRunner

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions
from stac_asset import AssetOverwriteError, ConfigError, UnsafePathError
from stac_asset.errors import DownloadError, NoAssetsError, SourceError
from stac_asset.stac.item_files import read_items
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin, Redirect, Stall
from tests.support.flow_inputs import OPTIONS, put_item_collection
from tests.support.items import item_document
from tests.support.prefect_reads import read_back, states
from tests.support.processes import wait_until


@pytest.mark.parametrize("kind", ["JSON text", "pystac object", "keyword argument"])
async def test_item_source_may_be_json_text_or_pystac_object(
    origin: Origin, tmp_path: Path, kind: str
) -> None:
    document = item_document(origin, "a")
    item = stac_of(document, origin.href("/item.json"), "item")
    if kind == "JSON text":
        result = await flows.download_item(json.dumps(document), str(tmp_path), OPTIONS)
    elif kind == "pystac object":
        result = await flows.download_item(item, str(tmp_path), OPTIONS)  # type: ignore[arg-type]
    else:
        renamed = flows.download_item.with_options(name="renamed")
        result = await renamed(
            source=item,  # type: ignore[arg-type]
            directory=str(tmp_path),
            options=OPTIONS,
        )
    assert result.item().id == "the-item"
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_pystac_source_is_stored_as_json_text(origin: Origin, tmp_path: Path) -> None:
    item = stac_of(item_document(origin, "a"), origin.href("/item.json"), "item")
    state = await flows.download_item(
        item,  # type: ignore[arg-type]
        str(tmp_path),
        OPTIONS,
        return_state=True,
    )
    async with get_client() as client:
        run = await client.read_flow_run(state.state_details.flow_run_id)  # type: ignore[arg-type]
    assert json.loads(run.parameters["source"])["id"] == "the-item"
    assert run.name == f"download the-item to {tmp_path}"


async def test_json_text_cannot_reference_local_files_by_default(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    document = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "the-item",
        "geometry": None,
        "properties": {"datetime": "2026-06-01T00:00:00Z"},
        "links": [{"rel": "self", "href": str(tmp_path / "item.json")}],
        "assets": {"a": {"href": str(tmp_path / "secret.txt")}},
    }
    with pytest.raises(DownloadError, match="allow_local_hrefs"):
        await flows.download_item(json.dumps(document), str(tmp_path / "out"), OPTIONS)
    assert not (tmp_path / "out" / "secret.txt").exists()
    options = OPTIONS.model_copy(update={"allow_local_hrefs": True})
    await flows.download_item(json.dumps(document), str(tmp_path / "out"), options)
    assert (tmp_path / "out" / "secret.txt").read_text() == "secret"


@pytest.mark.parametrize("suffix", [".json", ".ndjson"])
async def test_item_collection_is_read_from_json_and_ndjson(
    origin: Origin, tmp_path: Path, suffix: str
) -> None:
    href = put_item_collection(origin, 5, "a", suffix=suffix)
    result = await flows.download_item_collection(href, str(tmp_path), OPTIONS)
    assert [item.id for item in result.items()] == [f"item-{number}" for number in range(5)]
    assert result.downloaded == 5
    derived = [link.href for item in result.items() for link in item.get_links("derived_from")]
    assert derived == [href] * 5


def test_geoparquet_items_are_read(shared_data: Path) -> None:
    found = list(read_items(shared_data / "landsat-100-items.parquet", "landsat"))
    assert len(found) == 100
    assert all(pystac.Item.from_dict(item, migrate=False).assets for item in found)


async def test_collection_source_may_be_pystac_object(origin: Origin, tmp_path: Path) -> None:
    collection = pystac.Collection(
        id="the-collection",
        description="A collection with a thumbnail",
        extent=pystac.Extent.from_dict(
            {
                "spatial": {"bbox": [[-180, -90, 180, 90]]},
                "temporal": {"interval": [["2026-01-01T00:00:00Z", None]]},
            }
        ),
        assets={"thumbnail": pystac.Asset(origin.href("/thumbnail.png"))},
    )
    result = await flows.download_collection(
        collection,  # type: ignore[arg-type]
        str(tmp_path),
        OPTIONS,
    )
    assert result.collection().assets["thumbnail"].href == "./thumbnail.png"
    with pytest.raises(TypeError, match="is a STAC Collection, not a STAC Item"):
        result.item()


@pytest.mark.parametrize("where", ["remote", "text"])
async def test_all_pages_of_an_item_collection_are_read(
    origin: Origin, tmp_path: Path, where: str
) -> None:
    for number in range(3):
        item = item_document(origin, "a", name=f"item-{number}")
        item["assets"]["a"] |= {"href": " ./a.tif\n", "nodata": float("nan")}
        document = {"features": [item], "links": []}
        if number < 2:
            link = origin.href(f"/new/{number + 1}")
            document["links"] = [{"rel": "next", "href": link}]
        data = json.dumps(document).encode()
        origin.put(f"/new/{number}", gzip.compress(data), content_type="application/json")
    origin.put("/new/a.tif", size=100)
    origin.fault("/old", Redirect("/new/0"), times=0)
    source = f" {origin.href('/old')}\n"
    if where == "text":
        source = "\ufeff" + json.dumps(
            {"features": [], "links": [{"rel": "next", "href": origin.href("/old")}]}
        )
    options = OPTIONS.model_copy(update={"file_name_strategy": "KEY"})
    result = await flows.download_item_collection(source, str(tmp_path), options)
    assert (result.downloaded, result.failed) == (3, 0)
    assert {path.parent.name for path in tmp_path.rglob("a.tif")} == {"item-0", "item-1", "item-2"}
    assert ["NaN" in line for line in result.notices] == [True]
    assert (await flows.check_assets(source, OPTIONS)).exist == 3
    origin.remove("/new/2")
    with pytest.raises(SourceError, match="/new/2"):
        await flows.check_assets(source, OPTIONS)


class Case:
    """Invalid arguments of a flow, with the expected error."""

    def __init__(self, error: type[Exception], pattern: str, **arguments: Any) -> None:
        self.error, self.pattern, self.arguments = error, pattern, arguments


INVALID_INPUT = {
    "include and exclude": Case(
        ConfigError, "`include` and `exclude`", options={"include": ["a"], "exclude": ["b"]}
    ),
    "fail-fast and warn": Case(
        ConfigError, "`warn` and `fail_fast`", options={"warn": True, "fail_fast": True}
    ),
    "unknown client": Case(
        ConfigError, "`client_override` 'unknown'", options={"client_override": "unknown"}
    ),
    "path template outside of directory": Case(
        UnsafePathError, "path_template", path_template="../${id}"
    ),
    "path template with unknown field": Case(
        ConfigError, "path_template", path_template="${nothing}"
    ),
    "file name outside of directory": Case(UnsafePathError, "file_name", file_name="../items.json"),
    "colliding file paths and fail-fast": Case(
        AssetOverwriteError, "item-0", path_template="all", options={"fail_fast": True}
    ),
    "include without matching asset": Case(
        NoAssetsError, r"did you mean 'a'\?", options={"include": ["A"]}
    ),
    "invalid JSON": Case(
        SourceError, "'source' is not an item collection: not valid JSON", source="{nothing"
    ),
    "item instead of item collection": Case(
        SourceError, "FeatureCollection", source='{"type": "Feature"}'
    ),
    "missing file": Case(SourceError, "/nowhere/items.json", source="/nowhere/items.json"),
    "impossible directory": Case(
        OSError, "^Cannot create directory '/dev/null/data'", directory="/dev/null/data"
    ),
    "too large JSON text": Case(SourceError, "pass its href", source="[" + " " * 600_000 + "]"),
}


@pytest.mark.parametrize("case", INVALID_INPUT.values(), ids=INVALID_INPUT.keys())
async def test_invalid_input_is_rejected_before_any_task(
    origin: Origin, tmp_path: Path, case: Case
) -> None:
    href = put_item_collection(origin, 2, "a")
    arguments = {"source": href, "directory": str(tmp_path / "out")} | case.arguments
    arguments["options"] = OPTIONS.model_copy(update=arguments.pop("options", {}))
    with pytest.raises(case.error, match=case.pattern) as caught:
        await flows.download_item_collection(**arguments)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert list((tmp_path / "out").rglob("*")) == []
    assert [request.path for request in origin.requests] in ([], ["/items.json"])


async def test_invalid_repeated_and_colliding_items_do_not_affect_other_items(
    origin: Origin, tmp_path: Path
) -> None:
    items = [item_document(origin, "a", "b", name=name) for name in ("one", "one", "bad", "two")]
    items[2]["assets"] = None
    other = item_document(origin, "a", "c", name="one")
    other["assets"]["a"]["href"] = origin.href("/other/a.tif")
    bands = item_document(origin, "B1", "B2", "B3", name="bands")
    bands["assets"]["B2"]["href"] = bands["assets"]["B1"]["href"]
    bands["assets"]["B4"] = {"title": "without an href"}
    text = json.dumps({"type": "FeatureCollection", "features": [*items, other, bands]})
    options = OPTIONS.model_copy(update={"warn": True, "include": [*"abc", "B1", "B2", "B4", "d"]})
    result = await flows.download_item_collection(text, str(tmp_path), options)
    assert (result.downloaded, result.skipped, result.failed) == (6, 1, 2)
    failed = [str(row["message"]) for row in result.rows() if row["state"] == "failed"]
    conflict, invalid = sorted(failed)
    assert conflict.startswith("asset 'a' of item 'one': ")
    assert " would share the file " in conflict
    assert invalid.startswith("item 3 ('bad') is not valid STAC: ")
    assert [line.partition(" (")[0] for line in result.notices] == [
        "Identical items are used only once: item 2",
        "Assets without an href are not downloaded: asset 'B4' of item 'bands'",
        "No asset has the key 'd' of `include`; existing keys are 'a', 'b', 'c', 'B1', 'B2', "
        "'B3', 'B4'",
    ]
    assert [(item.id, list(item.assets)) for item in result.items()] == [
        ("one", ["a", "b"]),
        ("two", ["a", "b"]),
        ("one", ["c"]),
        ("bands", ["B1", "B2", "B4"]),
    ]
    assert len(origin.gets("/B1.tif")) == 1
    assert (tmp_path / "one/a.tif").read_bytes() == origin.content("/a.tif")
    in_other_order = json.dumps({"type": "FeatureCollection", "features": [bands, other, *items]})
    result = await flows.download_item_collection(in_other_order, str(tmp_path), options)
    assert (tmp_path / "one/a.tif").read_bytes() == origin.content("/other/a.tif")
    assert [list(item.assets) for item in result.items() if item.id == "one"] == [["a", "c"], ["b"]]
    with pytest.raises(DownloadError, match=r"^1 of 10 assets failed\n- item 3 \('bad'\) is not"):
        await flows.check_assets(text, OPTIONS)


@pytest.mark.parametrize(
    ("runner", "stopped_state"),
    [(None, "Crashed"), (ThreadPoolTaskRunner(max_workers=4), "Cancelled")],
    ids=["event loop", "thread pool"],
)
async def test_next_run_resumes_downloads_stopped_by_timeout(
    origin: Origin, tmp_path: Path, runner: ThreadPoolTaskRunner | None, stopped_state: str
) -> None:
    size = 2 * 1024 * 1024
    href = put_item_collection(origin, 2, "a")
    for seconds in (3, 10, 30, 90):  # The first timeout that both half downloads fit in.
        origin.heal()
        origin.forget()
        for number in range(2):
            origin.put(f"/{number}/a.tif", size=size)
            origin.fault(f"/{number}/a.tif", Stall(after=size // 2))
        directory = tmp_path / f"within {seconds} s"
        limited = flows.download_item_collection.with_options(
            timeout_seconds=seconds, task_runner=runner
        )
        state = await limited(href, str(directory), OPTIONS, return_state=True)
        assert state.name == "TimedOut"
        await wait_until(lambda: not origin.in_flight)
        if [part.stat().st_size for part in directory.rglob("*.part")] == [size // 2] * 2:
            break
    _, task_runs = await read_back(state, 3)
    assert sorted(name for name, _ in states(task_runs).values()) == sorted(
        ["Completed", stopped_state, stopped_state]
    )
    result = await flows.download_item_collection(href, str(directory), OPTIONS)
    assert result.downloaded == 2
    assert [found.range for found in origin.gets("/0/a.tif")] == [None, f"bytes={size // 2}-"]
    assert origin.bytes_sent - len(origin.content("/items.json")) * 2 == 2 * size


async def test_concurrent_run_into_same_document_is_rejected(
    origin: Origin, tmp_path: Path
) -> None:
    href = put_item_collection(origin, 2, "a")
    origin.fault("/*.tif", Stall(), times=0)
    patient = DownloadOptions(http_read_timeout=1, retry_wait=0.01, http_max_attempts=1000)
    first = asyncio.ensure_future(
        flows.download_item_collection(href, str(tmp_path), patient, return_state=True)
    )
    # Downloads start after the run has opened the document.
    await wait_until(lambda: origin.gets("/*.tif"))
    second = await flows.download_item_collection(href, str(tmp_path), OPTIONS, return_state=True)
    origin.heal()
    done = await first
    assert done.is_completed()
    assert second.is_failed()
    assert "another run is writing it" in (second.message or "")
    assert [item.id for item in (await done.aresult()).items()] == ["item-0", "item-1"]


@pytest.mark.parametrize("granularity", ["asset", "batch"])
async def test_check_first_checks_all_items_before_any_download(
    origin: Origin, tmp_path: Path, granularity: str
) -> None:
    href = put_item_collection(origin, 3, "a", "b")
    origin.remove("/1/b.tif")
    options = OPTIONS.model_copy(update={"check_first": True})
    with pytest.raises(DownloadError, match=r"1 of 6 assets failed\n.*asset 'b' of item 'item-1'"):
        await flows.download_item_collection(href, str(tmp_path), options, granularity)
    assert origin.gets("/*.tif") == []
    origin.put("/1/b.tif", size=100)
    result = await flows.download_item_collection(href, str(tmp_path), options, granularity)
    assert result.downloaded == 6
