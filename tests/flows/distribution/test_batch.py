"""Runs of `download_batch` in this process, without a worker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from prefect_stac_asset import flows
from prefect_stac_asset.blocks import S3Credentials
from prefect_stac_asset.flows import Budget
from prefect_stac_asset.flows.distribution.documents import item_bytes, share_bytes
from prefect_stac_asset.flows.distribution.folder import ShareFolder
from prefect_stac_asset.flows.distribution.shares import Share, ShareItem
from prefect_stac_asset.flows.execution.budgets.errors import reason_to_leave
from stac_asset.destinations.location import StorePath
from stac_asset.errors import DestinationError, NotFoundError, SourceError
from stac_asset.testing import Origin
from stac_asset.types import Candidate, Downloaded, Failed, Skipped, Transfer
from tests.support.flow_inputs import with_options
from tests.support.s3_destinations import Bucket


@dataclass
class Setup:
    """A share of two items with two assets each."""

    origin: Origin
    folder: ShareFolder
    share: Share

    async def write(self, **changes: Any) -> None:
        """Write the share, with changes of all transfers."""
        items = [
            ShareItem(item.digest, tuple(replace(one, **changes) for one in item.transfers))
            for item in self.share.items
        ]
        self.share = replace(self.share, items=tuple(items))
        rows = [item_bytes(item) or b"" for item in items]
        await self.folder.write(self.share.id, share_bytes(self.share.directory, rows))

    async def run(self, **options: Any) -> Any:
        """Run the flow, and return the state."""
        return await flows.download_batch(
            self.folder.href(self.share.id),
            options=with_options(**options),
            destination_credentials=await S3Credentials.load("fan-out"),
            return_state=True,
        )


@pytest_asyncio.fixture(loop_scope="session")
async def setup(origin: Origin, bucket: Bucket) -> AsyncIterator[Setup]:
    """Return a share that is not written yet."""
    directory = f"s3://{bucket.name}/{bucket.prefix}"
    inner = replace(bucket, prefix=f"{bucket.prefix}/.shares/items.json")
    place = StorePath.parse(f"{directory}/.shares/items.json")
    items = tuple(
        ShareItem(
            f"digest-{number}",
            tuple(
                Transfer(
                    f"item '{number}'",
                    key,
                    (Candidate(origin.href(f"/{number}/{key}.tif"), path),),
                    directory,
                )
                for key in "ab"
                for path in [f"{directory}/{number}/{key}.tif"]
            ),
        )
        for number in range(2)
    )
    yield Setup(
        origin, ShareFolder(inner.destination(), place), Share(uuid4().hex, directory, items)
    )


async def test_items_that_exceed_a_budget_are_left(setup: Setup) -> None:
    await setup.write()
    budget = Budget(name="share", hosts=("127.0.0.1",), bytes_per_30_days=3)
    state = await setup.run(budgets=[budget])
    result = await state.aresult()
    assert state.name == "BudgetReached"
    assert (result.downloaded, result.failed, result.left_by_budget) == (2, 0, 1)
    found = await setup.folder.result(setup.share)
    assert found is not None
    done, left = found
    assert reason_to_leave(done) == ""
    assert reason_to_leave(left) == (
        "Budget 'share' of 3 bytes in 30 days is reached, so items are left for the next run"
    )


async def outcomes(setup: Setup) -> list[type[object]]:
    found = await setup.folder.result(setup.share)
    assert found is not None
    return [type(outcome) for item in found for outcome in item]


async def test_share_is_downloaded_once(setup: Setup) -> None:
    await setup.write()
    state = await setup.run()
    result = await state.aresult()
    assert (result.downloaded, state.message) == (4, "4 of 4 assets downloaded")
    assert await outcomes(setup) == [Downloaded] * 4
    assert len(list(result.rows())) == 4
    setup.origin.forget()
    again = await setup.run()
    assert (again.name, (await again.aresult()).downloaded) == ("Skipped", 4)
    assert setup.origin.gets() == []
    files = await setup.folder.files()
    assert files[setup.share.id].lease is None


async def test_failed_assets_are_in_the_result(setup: Setup) -> None:
    await setup.write()
    setup.origin.remove("/1/a.tif")
    assert (await setup.run()).is_failed()
    assert await outcomes(setup) == [Downloaded, Downloaded, Failed, Downloaded]


async def test_fail_fast_writes_the_error_into_the_result(setup: Setup) -> None:
    await setup.write()
    setup.origin.remove("/1/a.tif")
    state = await setup.run(fail_fast=True, max_concurrent_downloads=1)
    assert state.is_failed()
    found = await setup.folder.result(setup.share)
    assert found is not None
    (failed,) = [one for item in found for one in item if isinstance(one, Failed)]
    assert isinstance(failed.error, NotFoundError)
    assert failed.owner == "item '1'"


async def test_files_that_a_killed_run_replaced_are_not_replaced_again(
    setup: Setup, bucket: Bucket
) -> None:
    await bucket.put("1/a.tif", b"earlier version")
    await setup.write(overwrite=True)
    since = (await setup.folder.begin(setup.share.id), await setup.folder.begin(setup.share.id))
    assert since[0] is None
    assert since[1] is not None
    # Times of objects have a resolution of one second.
    while True:
        await bucket.put("0/b.tif", b"new version")
        listed = [one async for one in bucket.destination().list_files("0/b.tif")]
        if listed[0].changed > since[1]:
            break
    assert (await setup.run()).is_completed()
    assert await outcomes(setup) == [Downloaded, Skipped, Downloaded, Downloaded]
    assert setup.origin.gets("/0/b.tif") == []


async def test_share_that_another_run_downloads_is_refused(setup: Setup) -> None:
    await setup.write()
    async with setup.folder.lease(setup.share.id):
        state = await setup.run()
    with pytest.raises(DestinationError, match="is being downloaded by another run"):
        await state.aresult()
    assert setup.origin.gets() == []


async def test_href_without_a_share_is_refused(setup: Setup) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        await (await setup.run()).aresult()
    for href in ("/data/share.json", "s3://bucket/data/items.json", "https://host/share.json"):
        with pytest.raises(DestinationError, match="share"):
            await flows.download_batch(href)
