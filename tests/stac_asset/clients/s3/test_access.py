"""Public buckets with AWS credentials that are stale, invalid or without access."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pystac
import pytest

from stac_asset import Config, S3Client, download_file, download_item
from stac_asset.clients.s3 import S3Identity
from stac_asset.clients.s3.access import is_unsigned_environment
from stac_asset.errors import (
    AccessError,
    ConfigError,
    MissingCredentialError,
    NotFoundError,
    StacAssetError,
)
from stac_asset.hrefs import parse_href
from stac_asset.notices import collect_notices
from stac_asset.transfer.interface import Request
from stac_asset.types import Storage
from tests.support.client_reads import read_bytes
from tests.support.guarded_s3 import BODY, GuardedS3, guarded_s3
from tests.support.s3_buckets import HREF, KEY, SECRET, fetch_object, s3_client

REFUSALS = [
    (403, "AccessDenied"),
    (403, "InvalidAccessKeyId"),
    (403, "RequestTimeTooSkewed"),
    (403, "SignatureDoesNotMatch"),
    (403, ""),
    (401, "NotSignedUp"),
    (400, "AuthorizationHeaderMalformed"),
    (400, "ExpiredToken"),
    (400, "InvalidToken"),
    (400, "TokenRefreshRequired"),
]
STDERR = "t0ken-in-output"


@pytest.fixture
async def service() -> AsyncIterator[GuardedS3]:
    """Run a service that refuses signed requests."""
    async with guarded_s3() as running:
        yield running


class TestStaleCredentials:
    @pytest.mark.parametrize("refusal", REFUSALS)
    async def test_public_bucket_is_read_without_signature(
        self, refusal: tuple[int, str], service: GuardedS3, credentials: None
    ) -> None:
        """The existence check comes first: responses to HEAD have no error code."""
        service.refusal = refusal
        service.public.add("b.bin")
        async with s3_client(service.url) as client:
            with collect_notices() as notices:
                assert (await client.stat(Request(parse_href(HREF)))).size == len(BODY)
                decided = len(service.requests)
                assert (await fetch_object(client))[1] == BODY
                assert await read_bytes(client, "s3://bucket/b.bin") == BODY
            assert service.signed[decided:] == [False, False]
        [line] = notices.lines()
        assert "read without credentials" in line
        assert f"s3://bucket ({refusal[0]})" in line or f"({refusal[1]})" in line

    async def test_explicit_identity_is_not_an_obstacle(self, service: GuardedS3) -> None:
        identity = S3Identity(KEY, SECRET, "t0ken")
        async with s3_client(service.url, identity=identity) as client:
            assert (await fetch_object(client))[1] == BODY

    async def test_download_succeeds_with_default_configuration(
        self, service: GuardedS3, credentials: None, config: Config, tmp_path: Path
    ) -> None:
        config.s3_endpoint_url = service.url
        await download_file(HREF, tmp_path / "a.bin", config)
        assert (tmp_path / "a.bin").read_bytes() == BODY

    async def test_bucket_is_public_although_it_refuses_connections_first(
        self, service: GuardedS3, credentials: None, config: Config, tmp_path: Path
    ) -> None:
        """More requests without a signature are refused than a private bucket gets."""
        service.limit, service.hold = 4, 44
        item = pystac.Item("limited", None, None, datetime(2026, 6, 1, tzinfo=UTC), {})
        for number in range(40):
            item.add_asset(f"a{number}", pystac.Asset(f"s3://bucket/{number}.bin"))
            service.public.add(f"{number}.bin")
        config.s3_endpoint_url, config.retry_wait = service.url, 0.02
        await download_item(item, tmp_path, config=config)
        assert len(list(tmp_path.glob("*.bin"))) == 40

    async def test_accepted_credentials_are_not_blamed_for_refused_connections(
        self, service: GuardedS3, credentials: None
    ) -> None:
        service.refusal = None
        async with s3_client(service.url) as client:
            assert (await fetch_object(client))[1] == BODY
            service.refusal = (403, "AccessDenied")
            with collect_notices() as notices:
                assert (await fetch_object(client))[1] == BODY
            service.refusal = None
            assert (await fetch_object(client))[1] == BODY
        assert service.signed == [True, True, False, True]
        assert notices.lines() == []

    async def test_error_of_public_bucket_does_not_blame_stale_credentials(
        self, service: GuardedS3, credentials: None
    ) -> None:
        service.refusal = (400, "ExpiredToken")
        async with s3_client(service.url) as client:
            await fetch_object(client)
            service.public.clear()
            with pytest.raises(AccessError) as raised:
                await fetch_object(client)
        assert raised.value.may_be_limit
        assert str(raised.value) == (
            f"Access denied to {HREF} (AccessDenied) with the AWS credentials found and without. "
            "The object may also not exist."
        )

    async def test_private_bucket_reports_the_refused_credentials(
        self, service: GuardedS3, credentials: None, caplog: pytest.LogCaptureFixture
    ) -> None:
        service.public.clear()
        async with s3_client(service.url) as client:
            with pytest.raises(AccessError, match="InvalidAccessKeyId"):
                await fetch_object(client)
            assert service.signed == [True, False]
        assert "without credentials" not in caplog.text

    async def test_private_bucket_is_requested_without_signature_a_few_times_only(
        self, service: GuardedS3, credentials: None
    ) -> None:
        service.public.clear()
        async with s3_client(service.url) as client:
            for number in range(20):
                with pytest.raises(AccessError):
                    await read_bytes(client, f"s3://bucket/{number}")
        assert service.signed.count(True) == 20
        assert service.signed.count(False) == 16

    async def test_missing_first_object_does_not_hide_public_objects(
        self, service: GuardedS3, credentials: None
    ) -> None:
        async with s3_client(service.url) as client:
            with pytest.raises(AccessError):
                await read_bytes(client, "s3://bucket/missing")
            assert (await fetch_object(client))[1] == BODY

    async def test_private_object_of_public_bucket_is_read_with_signature(
        self, service: GuardedS3, credentials: None
    ) -> None:
        """The credentials are valid, but have no access to the public objects."""
        service.refusal = (403, "AccessDenied")
        async with s3_client(service.url) as client:
            assert (await fetch_object(client))[1] == BODY
            service.refusal, service.private = None, {"private"}
            assert await read_bytes(client, "s3://bucket/private") == BODY
        assert service.signed == [True, False, False, True]

    async def test_concurrent_requests_share_the_decision(
        self, service: GuardedS3, credentials: None
    ) -> None:
        async with s3_client(service.url) as client:
            with collect_notices() as notices:
                await asyncio.gather(*(fetch_object(client) for _ in range(8)))
        assert len(notices.lines()) == 1
        assert service.signed.count(False) == 8

    async def test_transient_error_does_not_decide(
        self, service: GuardedS3, credentials: None
    ) -> None:
        service.faults = [500]
        async with s3_client(service.url) as client:
            with pytest.raises(StacAssetError, match="500"):
                await fetch_object(client)
            assert (await fetch_object(client))[1] == BODY

    async def test_missing_object_of_public_bucket_does_not_exist(
        self, service: GuardedS3, credentials: None
    ) -> None:
        service.faults = [404]
        async with s3_client(service.url) as client:
            with pytest.raises(NotFoundError):
                await fetch_object(client)

    @pytest.mark.parametrize("by_item", [True, False])
    async def test_requester_pays_is_not_tried_without_signature(
        self, service: GuardedS3, credentials: None, by_item: bool
    ) -> None:
        storage = Storage(requester_pays=True) if by_item else None
        async with s3_client(service.url, requester_pays=not by_item) as client:
            with pytest.raises(AccessError, match="InvalidAccessKeyId"):
                await fetch_object(client, storage)
        assert service.signed == [True]


CONFIGURATIONS = {
    "missing-profile": (None, "ProfileNotFound|could not be found"),
    "invalid-file": ("[default\nnot a file", "Unable to parse|AWS credentials"),
    "failing-process": (f"[profile x]\ncredential_process = sh -c 'echo {STDERR} >&2; exit 1'", ""),
    "missing-process": ("[profile x]\ncredential_process = /missing/program", ""),
    "expired-login": (
        "[profile x]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n"
        "[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://127.0.0.1:1/start\n",
        "",
    ),
    "missing-source": ("[profile x]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = y", ""),
}


class TestInvalidConfiguration:
    @pytest.fixture(params=CONFIGURATIONS)
    def reason(
        self, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> str:
        """Set an AWS configuration that provides no credentials, and return the reason."""
        text, reason = CONFIGURATIONS[request.param]
        if text is not None:
            (tmp_path / "config").write_text(text)
            monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_PROFILE", "x")
        return reason

    async def test_public_objects_are_read_and_private_objects_report_the_configuration(
        self, service: GuardedS3, reason: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        async with s3_client(service.url) as client:
            for attempt in (1, 2):
                with pytest.raises(AccessError, match="the AWS credentials are invalid") as raised:
                    await read_bytes(client, f"s3://bucket/private-{attempt}")
                assert (await fetch_object(client))[1] == BODY
        assert service.signed == [False] * 4
        assert re.search(reason, str(raised.value))
        assert STDERR not in str(raised.value) + caplog.text


class TestUnsigned:
    @pytest.mark.parametrize("value", ["YES", "true", "1", " On "])
    async def test_environment_forbids_signatures(
        self, service: GuardedS3, credentials: None, monkeypatch: pytest.MonkeyPatch, value: str
    ) -> None:
        monkeypatch.setenv("AWS_NO_SIGN_REQUEST", value)
        async with s3_client(service.url) as client:
            await fetch_object(client)
        assert service.signed == [False]

    @pytest.mark.parametrize("value", ["", "NO", "false", "0"])
    def test_other_values_have_no_effect(self, value: str) -> None:
        assert not is_unsigned_environment({"AWS_NO_SIGN_REQUEST": value})

    @pytest.mark.parametrize("unsigned", [True, False])
    async def test_option_has_precedence_over_environment(
        self,
        service: GuardedS3,
        credentials: None,
        monkeypatch: pytest.MonkeyPatch,
        unsigned: bool,
    ) -> None:
        service.refusal = None
        monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "NO" if unsigned else "YES")
        config = Config(s3_unsigned=unsigned, s3_endpoint_url=service.url)
        async with await S3Client.from_config(config) as client:
            await fetch_object(client)
        assert service.signed == [not unsigned]

    async def test_keys_of_a_client_have_precedence(
        self, service: GuardedS3, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        service.refusal = None
        monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "YES")
        identity = S3Identity(KEY, SECRET)
        async with s3_client(service.url, identity=identity, unsigned=True) as client:
            await fetch_object(client)
        assert service.signed == [True]

    async def test_private_bucket_reports_the_option(
        self, service: GuardedS3, credentials: None
    ) -> None:
        async with s3_client(service.url, unsigned=True) as client:
            with pytest.raises(AccessError, match="because `s3_unsigned` or"):
                await read_bytes(client, "s3://bucket/private")
        assert service.signed == [False]

    async def test_requester_pays_needs_signatures(
        self, service: GuardedS3, credentials: None
    ) -> None:
        with pytest.raises(ConfigError, match="mutually exclusive"):
            Config(s3_unsigned=True, s3_requester_pays=True).validate()
        request = Request(parse_href(HREF), storage=Storage(requester_pays=True))
        async with s3_client(service.url, unsigned=True) as client:
            with pytest.raises(MissingCredentialError, match="`s3_unsigned`"):
                await client.check(request)
        async with s3_client(service.url, unsigned=True, requester_pays=True) as client:
            with pytest.raises(AccessError, match="`s3_unsigned`"):
                await fetch_object(client)
        assert service.requests == []
