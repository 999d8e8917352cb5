"""Pictures of the flows, drawn by Graphviz without a flow run."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from prefect_stac_asset import download_asset, download_item, flows, plan_item

FLOWS = [
    flows.download_item,
    flows.download_collection,
    flows.download_item_collection,
    flows.sync,
    flows.check_assets,
    flows.verify,
    flows.audit,
    flows.download_batch,
]


@pytest.mark.parametrize("drawn", FLOWS, ids=lambda drawn: drawn.name)
async def test_flow_gives_picture(
    drawn: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    viewer = tmp_path / "bin" / "xdg-open"
    viewer.parent.mkdir()
    viewer.write_text("#!/bin/sh\n")
    viewer.chmod(0o755)
    monkeypatch.setenv("PATH", f"{viewer.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    await drawn.with_options(retries=2).visualize()
    assert (tmp_path / f"{drawn.name}.png").read_bytes().startswith(b"\x89PNG")


def test_picture_has_tasks_in_order() -> None:
    text = flows.download_item.generate_mermaid_graph()
    assert "resolve_client_0 --> download_asset_0" in text
    assert "download_asset_0 --> rewrite_item_0" in text
    names = {name for drawn in FLOWS for name in drawn.steps}
    assert names == {getattr(flows, name).name for name in names}
    assert pickle.loads(pickle.dumps(flows.sync.with_options(retries=1))).steps == flows.sync.steps


async def test_picture_of_other_flow_has_tasks_and_flows_of_this_package(tmp_path: Path) -> None:
    @flow
    async def user_flow(directory: str) -> None:
        planned = await plan_item("item.json", directory)
        outcome = await download_asset(planned)
        await download_item(outcome, directory)  # type: ignore[arg-type]

    with pytest.warns(UserWarning, match="will execute code inside of your flow"):
        text = await user_flow.agenerate_mermaid_graph(str(tmp_path))
    assert "plan_item_0 --> download_asset_0" in text
    assert "download_asset_0 --> download_item_0" in text
