"""Rejected sources, and criteria that a source does not support."""

from __future__ import annotations

from pathlib import Path

import pytest

from stac_asset.errors import ConfigError, SourceError
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.testing import Origin
from tests.support.mirror_runs import CONFIG, build_item, run_mirror, serve_items
from tests.support.static_catalogs import serve_static_catalog

SOURCES: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, r"`source` '.*/source\?…' cannot be read: 404"),
    "a web page": (b"<html></html>", "`source` '.*' is not a STAC API .* the content is not JSON"),
    "other JSON": (b'{"hello": "world"}', "`source` '.*' is not a STAC API, .* its type is None"),
    "a list": (b"[]", "`source` '.*' is not a STAC API, .* its type is None"),
    "an item": (b'{"type": "Feature"}', "its type is 'Feature'"),
    "an API without a search": (
        b'{"type": "Catalog", "conformsTo": [], "links": [{"rel": "data", "href": "./c"}]}',
        "`source` '.*' is a STAC API without search",
    ),
    "a collection of an API": (
        b'{"type": "Collection", "id": "a", "links": [{"rel": "items", "href": "./items"}]}',
        "Give the root of the API, and the collection's id in `search.collections`",
    ),
}


@pytest.mark.parametrize("case", SOURCES.values(), ids=SOURCES.keys())
async def test_invalid_source_is_rejected(
    origin: Origin, tmp_path: Path, case: tuple[bytes | None, str]
) -> None:
    data, message = case
    if data is None:
        origin.remove("/source")
    else:
        origin.put("/source", data)
    with pytest.raises(SourceError, match=message) as error_info:
        await run_mirror(tmp_path / "m", origin.href("/source") + "?token=SECRET")
    assert "SECRET" not in str(error_info.value)
    assert "\n" not in str(error_info.value)
    assert not (tmp_path / "m").exists()


async def test_missing_local_file_is_rejected(tmp_path: Path) -> None:
    for name in ("nothing.json", "nothing.ndjson"):
        with pytest.raises(SourceError, match=r"^`source` '.*/nothing.* does not exist"):
            await run_mirror(tmp_path / "m", str(tmp_path / name))


@pytest.mark.parametrize(
    ("criteria", "message"),
    [
        (Criteria(collections=("nothings",)), "`search.collections` names 'nothings'"),
        (Criteria(filter="a = 1"), "`search.filter` requires a STAC API"),
        (Criteria(query={"a": {"eq": 1}}), "`search.query` requires a STAC API"),
        (Criteria(intersects={"type": "Point"}), "`search.intersects` requires a STAC API"),
        (Criteria(sortby=("id",)), "`search.sortby` requires a STAC API"),
    ],
)
@pytest.mark.parametrize("kind", ["catalog", "file"])
async def test_unsupported_criteria_are_rejected(
    origin: Origin, tmp_path: Path, kind: str, criteria: Criteria, message: str
) -> None:
    items = [build_item(origin, "one")]
    href = serve_static_catalog(origin, items) if kind == "catalog" else serve_items(origin, items)
    with pytest.raises(ConfigError, match=message):
        await run_mirror(tmp_path / "m", href, criteria, config=CONFIG)
    assert not (tmp_path / "m").exists()
