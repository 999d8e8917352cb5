"""Signatures compared with AWS's published examples and with botocore."""

from __future__ import annotations

import calendar
import time
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from stac_asset.aws.signature import SignedTarget, Signer

_HOST = "examplebucket.s3.amazonaws.com"
_UPLOADED = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"


@dataclass(frozen=True)
class Key:
    access_key: str = "AKIAIOSFODNN7EXAMPLE"
    secret_key: str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    token: str | None = None


def signature_of(headers: dict[str, str]) -> str:
    return headers["authorization"].rpartition("Signature=")[2]


@pytest.mark.parametrize(
    ("target", "headers", "signature"),
    [
        (
            SignedTarget(_HOST, "/test.txt"),
            {"range": "bytes=0-9"},
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            SignedTarget(_HOST, "/test%24file.text", method="PUT", payload=_UPLOADED),
            {
                "date": "Fri, 24 May 2013 00:00:00 GMT",
                "x-amz-storage-class": "REDUCED_REDUNDANCY",
            },
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            SignedTarget(_HOST, "/", query="lifecycle="),
            {},
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            SignedTarget(_HOST, "/", query="max-keys=2&prefix=J"),
            {},
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
    ids=["get", "put", "lifecycle", "list"],
)
def test_signature_equals_the_example_of_aws(
    target: SignedTarget, headers: dict[str, str], signature: str
) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html"""
    seconds = calendar.timegm((2013, 5, 24, 0, 0, 0))
    signed = Signer("us-east-1", "s3").sign(target, headers, Key(), seconds)
    assert signature_of(signed) == signature


def test_key_of_the_day_follows_date_and_secret() -> None:
    signer, target, noon = Signer("us-east-1", "s3"), SignedTarget(_HOST, "/a"), 1_800_000_000.0
    for seconds, key in [
        (noon, Key()),
        (noon + 86_400, Key()),
        (noon + 86_400, Key(secret_key="other")),
        (noon, Key()),
    ]:
        new = Signer("us-east-1", "s3").sign(target, {}, key, seconds)
        assert signer.sign(target, {}, key, seconds) == new


_TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)


@given(
    path=st.text(max_size=30),
    region=st.sampled_from(["us-west-2", "eu-central-1", ""]),
    secret=_TEXT,
    token=st.none() | _TEXT,
    headers=st.dictionaries(
        st.sampled_from(["range", "if-match", "x-amz-request-payer", "x-amz-checksum-mode"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20),
    ),
    port=st.sampled_from(["", ":443", ":9000"]),
)
def test_signature_equals_that_of_botocore(
    path: str, region: str, secret: str, token: str | None, headers: dict[str, str], port: str
) -> None:
    host = "bucket.example.com" if path else "[::1]"
    url = URL(f"https://{host}{port}/{quote(path, safe='/~')}", encoded=True)
    request = AWSRequest("GET", str(url), headers=dict(headers))
    S3SigV4Auth(ReadOnlyCredentials("KEY", secret, token), "s3", region).add_auth(request)
    stamp = request.headers["X-Amz-Date"]
    seconds = calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))
    target = SignedTarget(url.host_port_subcomponent or "", url.raw_path)
    signed = Signer(region, "s3").sign(target, headers, Key("KEY", secret, token), seconds)
    assert signed["authorization"] == request.headers["Authorization"]
    assert signed == {name.lower(): value for name, value in request.headers.items()}
