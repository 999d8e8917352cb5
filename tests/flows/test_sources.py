"""Sources of every kind: hrefs, JSON text, pystac objects, streams, and what is none of them."""

from __future__ import annotations

import asyncio
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
from stac_asset.errors import DownloadError, SourceError
from stac_asset.stac.item_files import read_items
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin, Stall
from tests.flows.reading import read_back, states
from tests.flows.running import until
from tests.flows.test_states import make_items
from tests.make_item import item_document

OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=2, http_read_timeout=600)


@pytest.mark.parametrize("kind", ["text", "object", "keyword"])
async def test_item_may_be_json_text_or_a_pystac_object(
    origin: Origin, tmp_path: Path, kind: str
) -> None:
    document = item_document(origin, "a")
    item = stac_of(document, origin.href("/item.json"), "item")
    if kind == "text":
        result = await flows.download_item(json.dumps(document), str(tmp_path), OPTIONS)
    elif kind == "object":
        result = await flows.download_item(item, str(tmp_path), OPTIONS)  # type: ignore[arg-type]
    else:
        again = flows.download_item.with_options(name="renamed")
        result = await again(
            source=item,  # type: ignore[arg-type]
            directory=str(tmp_path),
            options=OPTIONS,
        )
    assert result.item().id == "the-item"
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_parameters_are_json_text_when_the_source_was_an_object(
    origin: Origin, tmp_path: Path
) -> None:
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


async def test_text_cannot_name_local_files(tmp_path: Path) -> None:
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
async def test_item_collection_is_streamed(origin: Origin, tmp_path: Path, suffix: str) -> None:
    href = make_items(origin, 5, "a", suffix=suffix)
    result = await flows.download_item_collection(href, str(tmp_path), OPTIONS)
    assert [item.id for item in result.items()] == [f"item-{number}" for number in range(5)]
    assert result.downloaded == 5
    derived = [link.href for item in result.items() for link in item.get_links("derived_from")]
    assert derived == [href] * 5


def test_real_geoparquet_is_read(shared_data: Path) -> None:
    found = list(read_items(shared_data / "landsat-100-items.parquet", "landsat"))
    assert len(found) == 100
    assert all(pystac.Item.from_dict(item, migrate=False).assets for item in found)


async def test_collection(origin: Origin, tmp_path: Path) -> None:
    collection = pystac.Collection(
        id="the-collection",
        description="One with a picture",
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
    with pytest.raises(TypeError, match="is a STAC Collection, not a Item"):
        result.item()


class Case:
    """One way to ask for what cannot be had."""

    def __init__(self, error: type[Exception], names: str, **arguments: Any) -> None:
        self.error, self.names, self.arguments = error, names, arguments


BAD = {
    "include and exclude": Case(
        ConfigError, "include and exclude", options={"include": ["a"], "exclude": ["b"]}
    ),
    "fail-fast and warn": Case(
        ConfigError, "warn and fail_fast", options={"warn": True, "fail_fast": True}
    ),
    "unknown client": Case(
        ConfigError, "client_override 'nobody'", options={"client_override": "nobody"}
    ),
    "template that climbs": Case(UnsafePathError, "path_template", path_template="../${id}"),
    "template without value": Case(ConfigError, "path_template", path_template="${nothing}"),
    "file name that climbs": Case(UnsafePathError, "file_name", file_name="../items.json"),
    "same file twice": Case(AssetOverwriteError, "item-0", path_template="all"),
    "no JSON": Case(
        SourceError, "'source' is not an item collection: not valid JSON", source="{nothing"
    ),
    "no item collection": Case(SourceError, "FeatureCollection", source='{"type": "Feature"}'),
    "no such file": Case(SourceError, "/nowhere/items.json", source="/nowhere/items.json"),
    "directory that cannot be made": Case(
        OSError, "^Cannot create directory '/dev/null/data'", directory="/dev/null/data"
    ),
    "600 KB of text": Case(SourceError, "pass its href", source="[" + " " * 600_000 + "]"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
async def test_bad_input_is_refused_before_any_task(
    origin: Origin, tmp_path: Path, case: Case
) -> None:
    href = make_items(origin, 2, "a")
    arguments = {"source": href, "directory": str(tmp_path / "out")} | case.arguments
    arguments["options"] = OPTIONS.model_copy(update=arguments.pop("options", {}))
    with pytest.raises(case.error, match=case.names) as caught:
        await flows.download_item_collection(**arguments)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert not (tmp_path / "out").exists()
    assert [request.path for request in origin.requests] in ([], ["/items.json"])


async def test_items_are_found_to_collide_before_a_byte_moves(
    origin: Origin, tmp_path: Path
) -> None:
    items = [item_document(origin, "a", name="same") for _ in range(2)]
    text = json.dumps({"type": "FeatureCollection", "features": items})
    with pytest.raises(AssetOverwriteError, match="asset 'a' of item 'same'"):
        await flows.download_item_collection(text, str(tmp_path), OPTIONS)
    assert origin.requests == []


@pytest.mark.parametrize(
    ("runner", "ended"),
    [(None, "Crashed"), (ThreadPoolTaskRunner(max_workers=4), "Cancelled")],
    ids=["own loop", "threads"],
)
async def test_timeout_stops_the_transfers_and_a_new_run_continues_them(
    origin: Origin, tmp_path: Path, runner: ThreadPoolTaskRunner | None, ended: str
) -> None:
    size = 2 * 1024 * 1024
    href = make_items(origin, 2, "a")
    for seconds in (3, 10, 30, 90):  # The first that is enough for both halves.
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
        await until(lambda: not origin.in_flight)
        if [part.stat().st_size for part in directory.rglob("*.part")] == [size // 2] * 2:
            break
    _, task_runs = await read_back(state, 3)
    assert sorted(name for name, _ in states(task_runs).values()) == sorted(
        ["Completed", ended, ended]
    )
    result = await flows.download_item_collection(href, str(directory), OPTIONS)
    assert result.downloaded == 2
    assert [found.range for found in origin.gets("/0/a.tif")] == [None, f"bytes={size // 2}-"]
    assert origin.bytes_sent - len(origin.content("/items.json")) * 2 == 2 * size


async def test_second_run_into_the_same_file_is_refused_and_harms_nothing(
    origin: Origin, tmp_path: Path
) -> None:
    href = make_items(origin, 2, "a")
    origin.fault("/*.tif", Stall(), times=0)
    patient = DownloadOptions(http_read_timeout=1, retry_wait=0.01, http_max_attempts=1000)
    first = asyncio.ensure_future(
        flows.download_item_collection(href, str(tmp_path), patient, return_state=True)
    )
    while not origin.gets("/*.tif"):  # From here on the first run has its files open.
        await asyncio.sleep(0.05)
    refused = await flows.download_item_collection(href, str(tmp_path), OPTIONS, return_state=True)
    origin.heal()
    done = await first
    assert done.is_completed()
    assert refused.is_failed()
    assert "another run is writing it" in (refused.message or "")
    assert [item.id for item in (await done.aresult()).items()] == ["item-0", "item-1"]


@pytest.mark.parametrize("granularity", ["asset", "batch"])
async def test_items_are_checked_first_if_that_is_wanted(
    origin: Origin, tmp_path: Path, granularity: str
) -> None:
    href = make_items(origin, 3, "a", "b")
    origin.remove("/1/b.tif")
    options = OPTIONS.model_copy(update={"check_first": True})
    with pytest.raises(DownloadError, match=r"1 of 6 assets failed\n.*asset 'b' of item 'item-1'"):
        await flows.download_item_collection(href, str(tmp_path), options, granularity)
    assert origin.gets("/*.tif") == []
    origin.put("/1/b.tif", size=100)
    result = await flows.download_item_collection(href, str(tmp_path), options, granularity)
    assert result.downloaded == 6
