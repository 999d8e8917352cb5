"""Mirrors with files of earlier versions that are not the asset: login pages and empty files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from stac_asset.mirror.state.index import read_state
from stac_asset.mirror.storage.local import LocalStorage
from stac_asset.testing import Origin, Status
from tests.support.mirror_runs import CONFIG, build_item, run_mirror, serve_api

PAGE = b"<!DOCTYPE html>\n<html><body><form action='/login'></form></body></html>"


async def store_bad_file(origin: Origin, directory: Path, bad: bytes) -> tuple[str, Path]:
    """Let an earlier version store a bad file, and return the href of the API and the file."""
    href = serve_api(origin, [build_item(origin, "a"), build_item(origin, "b")])
    await run_mirror(directory, href)
    file = directory / "things/a/data.tif"
    file.write_bytes(bad)
    document = file.with_name("a.json")
    fields = json.loads(document.read_bytes())
    fields["assets"]["data"] |= {"file:size": len(bad), "file:checksum": None}
    document.write_text(json.dumps(fields))
    index = directory / ".mirror/index.ndjson"
    rows: list[dict[str, Any]] = [json.loads(line) for line in index.read_text().splitlines()]
    for row in rows:
        row.pop("checked")
    index.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return href, file


@pytest.mark.parametrize("bad", [PAGE, b""])
async def test_bad_file_of_earlier_version_is_downloaded_again(
    origin: Origin, tmp_path: Path, bad: bytes
) -> None:
    href, file = await store_bad_file(origin, tmp_path, bad)
    origin.fault("/a/*.tif", Status(404))
    failed = await run_mirror(tmp_path, href)
    assert (failed.reasons, failed.failed_ids) == ({"a": "FILES_MISSING"}, ["a"])
    assert (await run_mirror(tmp_path, href)).failed_ids == []
    assert file.read_bytes() == origin.content("/a/data.tif?size=100")
    origin.forget()
    assert (await run_mirror(tmp_path, href)).reasons == {}
    assert not origin.gets("*.tif")
    assert read_state(LocalStorage(tmp_path)).documents_read == 0


@pytest.mark.parametrize("bad", [PAGE, b""])
async def test_bad_file_is_kept_if_accepted(origin: Origin, tmp_path: Path, bad: bytes) -> None:
    href, file = await store_bad_file(origin, tmp_path, bad)
    config = dataclasses.replace(CONFIG, check_content=False, allow_empty_files=True)
    assert (await run_mirror(tmp_path, href, config=config)).reasons == {}
    assert file.read_bytes() == bad


@pytest.mark.parametrize("bad", [PAGE, b""])
async def test_new_bad_file_fails_item_until_file_arrives(
    origin: Origin, tmp_path: Path, bad: bytes
) -> None:
    href = serve_api(origin, [build_item(origin, "a")])
    origin.fault("/a/*.tif", Status(200, body=bad), times=0)
    for _ in range(2):
        assert (await run_mirror(tmp_path, href)).failed_ids == ["a"]
        assert not list(tmp_path.rglob("*.tif*"))
    origin.heal("/a/*.tif")
    assert (await run_mirror(tmp_path, href)).failed_ids == []
    assert (tmp_path / "things/a/data.tif").stat().st_size == 100
