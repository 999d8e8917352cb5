"""Advice in errors of refused S3 requests: what to change, and which credentials were used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stac_asset.clients.s3 import S3Identity
from stac_asset.clients.s3.advice import code_advice, source_name
from stac_asset.clients.s3.errors import Access
from stac_asset.clients.s3.objects import RequestTarget
from stac_asset.errors import AccessError, ResponseError
from stac_asset.testing import Origin, Status
from stac_asset.types import Storage
from tests.support.s3_buckets import KEY, SECRET, error_body, fetch_object, s3_client

KMS = "User: arn:aws:iam::1:user/x is not authorized to perform: kms:Decrypt on the resource"
SIGNED = Access(RequestTarget("us-west-2", None, signed=True), True, None, False)


@pytest.mark.parametrize(
    ("code", "message", "advice"),
    [
        ("AccessDenied", KMS, "Allow `kms:Decrypt` on the key"),
        ("KMS.DisabledException", "", "encrypted with a KMS key"),
        ("RequestTimeTooSkewed", "", "Set the clock."),
        ("InvalidAccessKeyId", "", "set `s3_endpoint_url` to the service of the key"),
        ("SignatureDoesNotMatch", "", "The secret of the access key is wrong"),
        ("AllAccessDisabled", "", "The owner disabled the bucket."),
    ],
)
async def test_refusal_says_what_to_do(
    code: str, message: str, advice: str, origin: Origin, credentials: None
) -> None:
    body = error_body(code, f"<Message>{message}</Message>")
    origin.fault("/bucket/a.bin", Status(403, body=body), times=0)
    async with s3_client(origin) as client:
        with pytest.raises(AccessError) as raised:
            await fetch_object(client)
    text = str(raised.value)
    assert f"({code}) using the AWS credentials found in environment variables. " in text
    assert advice in text
    assert "arn:aws" not in text
    assert KEY not in text


async def test_wrong_region_names_the_option(origin: Origin, credentials: None) -> None:
    body = error_body("AuthorizationHeaderMalformed")
    origin.fault("/bucket/a.bin", Status(400, body=body), times=0)
    async with s3_client(origin) as client:
        with pytest.raises(ResponseError, match=r"in another region\. Set `s3_region_name`"):
            await fetch_object(client)


async def test_source_of_credentials_is_named(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.fault("*", Status(403, body=error_body("AccessDenied")), times=0)
    file = tmp_path / "credentials"
    file.write_text(f"[work]\naws_access_key_id={KEY}\naws_secret_access_key={SECRET}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    for identity, source in (
        (S3Identity(profile_name="work"), "the AWS credentials file"),
        (S3Identity(KEY, SECRET), "a configured access key"),
    ):
        async with s3_client(origin, identity=identity) as client:
            with pytest.raises(AccessError, match=f"credentials found in {source}"):
                await fetch_object(client)


def test_requester_pays_is_suggested_if_the_request_could_pay() -> None:
    hint = "If the requester pays for the bucket, set `s3_requester_pays=True`."
    assert hint in str(SIGNED)
    assert "set `s3_requester_pays=True`" not in str(replace(SIGNED, requester_pays=True))
    assert hint not in str(replace(SIGNED, signed=False, unsigned=True))
    declared = replace(SIGNED, storage=Storage(requester_pays=True))
    assert "The item declares that the requester pays. Set `s3_requester_pays=True`" in str(
        declared
    )
    elsewhere = replace(SIGNED, target=RequestTarget("us-west-2", "http://127.0.0.1", signed=True))
    assert hint not in str(elsewhere)


def test_unknown_codes_and_sources_have_no_text() -> None:
    assert code_advice("AccessDenied", "Access Denied") == ""
    assert source_name("something-new") == ""
