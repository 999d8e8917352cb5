"""Audits while a run of the mirror changes files, and after a killed run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stac_asset import Config
from stac_asset.audit import AuditSummary, audit_mirror
from stac_asset.notices import collect_notices
from stac_asset.testing import Origin, Stall
from tests.support.audits import found_of_row
from tests.support.mirror_runs import CONFIG, build_item, run_mirror
from tests.support.processes import wait_until
from tests.support.s3_destinations import Bucket
from tests.support.search_api import SearchApi, SearchRequest, search_api
from tests.support.store_mirrors import mirror_url, run_in_bucket, store_config

Found = set[tuple[str, str, str | None]]


async def audit(
    api: SearchApi, directory: Path | str, config: Config = CONFIG, read_files: bool = False
) -> tuple[Found, AuditSummary, list[str]]:
    """Audit a mirror, and return the differences, the summary and the notices."""
    rows: list[Any] = []
    with collect_notices() as notices:
        summary = await audit_mirror(
            api.url, directory, None, config, read_files=read_files, on_row=rows.append
        )
    return {found_of_row(row) for row in rows}, summary, notices.lines()


@contextmanager
def held_search(api: SearchApi) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Hold the first search of an API.

    Yields:
        An event that is set when the search arrives, and the event that releases the search.
    """
    arrived, released = threading.Event(), threading.Event()

    def hook(request: SearchRequest) -> None:
        if request.path.startswith("/search") and not arrived.is_set():
            arrived.set()
            released.wait(240)

    api.hook = hook
    try:
        yield arrived, released
    finally:
        released.set()
        api.hook = None


def changed(item: dict[str, Any]) -> dict[str, Any]:
    """Return the next version of an item, with assets of another size."""
    assets = {
        key: {"href": asset["href"].replace("size=100", "size=200")}
        for key, asset in item["assets"].items()
    }
    properties = item["properties"] | {"updated": "2026-06-20T00:00:00Z"}
    return item | {"properties": properties, "assets": assets}


async def test_items_of_a_run_that_ends_during_the_audit_are_no_differences(
    origin: Origin, tmp_path: Path
) -> None:
    items = [build_item(origin, name, "a", "b") for name in ("one", "two", "new")]
    with search_api(items[:2]) as api:
        await run_mirror(tmp_path, api.url)
        api.items[:] = [items[0], changed(items[1]), items[2]]
        (tmp_path / "things/one/a.tif").unlink()
        (tmp_path / "stray.tif").write_bytes(b"stray")
        with held_search(api) as (arrived, released):
            running = asyncio.create_task(audit(api, tmp_path))
            await wait_until(arrived.is_set)
            await run_mirror(tmp_path, api.url)
            released.set()
            found, summary, notices = await running
        assert found == {("inconsistent", "stray.tif", None)}
        assert summary.complete
        assert "compared twice" in " ".join(notices)
        found, _, notices = await audit(api, tmp_path)
        assert (found, notices) == ({("inconsistent", "stray.tif", None)}, [])


async def test_files_of_an_item_in_progress_are_outdated_and_not_corrupt(
    origin: Origin, tmp_path: Path
) -> None:
    item = build_item(origin, "one", "a", "b")
    with search_api([item]) as api:
        await run_mirror(tmp_path, api.url)
        api.items[:] = [changed(item)]
        origin.fault("/one/b.tif", Stall(after=10), times=0)
        running = asyncio.create_task(run_mirror(tmp_path, api.url))
        file = tmp_path / "things/one/a.tif"
        await wait_until(lambda: file.stat().st_size == 200)
        for read_files in (False, True):
            found, summary, notices = await audit(api, tmp_path, read_files=read_files)
            assert ("outdated", "one", "a") in found
            assert {kind for kind, _, _ in found} == {"outdated"}
            assert not summary.complete
            assert "compared twice" in " ".join(notices)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert {kind for kind, _, _ in (await audit(api, tmp_path))[0]} == {"outdated"}
        file.write_bytes(b"")  # The disk lost the content after the killed run.
        origin.heal()
        await run_mirror(tmp_path, api.url)
        found, summary, notices = await audit(api, tmp_path, read_files=True)
        assert (found, summary.complete, notices) == (set(), True, [])


async def test_lasting_differences_are_reported_beside_a_run(
    origin: Origin, tmp_path: Path
) -> None:
    items = [build_item(origin, name, "a") for name in ("bad", "ruined", "new")]
    with search_api(items[:2]) as api:
        await run_mirror(tmp_path, api.url)
        (tmp_path / "things/bad/a.tif").write_bytes(b"short")
        (tmp_path / "things/ruined/a.tif").write_bytes(b"x" * 100)
        api.items[:] = [items[2], items[0], items[1]]
        origin.fault("/new/a.tif", Stall(after=10), times=0)
        running = asyncio.create_task(run_mirror(tmp_path, api.url))
        await wait_until(lambda: origin.gets("/new/a.tif"))
        found, _, notices = await audit(api, tmp_path, read_files=True)
        assert found == {
            ("missing", "new", None),
            ("corrupt", "bad", "a"),
            ("corrupt", "ruined", "a"),
        }
        assert "compared twice" in " ".join(notices)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_run_in_a_bucket_that_ends_during_the_audit_is_no_difference(
    origin: Origin, bucket: Bucket, store: Config
) -> None:
    config = store_config(store)
    items = [build_item(origin, name, "a") for name in ("one", "new")]
    with search_api(items[:1]) as api:
        await run_in_bucket(bucket, api.url, config)
        api.items[:] = items
        with held_search(api) as (arrived, released):
            running = asyncio.create_task(audit(api, mirror_url(bucket), config))
            await wait_until(arrived.is_set)
            await run_in_bucket(bucket, api.url, config)
            released.set()
            found, summary, _ = await running
        assert (found, summary.complete) == (set(), True)
