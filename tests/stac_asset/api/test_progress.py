"""Progress bars of the download functions."""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stac_asset
from stac_asset import Config, DownloadError
from stac_asset.api.progress_bar import ProgressBar
from stac_asset.testing import Origin, Status, Truncate
from stac_asset.transfer.reporter import Reporter
from stac_asset.types import Candidate, Transfer
from tests.support.items import item_document, make_item

CONFIG = Config(retry_wait=0.0, http_max_attempts=3)


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the final state of the bar."""
    captured = capsys.readouterr()
    assert captured.out == ""
    return re.split(r"[\r\n]+", captured.err.strip())[-1]


def sized_item(origin: Origin, *keys: str, size: int = 2_000_000) -> Any:
    """Return an item whose assets declare their sizes."""
    document = item_document(origin)
    for key in keys:
        href = origin.put(f"/{key}.tif", size=size)
        document["assets"][key] = {"href": href, "file:size": size}
    return document


async def test_bar_counts_bytes_if_all_sizes_are_known(
    origin: Origin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await stac_asset.download_item(
        sized_item(origin, "a", "b"), tmp_path, config=CONFIG, progress=True
    )
    line = last_line(capsys)
    assert "100%" in line
    assert "4.00M/4.00M" in line
    assert "2/2 assets" in line


async def test_bar_counts_assets_if_a_size_is_unknown(
    origin: Origin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    item = make_item(origin, "a", "b", "c")
    await stac_asset.download_item(item, tmp_path, config=CONFIG, progress=True)
    line = last_line(capsys)
    assert "3/3" in line
    assert " assets" in line


async def test_bytes_that_arrive_twice_count_once_and_retries_are_shown(
    origin: Origin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    item = sized_item(origin, "a")
    origin.fault("/a.tif", Truncate(after=1_500_000))
    origin.fault("/a.tif", Status(500))
    await stac_asset.download_item(item, tmp_path, config=CONFIG, progress=True)
    line = last_line(capsys)
    assert "2.00M/2.00M" in line
    assert "2 retries" in line


async def test_failed_assets_are_shown_and_their_bytes_do_not_count(
    origin: Origin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    item = sized_item(origin, "a", "b")
    origin.remove("/b.tif")
    with pytest.raises(DownloadError):
        await stac_asset.download_item(item, tmp_path, config=CONFIG, progress=True)
    line = last_line(capsys)
    assert "2.00M/2.00M" in line
    assert "1/2 assets, 1 failed" in line


async def test_existing_files_count_as_done(
    origin: Origin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    item = sized_item(origin, "a")
    await stac_asset.download_item(item, tmp_path, config=CONFIG)
    await stac_asset.download_item(item, tmp_path, config=CONFIG, progress=True)
    assert "2.00M/2.00M" in last_line(capsys)


async def test_messages_arrive_beside_the_bar(
    origin: Origin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    messages: asyncio.Queue[Any] = asyncio.Queue()
    item = sized_item(origin, "a")
    await stac_asset.download_item(item, tmp_path, messages=messages, progress=True)
    names = {type(messages.get_nowait()).__name__ for _ in range(messages.qsize())}
    assert {"StartAssetDownload", "OpenUrl", "WriteChunk", "FinishAssetDownload"} <= names
    assert "1/1 assets" in last_line(capsys)


async def test_single_files_have_a_bar_and_no_thread_remains(
    origin: Origin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {thread.name for thread in threading.enumerate()}
    href = origin.put("/a.tif", size=1000)
    await stac_asset.download_file(href, tmp_path / "a.tif", progress=True)
    assert "1/1" in last_line(capsys)
    assert not any("tqdm" in thread.name for thread in threading.enumerate()), before


async def test_nothing_is_printed_by_default(
    origin: Origin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await stac_asset.download_item(make_item(origin, "a"), tmp_path)
    assert capsys.readouterr() == ("", "")


def test_blocking_functions_show_a_bar(
    origin: Origin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stac_asset.blocking.download_item(sized_item(origin, "a"), tmp_path, progress=True)
    assert "1/1 assets" in last_line(capsys)


EVENTS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["wrote", "retried"]), st.integers(0, 200)),
    max_size=30,
)


@given(EVENTS, st.lists(st.sampled_from(["finished", "skipped", "failed"]), min_size=3, max_size=3))
def test_bar_never_exceeds_the_total_and_ends_at_the_bytes_of_complete_files(
    events: list[tuple[int, str, int]], ends: list[str]
) -> None:
    transfers = [
        Transfer("item 'x'", str(n), (Candidate(f"https://e.com/{n}", f"/d/{n}"),), "/d", size=100)
        for n in range(3)
    ]
    bar = ProgressBar(Reporter(), transfers)
    for number, kind, size in events:
        candidate = transfers[number].candidates[0]
        bar.wrote(candidate, size) if kind == "wrote" else bar.retried(candidate, "status")
        assert 0 <= bar._bar.n <= bar._bar.total

    async def end() -> None:
        for transfer, kind in zip(transfers, ends, strict=True):
            arguments = (transfer, transfer.candidates[0])
            if kind == "failed":
                await bar.failed(*arguments, OSError())
            else:
                await getattr(bar, kind)(*arguments)

    asyncio.run(end())
    bar.close()
    assert bar._bar.n == bar._bar.total == 100 * sum(kind != "failed" for kind in ends)
