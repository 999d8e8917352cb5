"""Parameters of flows that Prefect stores as text."""

from __future__ import annotations

from pathlib import Path

from prefect_stac_asset.flows.parameters.source import source_parameter


def test_paths_become_texts() -> None:
    assert source_parameter(Path("folder/item.json")) == "folder/item.json"
    assert source_parameter("item.json") == "item.json"
