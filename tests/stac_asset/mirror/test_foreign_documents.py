"""Files of other programs at the paths of a mirror's documents are not replaced or removed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pystac
import pytest

from stac_asset.errors import ConfigError
from stac_asset.notices import collect_notices
from stac_asset.testing import Origin
from tests.support.mirror_runs import (
    NOW,
    build_item,
    check_catalog,
    read_item_documents,
    run_mirror,
    serve_items,
)


async def test_item_with_a_foreign_document_fails_alone(origin: Origin, tmp_path: Path) -> None:
    foreign = tmp_path / "things" / "one" / "one.json"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b'{"name": "mine"}')
    href = serve_items(origin, [build_item(origin, "one"), build_item(origin, "two")])
    for _ in range(2):
        run = await run_mirror(tmp_path, href)
        assert run.failed_ids == ["one"]
        assert foreign.read_bytes() == b'{"name": "mine"}'
        assert origin.gets("/one/*") == []
        check_catalog(tmp_path, {"two"})
    serve_items(origin, [build_item(origin, "two")])
    await run_mirror(tmp_path, href, on_removed="delete")
    assert foreign.read_bytes() == b'{"name": "mine"}'

    foreign.unlink()
    serve_items(origin, [build_item(origin, "one"), build_item(origin, "two")])
    assert (await run_mirror(tmp_path, href)).failed_ids == []
    check_catalog(tmp_path, {"one", "two"})


async def test_items_of_a_foreign_collection_fail(origin: Origin, tmp_path: Path) -> None:
    foreign = tmp_path / "things" / "collection.json"
    foreign.parent.mkdir()
    foreign.write_bytes(b'{"name": "mine"}')
    other = build_item(origin, "other", collection=None)
    href = serve_items(origin, [build_item(origin, "one"), other])
    assert (await run_mirror(tmp_path, href)).failed_ids == ["one"]
    assert foreign.read_bytes() == b'{"name": "mine"}'
    assert read_item_documents(tmp_path).keys() == {"other"}
    assert origin.gets("/one/*") == []


@pytest.mark.parametrize("data", [b"", b"{", b"\0\0"])
async def test_damaged_document_of_the_mirror_is_written_again(
    origin: Origin, tmp_path: Path, data: bytes
) -> None:
    href = serve_items(origin, [build_item(origin, "one")])
    await run_mirror(tmp_path, href)
    (tmp_path / "things" / "one" / "one.json").write_bytes(data)
    assert (await run_mirror(tmp_path, href)).failed_ids == []
    check_catalog(tmp_path, {"one"})


async def test_foreign_geoparquet_file_is_refused(origin: Origin, tmp_path: Path) -> None:
    foreign = tmp_path / "items.parquet"
    foreign.write_bytes(b"mine")
    href = serve_items(origin, [build_item(origin, "one")])
    with pytest.raises(
        ConfigError, match=r"has a file items.parquet that was not written by a mir"
    ):
        await run_mirror(tmp_path, href)
    assert (foreign.read_bytes(), origin.gets("*")) == (b"mine", [])
    foreign.unlink()
    await run_mirror(tmp_path, href)
    (tmp_path / "catalog.json").unlink()  # The state of the mirror is still there.
    await run_mirror(tmp_path, href)
    check_catalog(tmp_path, {"one"})


async def test_stac_documents_of_another_program_are_replaced_with_a_notice(
    origin: Origin, tmp_path: Path
) -> None:
    item = build_item(origin, "one")
    href = serve_items(origin, [item, build_item(origin, "two")])
    foreign = [tmp_path / "things" / "one" / "one.json", tmp_path / "things" / "collection.json"]
    foreign[0].parent.mkdir(parents=True)
    foreign[0].write_text(json.dumps({**item, "links": []}))
    extent = pystac.Extent(
        pystac.SpatialExtent([[0, 0, 1, 1]]), pystac.TemporalExtent([[NOW, NOW]])
    )
    collection = pystac.Collection("things", "Of another program.", extent)
    collection.save_object(include_self_link=False, dest_href=str(foreign[1]))
    with collect_notices() as notices:
        await run_mirror(tmp_path, href, stop_after=1)
    [line] = [line for line in notices.lines() if "no earlier download wrote" in line]
    assert "(2 times)" in line
    assert all(f"'{path}'" in line for path in foreign)
    with collect_notices() as notices:
        assert (await run_mirror(tmp_path, href)).failed_ids == []
        shutil.rmtree(tmp_path / ".mirror")
        assert (await run_mirror(tmp_path, href)).failed_ids == []
    assert not [line for line in notices.lines() if "no earlier download wrote" in line]
    check_catalog(tmp_path, {"one", "two"})
