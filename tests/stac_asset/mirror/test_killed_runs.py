"""Files of items that a killed run was writing or removing are removed by the next run."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from stac_asset.mirror.unknown_files import unknown_files
from stac_asset.testing import Origin
from tests.support.mirror_runs import build_item, check_catalog, run_mirror, serve_items
from tests.support.paths import ROOT

PROGRAM = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.support.mirror_runs import run_mirror

directory, href, event, name = sys.argv[1:]

def kill(found, arguments):
    if found == event and os.path.basename(os.fsdecode(arguments[0])) == name:
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
asyncio.run(run_mirror(Path(directory), href, on_removed="delete"))
"""
"""Runs a mirror, and kills the process before a change of the file system."""


@pytest.mark.parametrize(
    ("event", "name"),
    [
        pytest.param("os.rename", ".new.json.part", id="before the document of a new item"),
        pytest.param("os.remove", "red.tif", id="before the removal of an earlier version"),
        pytest.param("os.remove", "gone.json", id="before the removal of a document"),
        pytest.param("os.rmdir", "gone", id="before the removal of a folder"),
    ],
)
async def test_no_file_is_left_after_a_killed_run(
    origin: Origin, tmp_path: Path, event: str, name: str
) -> None:
    stays, gone = build_item(origin, "stays"), build_item(origin, "gone")
    item, new = build_item(origin, "item", "red"), build_item(origin, "new")
    href = serve_items(origin, [stays, gone, item])
    await run_mirror(tmp_path, href)
    item["assets"]["red"]["href"] = origin.href("/item/red_v2.tif?size=100")
    serve_items(origin, [stays, item, new])
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), href, event, name]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    assert await process.wait() == -signal.SIGKILL
    serve_items(origin, [stays])
    await run_mirror(tmp_path, href, on_removed="delete")
    check_catalog(tmp_path, {"stays"})
    assert unknown_files(tmp_path) == []
    folders = [path.name for path in (tmp_path / "things").iterdir() if path.is_dir()]
    assert folders == ["stays"]
    assert not (tmp_path / ".mirror/begun.ndjson").exists()
