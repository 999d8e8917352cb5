"""Requests of the S3 client that are signed or paid for."""

from __future__ import annotations

import pytest

from stac_asset.clients import S3Client
from stac_asset.errors import AccessError, TransferError
from stac_asset.testing import Origin, Redirect
from stac_asset.types import Storage
from tests.support.client_reads import read_bytes
from tests.support.s3_buckets import (
    HREF,
    KEY,
    SECRET,
    TOKEN,
    MotoBucket,
    fetch_object,
    record_created_clients,
    s3_client,
)


class TestSigning:
    async def test_requests_without_credentials_are_unsigned(self, origin: Origin) -> None:
        async with s3_client(origin) as client:
            await fetch_object(client)
        assert "authorization" not in origin.gets()[0].headers

    async def test_requests_with_credentials_are_signed(
        self, origin: Origin, session_token: None
    ) -> None:
        async with s3_client(origin) as client:
            await fetch_object(client)
        headers = origin.gets()[0].headers
        assert f"Credential={KEY}/" in headers["authorization"]
        assert "/us-west-2/s3/" in headers["authorization"]
        assert headers["x-amz-security-token"] == TOKEN
        assert "x-amz-request-payer" not in headers

    async def test_valid_region_of_item_is_used(self, origin: Origin, credentials: None) -> None:
        async with s3_client(origin) as client:
            await fetch_object(client, Storage(region="eu-central-1"))
            await fetch_object(client, Storage(region="not a region"))
        first, second = (request.headers["authorization"] for request in origin.gets())
        assert "/eu-central-1/s3/" in first
        assert "/us-west-2/s3/" in second

    async def test_endpoint_from_item_receives_no_credentials(
        self, origin: Origin, session_token: None
    ) -> None:
        with Origin() as own_origin:
            for endpoint in (None, own_origin.url):
                async with S3Client(endpoint_url=endpoint, requester_pays=True) as client:
                    await fetch_object(client, Storage(endpoint=origin.url))
            assert not own_origin.requests
        for request in origin.gets():
            assert not {"authorization", "x-amz-security-token"} & set(request.headers)
            assert "x-amz-request-payer" not in request.headers
            assert KEY not in str(request)

    async def test_endpoint_from_item_and_client_receives_credentials(
        self, origin: Origin, credentials: None
    ) -> None:
        async with s3_client(origin) as client:
            created = record_created_clients(client)
            await fetch_object(client, Storage(endpoint=f"{origin.url}/"))
            await fetch_object(client, Storage(endpoint=origin.url.upper().replace("HTTP", "http")))
            await fetch_object(client)
        assert all(KEY in request.headers["authorization"] for request in origin.gets())
        assert len(created) == 1

    async def test_endpoint_with_other_scheme_or_path_receives_no_credentials(
        self, origin: Origin, credentials: None
    ) -> None:
        async with S3Client(endpoint_url=origin.url.replace("http:", "https:")) as client:
            await fetch_object(client, Storage(endpoint=origin.url))
        async with S3Client(endpoint_url=f"{origin.url}/s3") as client:
            await fetch_object(client, Storage(endpoint=origin.url))
        assert not [r for r in origin.gets() if "authorization" in r.headers]

    async def test_private_object_requires_credentials(
        self, moto: MotoBucket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        href = moto.put("private.bin", b"x", public=False)
        async with s3_client(moto) as client:
            with pytest.raises(AccessError, match="without credentials, because none were found"):
                await read_bytes(client, href)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        async with s3_client(moto) as client:
            assert await read_bytes(client, href) == b"x"

    async def test_redirect_to_other_endpoint_is_not_followed(
        self, origin: Origin, session_token: None
    ) -> None:
        with Origin() as other:
            origin.fault("/bucket/a.bin", Redirect(other.href("/bucket/a.bin"), 307), times=0)
            async with s3_client(origin) as client:
                with pytest.raises(
                    TransferError, match=r"at another endpoint, which S3 did not report \(307\)"
                ):
                    await fetch_object(client)
            assert not other.requests


class TestRequesterPays:
    async def test_requester_pays_header_is_sent_if_enabled(
        self, origin: Origin, credentials: None
    ) -> None:
        origin.require("x-amz-request-payer", "requester", status=403)
        async with s3_client(origin, requester_pays=True) as client:
            await client.assert_href_exists(HREF)
            await fetch_object(client)
            await fetch_object(client, offset=1, validator='"other"')
        async with s3_client(origin) as client:
            with pytest.raises(AccessError):
                await fetch_object(client)

    async def test_requester_pays_without_credentials_is_an_error(self, origin: Origin) -> None:
        async with s3_client(origin, requester_pays=True) as client:
            with pytest.raises(AccessError) as caught:
                await fetch_object(client)
            with pytest.raises(AccessError):
                await client.assert_href_exists(HREF)
        assert str(caught.value) == (
            "Requester pays is enabled for s3://bucket/a.bin, but no AWS credentials were found. "
            "Configure credentials or set `s3_requester_pays=False`."
        )
        assert not origin.requests

    async def test_requester_pays_of_item_does_not_enable_payment(
        self, origin: Origin, credentials: None
    ) -> None:
        origin.require("x-amz-request-payer", "requester", status=403)
        async with s3_client(origin) as client:
            with pytest.raises(AccessError, match="Set `s3_requester_pays=True` to accept"):
                await fetch_object(client, Storage(requester_pays=True))
