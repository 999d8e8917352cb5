"""Parameters and sources that the flow `sync` rejects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions, Search
from stac_asset.errors import ConfigError, SourceError
from stac_asset.testing import Origin
from tests.support.mirror_flow_runs import (
    sync_state,
)
from tests.support.prefect_reads import read_back
from tests.support.stac_api import RustacServer

INVALID_INPUT: dict[str, tuple[type[Exception], str, dict[str, Any]]] = {
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
    "invalid time": (ConfigError, "`search.datetime` 'soon'", {"search": Search(datetime="soon")}),
    "unsupported filter": (
        ConfigError,
        "`search.filter` is not supported",
        {"search": Search(filter="a = 1")},
    ),
    "check first": (ConfigError, "check_first", {"options": DownloadOptions(check_first=True)}),
    "zero items": (ConfigError, "`max_items` must be at least 1", {"max_items": 0}),
    "negative bytes": (ConfigError, "`max_bytes` must be at least 1", {"max_bytes": -5}),
    "include and exclude": (
        ConfigError,
        "`include` and `exclude`",
        {"options": DownloadOptions(include=["a"], exclude=["b"])},
    ),
    "JSON text": (SourceError, "`source` is JSON text", {"source": '{"type": "Catalog"}'}),
}


@pytest.mark.parametrize("case", INVALID_INPUT.values(), ids=INVALID_INPUT.keys())
async def test_invalid_input_is_rejected_before_any_request(
    api: RustacServer,
    origin: Origin,
    sample_items: list[dict[str, Any]],
    tmp_path: Path,
    case: tuple[type[Exception], str, dict[str, Any]],
) -> None:
    if not api.is_serving:
        api.serve(sample_items)
    error, pattern, given = case
    arguments = {"source": api.href, "directory": str(tmp_path / "m")} | given
    with pytest.raises(error, match=pattern) as caught:
        await flows.sync(**arguments)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    assert not (tmp_path / "m").exists()
    assert origin.requests == []


@pytest.mark.parametrize("data", [b"<html>login</html>", b'{"hello": "world"}'])
async def test_source_without_stac_api_is_rejected(
    origin: Origin, tmp_path: Path, data: bytes
) -> None:
    href = origin.put("/no/api/", data)
    state = await sync_state(f"{href}?page=SHOWN", tmp_path / "m")
    assert state.is_failed()
    run, _ = await read_back(state, 0)
    assert "SHOWN" not in run.name
    run, _ = await read_back(await sync_state(href, tmp_path / "m"), 0)
    assert run.name == f"sync api to {tmp_path / 'm'}"
    assert "is not a STAC API" in (state.message or "")
    assert "`source` '" in (state.message or "")
    assert "SHOWN" not in (state.message or "")
    assert not (tmp_path / "m").exists()
