"""Credentials and endpoints of destinations, from blocks."""

from __future__ import annotations

import pytest
from prefect_aws import AwsCredentials, MinIOCredentials, S3Bucket

from prefect_stac_asset.blocks import HttpCredentials, S3Credentials
from prefect_stac_asset.blocks.destinations import destination_access
from stac_asset import Config, ConfigError

SECRET = "pl4nted-secret"


def test_block_of_a_destination_names_the_service_and_signs_requests() -> None:
    inner = AwsCredentials(
        aws_access_key_id="AKIA",
        aws_secret_access_key=SECRET,
        region_name="eu-west-1",
        aws_client_parameters={"endpoint_url": "http://127.0.0.1:9"},
    )
    own = S3Credentials(
        access_key_id="AKIA",
        secret_access_key=SECRET,
        region_name="eu-west-1",
        endpoint_url="http://127.0.0.1:9",
        role_arn="arn:aws:iam::1:role/r",
    )
    for block in (inner, own, S3Bucket(bucket_name="tiles", credentials=inner)):
        found = destination_access(block, Config(destination_region="us-west-2"))
        assert found.config.destination_endpoint_url == "http://127.0.0.1:9"
        assert found.config.destination_region == "eu-west-1"
        assert found.identity is not None
        assert found.identity.secret_access_key == SECRET
        assert SECRET not in repr(found)
        # An option could send the secret to another host.
        for name in ("destination_endpoint_url", "destination_profile"):
            with pytest.raises(ConfigError, match=f"^`{name}` is set, and a block of type"):
                destination_access(block, Config(**{name: "http://127.0.0.1:1"}))
    assert found.identity.role_arn is None
    access = destination_access(None, Config(destination_profile="mine"))
    assert (access.config.destination_profile, access.identity) == ("mine", None)
    with pytest.raises(ConfigError, match="is not a supported block for a destination"):
        destination_access(HttpCredentials(hosts=["a.b"], token=SECRET), Config())
    with pytest.raises(ConfigError, match="has no MinIO endpoint"):
        destination_access(
            MinIOCredentials(minio_root_user="u", minio_root_password=SECRET), Config()
        )
