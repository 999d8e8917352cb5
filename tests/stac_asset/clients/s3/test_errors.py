"""Errors of the S3 client for error responses, broken transfers and invalid responses."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from stac_asset.clients.s3 import S3Identity
from stac_asset.errors import (
    AccessError,
    ConnectionFailedError,
    ContentTypeError,
    NotFoundError,
    ResponseError,
    StalledError,
    TransferError,
    TruncatedError,
)
from stac_asset.testing import Origin, Reset, Stall, Status, Truncate
from tests.support.client_reads import read_bytes
from tests.support.echoing_sts import echoing_sts
from tests.support.error_chains import described
from tests.support.loopback import raw_server
from tests.support.s3_buckets import HREF, KEY, SECRET, TOKEN, error_body, fetch_object, s3_client
from tests.support.servers import free_port

ERROR_RESPONSES: list[tuple[int, str, type[Exception], bool, str]] = [
    (404, "NoSuchKey", NotFoundError, False, "s3://bucket/a.bin does not exist"),
    (404, "NoSuchBucket", NotFoundError, False, r"does not exist \(NoSuchBucket\)"),
    (403, "AccessDenied", AccessError, False, r"\(AccessDenied\) using the AWS"),
    (403, "InvalidAccessKeyId", AccessError, False, r"\(InvalidAccessKeyId\) using the AWS"),
    (403, "SignatureDoesNotMatch", AccessError, False, "SignatureDoesNotMatch"),
    (403, "InvalidObjectState", AccessError, False, "is archived. Restore the object"),
    (400, "ExpiredToken", AccessError, False, "the AWS credentials expired"),
    (400, "RequestTimeout", StalledError, True, "RequestTimeout"),
    (400, "ThrottlingException", ResponseError, True, "429 ThrottlingException"),
    (429, "TooManyRequests", ResponseError, True, "429 TooManyRequests for s3://bucket/a.bin"),
    (500, "InternalError", ResponseError, True, "500 InternalError"),
    (503, "SlowDown", ResponseError, True, "503 SlowDown"),
    (503, "ServiceUnavailable", ResponseError, True, "503 ServiceUnavailable"),
    (400, "InvalidRequest", ResponseError, False, "400 InvalidRequest"),
    (502, "no xml <b>", ResponseError, True, "502"),
]


class TestErrors:
    @pytest.mark.parametrize(("status", "code", "kind", "transient", "text"), ERROR_RESPONSES)
    async def test_error_response_raises_matching_error(
        self,
        status: int,
        code: str,
        kind: type[Exception],
        transient: bool,
        text: str,
        origin: Origin,
        session_token: None,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        details = f"<Message>{TOKEN}</Message><AWSAccessKeyId>{KEY}</AWSAccessKeyId>"
        origin.fault("/bucket/a.bin", Status(status, body=error_body(code, details)), times=0)
        caplog.set_level(logging.DEBUG)
        async with s3_client(origin) as client:
            with pytest.raises(kind, match=text) as caught:
                await fetch_object(client)
            with pytest.raises(TransferError):
                await client.assert_href_exists(HREF)
        error = caught.value
        assert isinstance(error, TransferError)
        assert error.transient is transient
        for secret in (SECRET, TOKEN, KEY):
            assert secret not in described(error) + caplog.text

    @pytest.mark.parametrize("status", [201, 202, 204, 205])
    async def test_response_without_file_is_an_error(self, status: int, origin: Origin) -> None:
        body = b"" if status in (204, 205) else b"later"
        origin.fault("/bucket/a.bin", Status(status, body=body), times=0)
        async with s3_client(origin) as client:
            with pytest.raises(ResponseError, match=f"{status} .*s3://bucket/a.bin"):
                await fetch_object(client)

    async def test_existence_check_recognizes_expired_token(
        self, origin: Origin, session_token: None
    ) -> None:
        origin.fault("/bucket/a.bin", Status(400, body=error_body("ExpiredToken")), times=0)
        async with s3_client(origin) as client:
            with pytest.raises(AccessError, match="the AWS credentials expired"):
                await client.assert_href_exists(HREF)

    async def test_retry_after_is_kept(self, origin: Origin) -> None:
        origin.fault("/bucket/a.bin", Status(503, retry_after=7), times=0)
        async with s3_client(origin) as client:
            with pytest.raises(ResponseError) as caught:
                await fetch_object(client)
        assert caught.value.retry_after == 7

    async def test_refused_connection_is_an_error(self) -> None:
        async with s3_client(f"http://127.0.0.1:{free_port()}") as client:
            with pytest.raises(
                ConnectionFailedError, match=r"s3://bucket/a\.bin cannot be reached"
            ):
                await fetch_object(client)

    async def test_non_http_response_is_a_connection_error(self) -> None:
        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail\r\n")
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1")
        port = server.sockets[0].getsockname()[1]
        async with server, s3_client(f"http://127.0.0.1:{port}") as client:
            with pytest.raises(ConnectionFailedError):
                await fetch_object(client)

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 OK\r\nSet-Cookie %s\r\n\r\n",
            b"%s\r\n\r\n",
            b"HTTP/1.1 302 Found\r\nLocation: http://x/?sig=%s" + b"A" * 9000 + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nSet-Cookie: session=%s\r\n",
            b"HTTP/1.1 301 Moved\r\nContent-Length: 40\r\n\r\n<Error>%s and so on",
            b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n<Error>%s",
            b"",
        ],
        ids=["cookie", "status-line", "location", "partial-head", "partial-body", "xml", "empty"],
    )
    async def test_invalid_response_error_contains_no_secrets(
        self, answer: bytes, session_token: None, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        response_secret = b"pl4nt3d-s3cr3t"
        answer = answer.replace(b"%s", response_secret)
        async with raw_server(answer) as server, s3_client(server.url) as client:
            with pytest.raises(TransferError, match=r"s3://bucket/a\.bin") as caught:
                await fetch_object(client)
        assert TOKEN.encode() in server.heads[0]
        output = described(caught.value) + caplog.text
        for secret in (SECRET, TOKEN, KEY, response_secret.decode(), "Signature="):
            assert secret not in output
        if answer and b"<Error>" not in answer:
            assert caught.value.transient

    @pytest.mark.parametrize(
        ("fault", "kind"),
        [
            (Reset(-1), ConnectionFailedError),
            (Reset(10), TransferError),
            (Truncate(10), TruncatedError),
            (Stall(0), StalledError),
            (Stall(10), StalledError),
        ],
    )
    async def test_broken_transfer_is_transient(
        self,
        fault: Reset | Truncate | Stall,
        kind: type[TransferError],
        origin: Origin,
        session_token: None,
    ) -> None:
        origin.put("/bucket/a.bin", size=1000)
        origin.fault("/bucket/a.bin", fault, times=0)
        timeout = 0.3 if isinstance(fault, Stall) else 60
        async with s3_client(origin, read_timeout=timeout) as client:
            with pytest.raises(kind, match=r"s3://bucket/a\.bin") as caught:
                await fetch_object(client)
        assert caught.value.transient
        for secret in (SECRET, TOKEN, KEY):
            assert secret not in described(caught.value)

    async def test_checksum_mismatch_is_an_error(self, origin: Origin) -> None:
        damaged = Status(200, headers={"x-amz-checksum-crc32": "AAAAAA=="}, body=b"damaged")
        origin.fault("/bucket/a.bin", damaged)
        async with s3_client(origin) as client:
            with pytest.raises(TruncatedError, match="arrived damaged"):
                await fetch_object(client)

    async def test_checksum_of_whole_object_is_ignored_for_part(self, origin: Origin) -> None:
        headers = {
            "x-amz-checksum-crc32": "AAAAAA==",
            "Content-Range": "bytes 3-6/7",
            "ETag": '"1"',
        }
        origin.fault("/bucket/a.bin", Status(206, headers=headers, body=b"part"))
        async with s3_client(origin) as client:
            assert await fetch_object(client, offset=3, validator='"1"') == (3, b"part")

    async def test_wrong_content_type_is_a_warning_if_check_is_disabled(
        self, origin: Origin, caplog: pytest.LogCaptureFixture
    ) -> None:
        origin.put("/bucket/a.bin", b"<html>", content_type="text/html")
        async with s3_client(origin) as client:
            with pytest.raises(ContentTypeError):
                await read_bytes(client, HREF, content_type="image/tiff")
        async with s3_client(origin, check_content_type=False) as client:
            assert await read_bytes(client, HREF, content_type="image/tiff") == b"<html>"
        assert "text/html" in caplog.text
        origin.put("/bucket/a.bin", b"II*", content_type="binary/octet-stream")
        async with s3_client(origin) as client:
            assert await read_bytes(client, HREF, content_type="image/tiff") == b"II*"


SESSION_NAME, EXTERNAL_ID = "n1ghtly-session", "ext3rnal-id"


@pytest.mark.parametrize("by_profile", [True, False])
async def test_secrets_that_sts_repeats_are_not_shown(
    origin: Origin,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    by_profile: bool,
) -> None:
    caplog.set_level(logging.DEBUG)
    role = "arn:aws:iam::123456789012:role/reader"
    origin.fault("/bucket/a.bin", Status(403, body=error_body("AccessDenied")), times=0)
    async with echoing_sts() as url:
        if by_profile:
            (tmp_path / "config").write_text(
                f"[profile x]\nrole_arn = {role}\nexternal_id = {EXTERNAL_ID}\nsource_profile = y\n"
                f"role_session_name = {SESSION_NAME}\nregion = us-west-2\n"
                f"[profile y]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
                f"aws_session_token = {TOKEN}\n"
            )
            monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
            identity = S3Identity(profile_name="x")
        else:
            identity = S3Identity(
                *(KEY, SECRET, TOKEN),
                role_arn=role,
                external_id=EXTERNAL_ID,
                role_options={"RoleSessionName": SESSION_NAME},
                sts_endpoint_url=url,
            )
        async with s3_client(origin, identity=identity) as client:
            with pytest.raises(
                AccessError, match=r"AssumeRole provides no .* \(AccessDenied\)"
            ) as e:
                await fetch_object(client)
    text = described(e.value) + caplog.text
    for secret in (EXTERNAL_ID, SESSION_NAME, KEY, SECRET, TOKEN):
        assert secret not in text
