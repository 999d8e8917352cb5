"""How the methods of a result read the files of a run from an object store."""

from __future__ import annotations

from prefect_stac_asset.blocks import S3Credentials
from prefect_stac_asset.flows.reporting.stored_files import RunFilesAccess, store_access
from stac_asset import Config


def test_result_of_a_block_that_is_not_saved_names_the_service_and_no_secret() -> None:
    block = S3Credentials(
        access_key_id="key",
        secret_access_key="hidden",
        endpoint_url="https://minio.example.com",
        region_name="eu-1",
    )
    access = store_access(Config(), [block])
    assert access == RunFilesAccess(endpoint_url="https://minio.example.com", region="eu-1")
    assert "hidden" not in access.model_dump_json()
