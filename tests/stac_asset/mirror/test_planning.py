"""Plans of invalid items, items with reserved names, and items with unsafe ids."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stac_asset.errors import NoAssetsError
from stac_asset.mirror.neighbors import neighbors
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.state.rows import Rows
from stac_asset.mirror.state.version import Version
from stac_asset.notices import collect_notices
from stac_asset.stac.local_facts import LOCAL_FACTS
from stac_asset.testing import Origin
from tests.support.mirror_runs import (
    CONFIG,
    build_item,
    check_catalog,
    read_item_documents,
    run_mirror,
    serve_api,
    serve_items,
)


def test_only_items_with_a_similar_folder_are_neighbors(tmp_path: Path) -> None:
    rows, empty = Rows(), Version(None, None, {})
    things = [Key("things", f"item-{number}") for number in range(1_000)]
    others = [Key("things", "ONE"), Key(None, "Things"), Key("others", "one")]
    for key in (*things, *others):
        rows[key] = IndexRow(key, (1, 2), "https://e.com", empty)

    def found(*wanted: Key) -> set[Key]:
        return set(neighbors(rows, set(wanted), str(tmp_path), LOCAL_FACTS))

    assert found() == set()
    assert found(Key("things", "one"), Key("new", "x")) == {Key("things", "ONE"), *others[1:2]}
    assert found(Key(None, "THINGS")) == {*things, *others[:2]}
    (tmp_path / "others").symlink_to(tmp_path / "things")
    assert found(Key("others", "two")) == set(rows)


async def test_invalid_items_fail_without_affecting_other_items(
    origin: Origin, tmp_path: Path
) -> None:
    good = build_item(origin, "good")
    broken = build_item(origin, "broken")
    del broken["properties"]
    without_id = {key: value for key, value in build_item(origin, "x").items() if key != "id"}
    same_href = build_item(origin, "twice", "a", "b")
    same_href["assets"]["b"]["href"] = same_href["assets"]["a"]["href"]
    local = build_item(origin, "local")
    local["assets"]["data"]["href"] = "file:///etc/hostname"
    without_assets = build_item(origin, "bare") | {"assets": {}}
    other_case = build_item(origin, "GOOD")
    href = serve_api(
        origin, [good, broken, without_id, same_href, local, without_assets, good, other_case]
    )
    with collect_notices() as notices:
        result = await run_mirror(tmp_path, href)
    assert notices.lines() == [
        "Items without a valid id cannot be mirrored: item 3 of the source",
        "Items that the source returns twice are mirrored once: item 'good'",
    ]
    assert result.failed_ids == ["broken", "local", "GOOD"]
    assert (result.mirror.changes.without_id, result.mirror.changes.duplicates) == (1, 1)
    check_catalog(tmp_path, {"good", "bare", "twice"})
    assert len(origin.gets("/twice/*")) == 1


@pytest.mark.parametrize(
    ("name", "collection"),
    [
        ("../../outside", "things"),
        ("item", "../../outside"),
        ("..", ".."),
        (".mirror", ".mirror"),
        ("/etc/passwd", "/tmp"),
        ("a/b", "c/d"),
        ("x" * 400, "y" * 400),
        ("collection", "collection"),
        ("catalog.json", None),
        ("é\u0301 %2F #?", "ü"),
    ],
)
async def test_ids_cannot_write_outside_mirror_directory(
    origin: Origin, tmp_path: Path, name: str, collection: str | None
) -> None:
    item = build_item(origin, "plain", collection=collection) | {"id": name}
    directory = tmp_path / "a/b/m"
    href = serve_items(origin, [item])
    result = await run_mirror(directory, href)
    inside = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert all(path.is_relative_to(directory) for path in inside)
    if result.failed_ids:
        assert name == "catalog.json"
        return
    check_catalog(directory, {name})
    assert (await run_mirror(directory, href)).reasons == {}
    assert (
        await run_mirror(directory, serve_items(origin, [build_item(origin, "x")]), None, "delete")
    ).removed_ids == {name}
    assert set(read_item_documents(directory)) == {"x"}


async def test_deeply_nested_item_fails_without_affecting_other_items(
    origin: Origin, tmp_path: Path
) -> None:
    deep = build_item(origin, "deep")
    deep["properties"]["deep"] = "@"
    href = serve_items(origin, [deep, build_item(origin, "good")])
    nested = b"[" * 800 + b"]" * 800
    origin.put("/items.json", origin.content("/items.json").replace(b'"@"', nested))
    for reason in ("NEW", "RETRY"):
        result = await run_mirror(tmp_path, href)
        assert (result.reasons["deep"], result.failed_ids) == (reason, ["deep"])
        check_catalog(tmp_path, {"good"})


@pytest.mark.parametrize("name", ["catalog.json", "items.parquet", "sync.report.ndjson"])
async def test_reserved_names_are_rejected_as_ids(
    origin: Origin, tmp_path: Path, name: str
) -> None:
    items = [
        build_item(origin, "good"),
        build_item(origin, "plain", collection=None) | {"id": name},
        build_item(origin, "inside", collection=name.upper()),
    ]
    for _ in range(2):
        result = await run_mirror(tmp_path, serve_api(origin, items))
        assert set(result.failed_ids) == {name, "inside"}
        check_catalog(tmp_path, {"good"})
        assert not any((tmp_path / folder).is_dir() for folder in (name, name.upper()))


async def test_items_whose_assets_have_no_href_are_mirrored_as_documents(
    origin: Origin, tmp_path: Path
) -> None:
    template = build_item(origin, "template", "a", "b")
    template["assets"] = {"a": {"title": "x"}, "b": {"href": None}}
    mixed = build_item(origin, "mixed", "a", "b")
    mixed["assets"]["a"]["href"] = " "
    with collect_notices() as notices:
        result = await run_mirror(tmp_path, serve_api(origin, [template, mixed]))
    assert result.failed_ids == []
    assert len(notices.lines()) == 1
    documents = read_item_documents(tmp_path)
    assert list(documents["template"]["assets"]) == ["a", "b"]
    assert documents["mixed"]["assets"]["b"]["href"] == "./b.tif"
    again = await run_mirror(tmp_path, serve_api(origin, [template, mixed]))
    assert again.reasons == {}


async def test_include_that_no_item_of_source_and_mirror_has_fails(
    origin: Origin, tmp_path: Path
) -> None:
    items = [build_item(origin, "one", "visual"), build_item(origin, "two", "visual", "SCL")]
    typo = replace(CONFIG, include=["visaul"])
    with pytest.raises(NoAssetsError, match=r"did you mean 'visual'\?"):
        await run_mirror(tmp_path, serve_api(origin, items), config=typo)
    assert not (tmp_path / "catalog.json").exists()
    config = replace(CONFIG, include=["SCL", "visual", "slc"])
    with collect_notices() as notices:
        await run_mirror(tmp_path, serve_api(origin, items), config=config)
    [line] = notices.lines()
    assert "'slc' of `include` (did you mean 'SCL'?)" in line
    # The mirror has the key `SCL`, so a night without such items does not fail.
    config = replace(CONFIG, include=["SCL"])
    await run_mirror(tmp_path, serve_api(origin, items), config=config)
    items = [build_item(origin, "three", "visual")]
    with collect_notices() as notices:
        result = await run_mirror(tmp_path, serve_api(origin, items), config=config)
    assert (notices.lines(), result.failed_ids) == ([], [])


async def test_unknown_include_does_not_fail_a_run_without_items_to_download(
    origin: Origin, tmp_path: Path
) -> None:
    config = replace(CONFIG, include=["b"])
    bare = [build_item(origin, "one") | {"assets": {}}]
    await run_mirror(tmp_path, serve_api(origin, bare), config=config)
    with collect_notices() as notices:
        await run_mirror(tmp_path, serve_api(origin, bare), config=config)
        await run_mirror(tmp_path, serve_api(origin, []), config=config)
    assert notices.lines() == []
