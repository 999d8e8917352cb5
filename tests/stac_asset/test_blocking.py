"""Blocking functions for the public coroutines."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pystac
import pytest
from yarl import URL

from stac_asset import Client, Config, StacAssetError, blocking
from stac_asset.testing import Origin, Stall
from tests.support.collections import collection_document
from tests.support.items import item_document


class LoopClient(Client):
    """A client that returns the module name of the running event loop as content."""

    name = "loop"

    def claims(self, url: URL) -> bool:
        return url.scheme == "loop"

    async def open_url(self, url: URL, **_: Any) -> AsyncIterator[bytes]:
        yield type(asyncio.get_running_loop()).__module__.encode()


@pytest.fixture
def item(origin: Origin) -> pystac.Item:
    return pystac.Item.from_dict(item_document(origin, "a", "b"))


def test_item_is_planned_and_downloaded(
    origin: Origin, item: pystac.Item, config: Config, tmp_path: Path
) -> None:
    plan = blocking.plan_item(item, tmp_path, config=config)
    assert plan.count("download") == 2
    downloaded = blocking.download_item(item, tmp_path, config=config)
    assert downloaded.assets["a"].href == "./a.tif"
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert blocking.plan_item(item, tmp_path, config=config).count("skip") == 2


def test_collections_are_planned_and_downloaded(
    origin: Origin, item: pystac.Item, config: Config, tmp_path: Path
) -> None:
    collection = pystac.Collection.from_dict(collection_document(origin, "thumbnail"))
    assert blocking.plan_collection(collection, tmp_path, config=config).count("download") == 1
    blocking.download_collection(collection, tmp_path, config=config)
    assert (tmp_path / "thumbnail.png").read_bytes() == origin.content("/thumbnail.png")

    items = pystac.ItemCollection([item])
    assert blocking.plan_item_collection(items, tmp_path, config=config).count("download") == 2
    blocking.download_item_collection(items, tmp_path, config=config)
    assert (tmp_path / "the-item" / "b.tif").read_bytes() == origin.content("/b.tif")


def test_single_files_are_read_downloaded_and_checked(
    origin: Origin, item: pystac.Item, config: Config, tmp_path: Path
) -> None:
    href = origin.href("/a.tif")
    assert blocking.read_href(href, config) == origin.content("/a.tif")
    blocking.download_file(href, tmp_path / "file.tif", config)
    assert (tmp_path / "file.tif").read_bytes() == origin.content("/a.tif")
    asset = blocking.download_asset("a", item.assets["a"], tmp_path / "asset.tif", config)
    assert asset.href == str(tmp_path / "asset.tif")
    assert blocking.asset_exists(item.assets["a"], config)
    blocking.assert_asset_exists(item.assets["a"], config)
    origin.remove("/a.tif")
    assert not blocking.asset_exists(item.assets["a"], config)
    with pytest.raises(FileNotFoundError):
        blocking.assert_asset_exists(item.assets["a"], config)


def test_errors_of_the_coroutine_are_raised(origin: Origin, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no assets"):
        blocking.download_item(pystac.Item.from_dict(item_document(origin)), tmp_path)


@pytest.mark.parametrize("name", blocking.__all__)
async def test_call_in_running_loop_raises_error_with_coroutine(name: str) -> None:
    function: Callable[..., Any] = getattr(blocking, name)
    with pytest.raises(
        StacAssetError, match=rf"'await stac_asset\.{name}\(\.\.\.\)'"
    ) as error_info:
        function("x", "y", "z", "w")
    assert isinstance(error_info.value, RuntimeError)


def test_uvloop_runs_the_coroutine() -> None:
    pytest.importorskip("uvloop")
    assert blocking.read_href("loop://x", clients=[LoopClient()]) == b"uvloop"


def start_python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start Python with the given code. Warnings are errors."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_asyncio_runs_the_coroutine_without_uvloop() -> None:
    code = """
        import sys
        sys.modules["uvloop"] = None  # The import of uvloop fails.
        from stac_asset import blocking
        from tests.stac_asset.test_blocking import LoopClient
        print(blocking.read_href("loop://x", clients=[LoopClient()]).decode())
    """
    output, errors = start_python(code).communicate()
    assert (output.strip(), errors) == ("asyncio.unix_events", "")


def test_interrupt_keeps_existing_file_and_download_is_resumable(
    origin: Origin, tmp_path: Path
) -> None:
    origin.put("/a.tif", size=1_000_000)
    origin.fault("/a.tif", Stall(after=500_000))
    (tmp_path / "a.tif").write_bytes(b"existing content")
    code = """
        import sys
        from stac_asset import blocking
        try:
            blocking.download_file(sys.argv[1], sys.argv[2])
        except KeyboardInterrupt:
            print("interrupted")
    """
    process = start_python(code, origin.href("/a.tif"), str(tmp_path / "a.tif"))
    resume_note = tmp_path / ".a.tif.part.json"
    while not resume_note.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=240)
    assert (output.strip(), errors, process.returncode) == ("interrupted", "", 0)
    assert (tmp_path / "a.tif").read_bytes() == b"existing content"

    blocking.download_file(origin.href("/a.tif"), tmp_path / "a.tif")
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert origin.gets("/a.tif")[-1].range is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif"]
