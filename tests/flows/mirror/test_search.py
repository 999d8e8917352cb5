"""Parameter `search` of the flow `sync`, and the form shown in the UI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError
from prefect.utilities.callables import parameter_schema

from prefect_stac_asset import flows
from prefect_stac_asset.flows import Search
from stac_asset.testing import Origin
from tests.support.mirror_flow_runs import (
    sync_result,
    sync_state,
)
from tests.support.mirror_runs import check_catalog
from tests.support.stac_api import (
    COLLECTION,
    RustacServer,
    with_origin_assets,
)


async def test_search_criteria_select_items(
    api: RustacServer, origin: Origin, all_items: list[dict[str, Any]], tmp_path: Path
) -> None:
    items = [with_origin_assets(item, origin) for item in all_items]
    api.serve(items)
    first = items[0]
    west, south, *_ = first["bbox"]
    cases = {
        "ids": Search(collections=[COLLECTION], ids=[first["id"], items[7]["id"]]),
        "bbox": Search(bbox=[west, south, west + 0.01, south + 0.01], datetime="2024-07-10"),
        "datetime": Search(datetime="2024-08-28T17:00:00Z/..", page_size=7),
        "intersects": Search(
            intersects={"type": "Point", "coordinates": [west + 0.5, south + 0.5]},
            datetime="2024-07-10/2024-07-11",
        ),
    }
    for name, search in cases.items():
        result = await sync_result(api, tmp_path / name, search, dry_run=True)
        assert 0 < result.new < 100, name
    assert result.found == result.new
    result = await sync_result(api, tmp_path / "m", cases["ids"])
    check_catalog(tmp_path / "m", {first["id"], items[7]["id"]})
    state = await sync_state(api, tmp_path / "m", Search(datetime="last 10 days"))
    assert state.name == "NothingNew"
    assert (await state.aresult()).found == 0
    state = await sync_state(api, tmp_path / "none", Search(bbox=[south, 0, south + 0.1, 1]))
    assert state.name == "NothingNew"
    assert f"found no items (bbox {south:g}, 0, " in str(state.message)
    assert "Swapped coordinates are the usual cause" in str(state.message)
    assert not (tmp_path / "none" / "catalog.json").exists()


@pytest.mark.parametrize(
    ("given", "terms"), [(None, ()), ("flood", ("flood",)), (["flood", "fire"], ("flood", "fire"))]
)
def test_full_text_is_one_term_or_a_list(given: Any, terms: tuple[str, ...]) -> None:
    assert Search(q=given).criteria().q == terms


def test_form_describes_all_fields() -> None:
    schema = parameter_schema(flows.sync.fn)
    assert all(field["description"] for field in schema.properties.values())
    shown = schema.definitions["Search"]["properties"]
    assert list(shown)[:3] == ["collections", "bbox", "datetime"]
    assert set(shown) == set(Search.model_fields)
    assert [field["position"] for field in shown.values()] == list(range(len(shown)))
    assert all(field["title"] and field["description"] for field in shown.values())


def test_groups_of_earlier_versions_are_accepted() -> None:
    sent = {"bbox": [1, 2, 3, 4], "more": {"ids": ["a"], "overlap": "2 days"}}
    assert Search.model_validate(sent) == Search(bbox=[1, 2, 3, 4], ids=["a"], overlap="2 days")


async def test_unknown_search_field_is_rejected(tmp_path: Path) -> None:
    search: Any = {"colections": ["SECRET"]}
    with pytest.raises(ParameterTypeError, match=r"search\.colections") as caught:
        await flows.sync("http://127.0.0.1:1/", str(tmp_path), search)
    assert "SECRET" not in str(caught.value)
