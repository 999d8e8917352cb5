"""S3 whose requesters pay: moto, which signs people in, behind a gate that wants them to pay.

moto gives whoever asks what requesters pay for, so the gate refuses as S3 does. It changes nothing
of a request, and its signature holds.
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

from tests.clients.loopback import Seen, served
from tests.servers import moto_s3

BUCKET = "requester-pays"
EXTERNAL_ID = "ext3rnal-id"
_ROLE = "reader"
_ALL = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["s3:*", "sts:*"], "Resource": "*"}],
    }
)
_REFUSED = "<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>pay</Message></Error>"


@dataclass
class PayingBucket:
    """A bucket whose requesters pay.

    Attributes:
        key: An access key that may assume the role.
        secret: Its secret.
        role: The ARN of the role, which may read the bucket.
        assumed: How often the role was assumed.
        seen: The requests for objects.
    """

    moto: str
    s3: Any
    key: str = ""
    secret: str = ""
    role: str = ""
    assumed: int = 0
    seen: list[Seen] = field(default_factory=list)
    port: int = 0
    session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def put(self, key: str, data: bytes) -> str:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=data, ContentType="image/tiff")
        return f"s3://{BUCKET}/{key}"

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        if request.method == "POST":
            self.assumed += b"AssumeRole" in body and EXTERNAL_ID.encode() in body
        else:
            self.seen.append(Seen.of(request))
            if request.headers.get("x-amz-request-payer") != "requester":
                return web.Response(status=403, text=_REFUSED, content_type="application/xml")
        assert self.session is not None
        async with self.session.request(
            request.method, self.moto + request.raw_path, headers=request.headers, data=body
        ) as found:
            names = ("Content-Type", "ETag", "Content-Range", "Last-Modified")
            headers = {name: found.headers[name] for name in names if name in found.headers}
            return web.Response(status=found.status, body=await found.read(), headers=headers)


@asynccontextmanager
async def paying_bucket() -> AsyncIterator[PayingBucket]:
    with moto_s3() as endpoint:
        _tell(endpoint, "reset", b"")  # What motos hold, they share in a process.
        session = botocore.session.Session()
        session.set_credentials("AKIAIOSFODNN7EXAMPLE", "made-up")
        config = BotocoreConfig(s3={"addressing_style": "path"})
        s3: Any = session.create_client("s3", "us-west-2", endpoint_url=endpoint, config=config)
        iam: Any = session.create_client("iam", "us-west-2", endpoint_url=endpoint)
        s3.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
        )
        bucket = PayingBucket(endpoint, s3)
        role = iam.create_role(RoleName=_ROLE, AssumeRolePolicyDocument=_ALL)
        bucket.role = role["Role"]["Arn"]
        iam.put_role_policy(RoleName=_ROLE, PolicyName="all", PolicyDocument=_ALL)
        iam.create_user(UserName="somebody")
        iam.put_user_policy(UserName="somebody", PolicyName="all", PolicyDocument=_ALL)
        key = iam.create_access_key(UserName="somebody")["AccessKey"]
        bucket.key, bucket.secret = key["AccessKeyId"], key["SecretAccessKey"]
        try:
            async with (
                aiohttp.ClientSession(auto_decompress=False) as bucket.session,
                served(bucket.answer) as bucket.port,
            ):
                yield bucket
        finally:
            _tell(endpoint, "reset-auth", b"inf")
            s3.close()
            iam.close()


def require_signatures(bucket: PayingBucket) -> None:
    """Lets moto look at signatures and policies from now on."""
    _tell(bucket.moto, "reset-auth", b"0")  # After so many requests.


def _tell(moto: str, command: str, body: bytes) -> None:
    url, headers = f"{moto}/moto-api/{command}", {"Content-Type": "text/plain"}
    urllib.request.urlopen(urllib.request.Request(url, body, headers)).close()
