"""Pipelines of `examples/` that call the flows and tasks of this package."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.client.schemas.sorting import FlowRunSort

from examples.call_deployment import list_items
from examples.own_tasks import download_thumbnails
from examples.subflow import measure_item
from prefect_stac_asset import flows
from stac_asset.errors import DownloadError
from stac_asset.testing import Origin
from tests.support.flow_inputs import put_item_collection
from tests.support.items import item_document, make_item
from tests.support.notebooks import run_notebook
from tests.support.paths import ROOT
from tests.support.prefect_reads import read_back, states
from tests.support.workers import deploy

NOTEBOOK = ROOT / "examples/notebook.ipynb"

pytestmark = pytest.mark.usefixtures("prefect_test")


async def test_notebook_searches_plans_downloads_and_shows_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rasterio")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(NOTEBOOK.parent)
    values = await run_notebook(NOTEBOOK)
    assert values["search"] == ["example-1", "example-2"]
    assert values["plan"].count("download") == 6
    assert "example-1_red.tif" in values["plan"]._repr_html_()
    assert all(Path(href).is_file() for href in values["download"])
    picture = values["show"]
    assert pyplot.get_fignums() == []  # Jupyter shows each open figure at the end of the cell.
    pixels = io.BytesIO()
    picture.savefig(pixels, format="rgba")
    assert len({*pixels.getvalue()}) > 50
    assert (values["flow"].downloaded, values["flow"].failed) == (6, 0)
    assert "6 downloaded" in values["flow"]._repr_html_()
    assert sorted(path.name for path in (tmp_path / "flow-downloads").glob("*/*.tif")) == sorted(
        f"example-{number}_{key}.tif" for number in (1, 2) for key in ("ndvi", "nir", "red")
    )


async def test_subflow_returns_file_sizes(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a", "b")
    state = await measure_item(href, str(tmp_path), return_state=True)
    assert await state.aresult() == {key: len(origin.content(f"/{key}.tif")) for key in ("a", "b")}
    parent = FlowRunFilterParentFlowRunId(any_=[state.state_details.flow_run_id])
    async with get_client() as client:
        (run,) = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(parent_flow_run_id=parent),
            sort=FlowRunSort.ID_DESC,
            limit=2,
        )
    assert run.name == f"download item.json to {tmp_path}"
    assert run.state is not None
    assert run.state.is_completed()


async def test_failed_subflow_raises_download_error(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a", "b")
    origin.remove("/b.tif")
    with pytest.raises(DownloadError, match="1 of 2 assets failed"):
        await measure_item(href, str(tmp_path))


async def test_deployment_call_returns_item_ids(origin: Origin, tmp_path: Path, pool: str) -> None:
    name = await deploy(flows.download_item_collection, pool)
    href = put_item_collection(origin, 3, "a")
    assert await list_items(href, str(tmp_path), name) == ["item-0", "item-1", "item-2"]


async def test_tasks_download_and_rewrite_one_item(origin: Origin, tmp_path: Path) -> None:
    document = item_document(origin, "thumbnail", "large", "visual")
    document["assets"]["large"]["file:size"] = 50_000_000
    href = origin.put("/item.json", json.dumps(document).encode())
    state = await download_thumbnails(href, str(tmp_path), return_state=True)
    path = Path(await state.aresult())
    assert set(json.loads(path.read_bytes())["assets"]) == {"thumbnail"}
    assert (tmp_path / "thumbnail.tif").read_bytes() == origin.content("/thumbnail.tif")
    _, found = await read_back(state, 3)
    assert states(found) == {
        "plan the-item": ("Completed", "COMPLETED"),
        "the-item/thumbnail": ("Completed", "COMPLETED"),
        "rewrite the-item": ("Completed", "COMPLETED"),
    }


def test_notebook_is_stored_without_outputs() -> None:
    notebook = json.loads(NOTEBOOK.read_bytes())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
