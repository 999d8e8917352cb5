"""Fixtures for tests of the S3 client: AWS credentials and buckets."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.config import Config as BotocoreConfig

from tests.support.s3_buckets import KEY, SECRET, TOKEN, MotoBucket, RcloneBucket
from tests.support.servers import moto_s3, rclone_s3


@pytest.fixture(autouse=True)
def _no_aws_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the AWS configuration of the machine."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE", "REGION"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set AWS credentials in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.fixture
def session_token(credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set AWS credentials with a session token in the environment."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RcloneBucket]:
    """Run a bucket that requires signatures."""
    path = tmp_path_factory.mktemp("rclone")
    (path / RcloneBucket.name).mkdir()
    with rclone_s3(path, KEY, SECRET, changes=True) as endpoint:
        yield RcloneBucket(endpoint, path)


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoBucket]:
    """Run a bucket with public and private objects."""
    session = botocore.session.Session()
    session.set_credentials(KEY, SECRET)
    config = BotocoreConfig(s3={"addressing_style": "path"})
    with moto_s3() as endpoint:
        client: Any = session.create_client("s3", "us-east-1", endpoint_url=endpoint, config=config)
        client.create_bucket(Bucket=MotoBucket.name)
        yield MotoBucket(endpoint, client)
        client.close()


@pytest.fixture
def moto_with_access_control(moto: MotoBucket) -> Iterator[MotoBucket]:
    """Make the bucket check credentials. All credentials of the tests are invalid."""
    url = f"{moto.endpoint}/moto-api/reset-auth"
    headers = {"Content-Type": "text/plain"}
    # The body is the number of requests that pass unchecked.
    urllib.request.urlopen(urllib.request.Request(url, b"0", headers)).close()
    yield moto
    urllib.request.urlopen(urllib.request.Request(url, b"inf", headers)).close()
