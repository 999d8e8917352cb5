"""A run of the flow `sync` with a mirror in a bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from prefect_stac_asset import flows
from prefect_stac_asset.blocks import S3Credentials
from stac_asset.testing import Origin
from tests.support.mirror_flow_runs import OPTIONS
from tests.support.mirror_runs import serve_items
from tests.support.s3_buckets import KEY, SECRET
from tests.support.s3_destinations import Bucket, moto_service
from tests.support.store_mirrors import HttpReader, items_of, mirror_url


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """Serve S3 from memory, and return the endpoint."""
    with moto_service() as endpoint:
        yield endpoint


@pytest_asyncio.fixture(loop_scope="session")
async def bucket(service: str) -> AsyncIterator[Bucket]:
    """Return a new bucket."""
    async with Bucket.create(service) as bucket:
        yield bucket


async def test_mirror_in_a_bucket_follows_the_source(
    origin: Origin, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    await S3Credentials(
        access_key_id=KEY,
        secret_access_key=SECRET,
        endpoint_url=bucket.endpoint,
        buckets=[bucket.name],
    ).save("mirror", overwrite=True)
    url = mirror_url(bucket)
    options = OPTIONS.model_copy(update={"destination_acl": "public-read"})
    credentials = await S3Credentials.load("mirror")
    href = serve_items(origin, items_of(origin, "one", "two"))
    dry = await flows.sync(href, url, dry_run=True, destination_credentials=credentials)
    assert (dry.new, dry.dry_run) == (2, True)
    assert await bucket.keys() == []

    first = await flows.sync(href, url, options=options, destination_credentials=credentials)
    assert (first.new, first.downloaded, first.document) == (2, 2, f"{url}/catalog.json")
    assert len(list(first.rows())) == 2
    serve_items(origin, items_of(origin, "one", "three"))
    state = await flows.sync(
        href,
        url,
        options=options,
        on_removed="delete",
        destination_credentials=credentials,
        return_state=True,
    )
    second = await state.aresult()
    assert (second.new, second.unchanged, second.removed) == (1, 1, 1)
    assert HttpReader(bucket).check() == {"one", "three"}
    assert not any("/two/" in key for key in await bucket.keys())
    await bucket.put("catalog.json", b'{"type": "Catalog", "id": "mine"}')
    origin.forget()
    state = await flows.sync(
        href, url, options=options, destination_credentials=credentials, return_state=True
    )
    assert "was not written by a mirror" in str(state.message)
    assert origin.gets("*") == []
    assert list(tmp_path.iterdir()) == []
