"""Identities that sign S3 requests: keys, profiles and roles."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stac_asset import S3Client
from stac_asset.clients.s3.identity import S3Identity
from stac_asset.errors import StacAssetError
from tests.support.client_reads import read_bytes
from tests.support.requester_pays_s3 import (
    EXTERNAL_ID,
    RequesterPaysBucket,
    requester_pays_bucket,
    require_signatures,
)


@pytest.fixture
async def requester_pays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[RequesterPaysBucket]:
    """Run a bucket, and store the access key in the profile `mine`."""
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    async with requester_pays_bucket() as bucket:
        bucket.put("a.tif", b"paid for")
        require_signatures(bucket)
        (tmp_path / "credentials").write_text(
            f"[mine]\naws_access_key_id = {bucket.key}\naws_secret_access_key = {bucket.secret}\n"
        )
        yield bucket


def client_with_identity(bucket: RequesterPaysBucket, identity: S3Identity) -> S3Client:
    return S3Client(requester_pays=True, endpoint_url=bucket.url, max_attempts=1, identity=identity)


class TestS3Identity:
    def test_sessions_share_the_data_files_of_botocore(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        identity = S3Identity(access_key_id="key", secret_access_key="secret")
        shared = identity.session("us-east-1").get_component("data_loader")
        assert S3Identity().session("eu-west-1").get_component("data_loader") is shared
        monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
        other = identity.session("us-east-1").get_component("data_loader")
        assert str(tmp_path) in other.search_paths
        assert str(tmp_path) not in shared.search_paths

    async def test_keys_profiles_and_roles_sign_requests(
        self, requester_pays: RequesterPaysBucket
    ) -> None:
        keys = {"access_key_id": requester_pays.key, "secret_access_key": requester_pays.secret}
        role = {
            "role_arn": requester_pays.role,
            "external_id": EXTERNAL_ID,
            "sts_endpoint_url": requester_pays.url,
        }
        for identity, assumed in (
            (S3Identity(**keys), 0),
            (S3Identity(profile_name="mine"), 0),
            (S3Identity(profile_name="mine", **role), 1),
            (S3Identity(**keys, **role), 2),
        ):
            async with client_with_identity(requester_pays, identity) as client:
                assert await read_bytes(client, "s3://requester-pays/a.tif") == b"paid for"
            assert requester_pays.assumed == assumed
        assert repr(S3Identity(**keys, **role)).count(requester_pays.secret) == 0

    async def test_role_is_assumed_again_before_expiry(
        self, requester_pays: RequesterPaysBucket
    ) -> None:
        identity = S3Identity(
            requester_pays.key,
            requester_pays.secret,
            role_arn=requester_pays.role,
            external_id=EXTERNAL_ID,
            sts_endpoint_url=requester_pays.url,
            # botocore renews credentials in the last 15 minutes.
            role_options={"DurationSeconds": 900},
        )
        async with client_with_identity(requester_pays, identity) as client:
            for _ in range(3):
                assert await read_bytes(client, "s3://requester-pays/a.tif") == b"paid for"
        assert requester_pays.assumed >= 3

    async def test_missing_profile_is_an_error(self, requester_pays: RequesterPaysBucket) -> None:
        async with client_with_identity(
            requester_pays, S3Identity(profile_name="missing-profile")
        ) as client:
            with pytest.raises(StacAssetError, match="the AWS credentials are invalid"):
                await read_bytes(client, "s3://requester-pays/a.tif")
