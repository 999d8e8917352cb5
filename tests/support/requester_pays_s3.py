"""A requester-pays S3 bucket: moto, which checks signatures, behind a proxy.

moto does not enforce requester pays, so the proxy refuses requests without the header as S3 does.
The proxy does not change requests, so signatures stay valid.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import botocore.session
from aiohttp import web
from botocore.config import Config as BotocoreConfig

from tests.support.loopback import ReceivedRequest, serve_handler
from tests.support.servers import moto_s3

BUCKET = "requester-pays"
EXTERNAL_ID = "ext3rnal-id"
_ROLE = "reader"
_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["s3:*", "sts:*"], "Resource": "*"}],
    }
)
_ACCESS_DENIED = (
    "<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>pay</Message></Error>"
)


@dataclass
class RequesterPaysBucket:
    """A requester-pays bucket with an access key and a role.

    Attributes:
        moto: The endpoint of moto.
        s3: A botocore client of moto, for uploads.
        key: ID of an access key that may assume the role.
        secret: Secret of the access key.
        role: ARN of the role, which has access to the bucket.
        assumed: Number of `AssumeRole` requests with the external ID.
        seen: Requests for objects.
    """

    moto: str
    s3: Any
    key: str = ""
    secret: str = ""
    role: str = ""
    assumed: int = 0
    seen: list[ReceivedRequest] = field(default_factory=list)
    port: int = 0
    session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def put(self, key: str, data: bytes) -> str:
        """Upload an object and return the href."""
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=data, ContentType="image/tiff")
        return f"s3://{BUCKET}/{key}"

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        if request.method == "POST":
            self.assumed += b"AssumeRole" in body and EXTERNAL_ID.encode() in body
        else:
            self.seen.append(ReceivedRequest.of(request))
            if request.headers.get("x-amz-request-payer") != "requester":
                return web.Response(status=403, text=_ACCESS_DENIED, content_type="application/xml")
        assert self.session is not None
        async with self.session.request(
            request.method, self.moto + request.raw_path, headers=request.headers, data=body
        ) as found:
            names = ("Content-Type", "ETag", "Content-Range", "Last-Modified")
            headers = {name: found.headers[name] for name in names if name in found.headers}
            return web.Response(status=found.status, body=await found.read(), headers=headers)


@asynccontextmanager
async def requester_pays_bucket() -> AsyncIterator[RequesterPaysBucket]:
    """Run a requester-pays bucket."""
    with moto_s3() as endpoint:
        _post_to_moto(endpoint, "reset", b"")  # All moto servers of a process share their state.
        session = botocore.session.Session()
        session.set_credentials("AKIAIOSFODNN7EXAMPLE", "made-up")
        config = BotocoreConfig(s3={"addressing_style": "path"})
        s3: Any = session.create_client("s3", "us-west-2", endpoint_url=endpoint, config=config)
        iam: Any = session.create_client("iam", "us-west-2", endpoint_url=endpoint)
        s3.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
        )
        bucket = RequesterPaysBucket(endpoint, s3)
        role = iam.create_role(RoleName=_ROLE, AssumeRolePolicyDocument=_POLICY)
        bucket.role = role["Role"]["Arn"]
        iam.put_role_policy(RoleName=_ROLE, PolicyName="all", PolicyDocument=_POLICY)
        iam.create_user(UserName="user")
        iam.put_user_policy(UserName="user", PolicyName="all", PolicyDocument=_POLICY)
        key = iam.create_access_key(UserName="user")["AccessKey"]
        bucket.key, bucket.secret = key["AccessKeyId"], key["SecretAccessKey"]
        try:
            async with (
                aiohttp.ClientSession(auto_decompress=False) as bucket.session,
                serve_handler(bucket.answer) as bucket.port,
            ):
                yield bucket
        finally:
            _post_to_moto(endpoint, "reset-auth", b"inf")
            s3.close()
            iam.close()


def require_signatures(bucket: RequesterPaysBucket) -> None:
    """Make moto check signatures and policies."""
    _post_to_moto(bucket.moto, "reset-auth", b"0")  # The number of requests that pass unchecked.


def _post_to_moto(moto: str, command: str, body: bytes) -> None:
    url, headers = f"{moto}/moto-api/{command}", {"Content-Type": "text/plain"}
    urllib.request.urlopen(urllib.request.Request(url, body, headers)).close()
