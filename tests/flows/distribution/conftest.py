"""A work pool with two process workers that have no folder in common, and a bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from prefect_stac_asset import flows
from prefect_stac_asset.blocks import S3Credentials
from prefect_stac_asset.flows.orchestration.units import Unit
from stac_asset.destinations.location import StorePath
from stac_asset.testing import Origin
from stac_asset.types import Candidate, Transfer
from tests.support.flow_inputs import put_item_collection, with_options
from tests.support.items import item_from_origin
from tests.support.s3_buckets import KEY, SECRET
from tests.support.s3_destinations import Bucket, moto_service
from tests.support.server_logs import ServerLog
from tests.support.workers import deploy, running_worker

KEYS = [f"a{number}" for number in range(10)]
"""Asset keys of each item. Two items are a share."""


@dataclass
class Fleet:
    """Workers and a deployment of `download_batch`.

    Attributes:
        pool: Name of the work pool.
        workers: Names of the workers.
        logs: Logs of the workers.
        deployment: Name of the deployment.
    """

    pool: str
    workers: list[str]
    logs: list[ServerLog]
    deployment: str

    def expect_errors(self, *patterns: str) -> None:
        """Announce errors in the logs of the workers."""
        for log in self.logs:
            log.expect_errors(*patterns)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fleet(
    prefect_server: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Fleet]:
    """Start two workers with separate folders."""
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    logs = [ServerLog(folder.with_suffix(".log")) for folder in folders]
    name = f"fleet-{uuid4().hex[:8]}"
    first, second = (f"{name}-{folder.name}" for folder in folders)
    with (
        running_worker(logs[0], folder=folders[0], pool=name, name=first),
        running_worker(logs[1], folder=folders[1], pool=name, name=second),
    ):
        deployment = await deploy(flows.download_batch, name)
        yield Fleet(name, [first, second], logs, deployment)


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """Serve S3 from memory, and return the endpoint."""
    with moto_service() as endpoint:
        yield endpoint


@pytest_asyncio.fixture(loop_scope="session")
async def bucket(service: str) -> AsyncIterator[Bucket]:
    """Return a new bucket, with the saved block `mirror`."""
    async with Bucket.create(service) as bucket:
        block = S3Credentials(access_key_id=KEY, secret_access_key=SECRET, endpoint_url=service)
        await block.save("fan-out", overwrite=True)
        yield bucket


@dataclass
class Job:
    """The parameters of `download_item_collection` for a bucket."""

    source: str
    bucket: Bucket
    deployment: str

    async def run(self, **more: Any) -> Any:
        """Run the flow in this process."""
        parameters = await self.parameters()
        return await flows.download_item_collection(**{**parameters, **more})

    async def parameters(self) -> dict[str, Any]:
        """Return the parameters."""
        return {
            "source": self.source,
            "directory": f"s3://{self.bucket.name}/{self.bucket.prefix}",
            "options": with_options(),
            "destination_credentials": await S3Credentials.load("fan-out"),
            "distribute": self.deployment,
        }

    async def files(self) -> list[str]:
        """Return the keys of the assets."""
        return [key for key in await self.bucket.keys() if key.endswith(".tif")]

    async def shares(self) -> list[str]:
        """Return the names of the documents of shares."""
        return [key.rpartition("/")[2] for key in await self.bucket.keys() if "shares/" in key]


@pytest.fixture
def job(origin: Origin, bucket: Bucket, fleet: Fleet) -> Job:
    """Return a job of 4 items with 40 assets, which is two shares."""
    return Job(put_item_collection(origin, 4, *KEYS), bucket, fleet.deployment)


def unit(origin: Origin, directory: StorePath, number: int) -> Unit:
    """Return an item of ten assets that replace existing files."""
    item = item_from_origin(origin, *KEYS, name=f"item-{number}")
    transfers = [
        Transfer(
            f"item '{item.id}'",
            key,
            (Candidate(origin.href(f"/{number}/{key}.tif"), f"{directory}/{item.id}/{key}.tif"),),
            str(directory),
        )
        for key in KEYS
    ]
    return Unit(number, item, tuple(transfers))
