"""Block types, validation of block fields, and clients of blocks."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import traceback
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from prefect.blocks.core import Block
from prefect.testing.standard_test_suites import BlockStandardTestSuite
from prefect.types import SecretDict
from prefect_aws.credentials import MinIOCredentials
from pydantic import SecretStr, ValidationError

from prefect_stac_asset import blocks
from prefect_stac_asset.blocks import (
    EarthdataCredentials,
    HttpCredentials,
    OAuth2Credentials,
    PlanetaryComputerCredentials,
    S3Credentials,
)
from prefect_stac_asset.blocks.registry import OUR_BLOCKS, client_of
from stac_asset import Config, ConfigError
from stac_asset.cli.app import app
from stac_asset.clients import Request
from stac_asset.errors import CredentialError, MissingCredentialError
from stac_asset.hrefs import parse_href
from stac_asset.testing import Origin, Status
from stac_asset.types import Storage
from tests.support.paths import ROOT

SECRET = "pl4nted-s3cret"
HOSTS = ["example.com", "*.example.org"]


class TestStandard(BlockStandardTestSuite):
    @pytest.fixture(params=OUR_BLOCKS, ids=lambda kind: kind.__name__)
    def block(self, request: pytest.FixtureRequest) -> type[Block]:
        return request.param  # type: ignore[no-any-return]

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        """Prefect shows its own picture for block types without a logo."""
        assert block._logo_url is None


def test_block_types_keep_their_slugs() -> None:
    assert {kind.__name__: kind._block_type_slug for kind in OUR_BLOCKS} == {
        "EarthdataCredentials": "earthdata-credentials",
        "S3Credentials": "s3-credentials",
        "PlanetaryComputerCredentials": "planetary-computer-credentials",
        "HttpCredentials": "http-credentials",
        "OAuth2Credentials": "oauth2-credentials",
    }
    for kind in OUR_BLOCKS:
        # Prefect accepts only http(s) URLs for logos, and this project publishes none.
        assert kind._logo_url is None
        assert getattr(blocks, kind.__name__) is kind


@pytest.mark.parametrize("kind", OUR_BLOCKS)
def test_secret_fields_are_hidden(kind: type[Block]) -> None:
    words = ("token", "secret", "password", "key", "username", "external", "headers", "extra")
    plain = {"token_url", "token_endpoint"}
    for name, field in kind.model_fields.items():
        secret = any(word in name for word in words) and name not in plain
        hidden = any(hint in str(field.annotation) for hint in ("SecretStr", "SecretDict"))
        assert hidden is secret, name


def make_http_block(**fields: Any) -> HttpCredentials:
    return HttpCredentials(**{"hosts": HOSTS, "token": SECRET, **fields})


def make_oauth2_block(**fields: Any) -> OAuth2Credentials:
    defaults = {
        "grant": "client_credentials",
        "token_url": "https://login.example.com/token",
        "hosts": HOSTS,
        "client_id": "us",
        "client_secret": SECRET,
    }
    return OAuth2Credentials(**{**defaults, **fields})


INVALID_FIELDS: list[tuple[Any, dict[str, Any], str]] = [
    (EarthdataCredentials, {"token": SECRET, "username": SECRET, "password": "x"}, "both set"),
    (EarthdataCredentials, {"username": SECRET}, "Only one of `username` and `password`"),
    (EarthdataCredentials, {"hosts": []}, "hosts"),
    (EarthdataCredentials, {"hosts": [f"{SECRET}/"]}, "is not a host pattern"),
    (EarthdataCredentials, {"tokn": SECRET}, "tokn"),
    (make_http_block, {"token": None}, "The block has no credentials"),
    (make_http_block, {"token": " "}, "The block has no credentials"),
    (make_http_block, {"username": SECRET, "password": SECRET}, "both set"),
    (make_http_block, {"token": None, "username": SECRET}, "Only one of `username` and `password`"),
    (make_http_block, {"token": None, "username": f"{SECRET}:x", "password": SECRET}, "colon"),
    (make_http_block, {"headers": {"X": 3}}, "Header values must be strings"),
    (make_http_block, {"hosts": []}, "hosts"),
    (make_http_block, {"hosts": ["*"]}, "is not a host pattern"),
    (HttpCredentials, {"token": SECRET}, "hosts"),
    (S3Credentials, {"access_key_id": SECRET}, "The S3 access key is incomplete"),
    (S3Credentials, {"session_token": SECRET}, "has no access key"),
    (S3Credentials, {"external_id": SECRET}, "Set `role_arn` too"),
    (S3Credentials, {"buckets": ["https://x"]}, "does not contain a valid bucket name"),
    (
        S3Credentials,
        {"endpoint_url": f"https://{SECRET}@example.com"},
        r"http\(s\) URL without a user name or password",
    ),
    (PlanetaryComputerCredentials, {"blob_hosts": ["a/b"]}, "is not a host pattern"),
    (
        make_oauth2_block,
        {"client_secret": None},
        "'client_credentials', which also needs `client_secret`",
    ),
    (make_oauth2_block, {"grant": "device_code"}, "also needs `device_authorization_url`"),
    (make_oauth2_block, {"grant": "password"}, "grant"),
    (make_oauth2_block, {"hosts": ["*"]}, "is not a host pattern"),
]


@pytest.mark.parametrize(("make", "fields", "reason"), INVALID_FIELDS)
def test_invalid_fields_are_rejected_without_their_values(
    make: Any, fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason) as caught:
        make(**fields)
    shown = "".join(traceback.format_exception(caught.value)[-1:]) + repr(caught.value)
    if fields.get("hosts") != [f"{SECRET}/"]:
        assert SECRET not in shown


CLAIMS: list[tuple[Block, list[str], list[str]]] = [
    (
        EarthdataCredentials(token=SECRET),
        [
            "https://data.lpdaac.earthdatacloud.nasa.gov/a",
            "https://urs.earthdata.nasa.gov/b",
            "https://earthdatacloud.nasa.gov/c",
        ],
        ["http://urs.earthdata.nasa.gov/b", "https://earthdata.nasa.gov.example.com/", "s3://a/b"],
    ),
    (
        EarthdataCredentials(token=SECRET, hosts=["*.uat.earthdata.nasa.gov"]),
        ["https://data.uat.earthdata.nasa.gov/a", "https://urs.earthdata.nasa.gov/b"],
        ["https://data.earthdata.nasa.gov/a", "https://data.lpdaac.earthdatacloud.nasa.gov/a"],
    ),
    (
        make_http_block(),
        ["https://example.com/a", "https://a.b.example.org/"],
        [
            "http://example.com/a",
            "https://example.org/",
            "https://example.com.evil.net/",
            "s3://a/b",
        ],
    ),
    (make_oauth2_block(), ["https://example.com/a"], ["https://login.example.com/a", "/a.tif"]),
    (
        S3Credentials(buckets=["one", "s3://two/a/b/"]),
        ["s3://one/x", "s3://two/a/b/c.tif", "s3://two/a/b"],
        ["s3://two/a/bc", "s3://two/a", "s3://one-more/x", "https://one.s3.amazonaws.com/x"],
    ),
    (S3Credentials(), ["s3://anything/at-all"], ["https://anything/"]),
    (
        PlanetaryComputerCredentials(blob_hosts=["*.blob.example.com"]),
        ["https://naipeuwest.blob.core.windows.net/naip/a", "https://x.blob.example.com/y/z"],
        ["https://blob.example.com/y/z", "https://example.com/"],
    ),
]


@pytest.mark.parametrize(("block", "claimed", "unclaimed"), CLAIMS)
async def test_client_claims_hrefs_of_its_block(
    block: Any, claimed: list[str], unclaimed: list[str]
) -> None:
    async with await block.client() as client:
        assert [href for href in claimed if not client.claims(parse_href(href))] == []
        assert [href for href in unclaimed if client.claims(parse_href(href))] == []


async def test_get_client_returns_the_client() -> None:
    async with await make_http_block().get_client(Config()) as client:
        assert client.name == "http"


async def test_block_ignores_secrets_of_configuration() -> None:
    config = Config(http_headers={"X-Other": SECRET}, oauth2_grant=None)
    async with await make_http_block().client(config) as client:
        headers = await client._credentials.headers(parse_href("https://example.com/"))  # type: ignore[attr-defined]
        assert headers == {"Authorization": f"Bearer {SECRET}"}
        assert not client.session.headers  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("grant", "fields"),
    [
        ("client_credentials", {}),
        ("resource_owner_password_credentials", {"username": "u", "password": "p"}),
        ("authorization_code", {"authorization_url": "https://login.example.com/authorize"}),
        ("device_code", {"device_authorization_url": "https://login.example.com/device"}),
    ],
)
def test_oauth2_block_configures_each_grant(grant: str, fields: dict[str, str]) -> None:
    block = make_oauth2_block(grant=grant, scopes=["a", "b"], extra={"audience": "c"}, **fields)
    config = block._with_credentials(Config(oauth2_username="of another"))
    config.validate()
    configured = {
        name.removeprefix("oauth2_"): value
        for name, value in dataclasses.asdict(config).items()
        if name.startswith("oauth2_")
    }
    expected = {
        "grant": grant,
        "token_url": "https://login.example.com/token",
        "hosts": HOSTS,
        "client_id": "us",
        "client_secret": SECRET,
        "username": None,
        "password": None,
        "authorization_url": None,
        "device_authorization_url": None,
        "pkce": True,
        "extra": {"audience": "c", "scope": "a b"},
    }
    assert configured == {**expected, **fields}


@pytest.mark.parametrize("slug", ["s3-credentials", "s3-credentials/", "S3/x", "/x", "a/b/c"])
def test_invalid_block_reference_is_rejected(slug: str) -> None:
    with pytest.raises(ConfigError, match=r"is not a block reference\. Use <type-slug>/<name>"):
        blocks.ref(slug)


def test_block_reference_contains_document_slug() -> None:
    assert blocks.ref("s3-credentials/my own") == {
        "$ref": {"block_document_slug": "s3-credentials/my own"}
    }


async def test_unsupported_block_type_is_rejected() -> None:
    from prefect.blocks.system import Secret

    with pytest.raises(
        ConfigError, match=r"Secret is not a supported credential block\. Use one of Earthdata"
    ):
        await client_of(Secret(value=SECRET), Config())


async def test_minio_block_requires_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    block = MinIOCredentials(minio_root_user="u", minio_root_password=SECRET)
    with pytest.raises(ConfigError, match="has no MinIO endpoint"):
        await client_of(block, Config())
    async with await client_of(block, Config(s3_endpoint_url="http://127.0.0.1:9")) as client:
        assert client.claims(parse_href("s3://a/b"))


async def test_requester_pays_without_credentials_fails_before_request(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    url = parse_href("s3://bucket/a.tif")
    async with await S3Credentials(requester_pays=True).client() as client:
        with pytest.raises(
            MissingCredentialError, match="Requester pays is enabled for s3://bucket/"
        ):
            await client.check(Request(url))
    async with await S3Credentials().client() as client:
        await client.check(Request(url))
        with pytest.raises(MissingCredentialError):
            await client.check(Request(url, storage=Storage(requester_pays=True)))
    keys = S3Credentials(access_key_id="a", secret_access_key="b", requester_pays=True)
    async with await keys.client() as client:
        await client.check(Request(url))


async def test_expired_credentials_fail_after_one_request_without_them(origin: Origin) -> None:
    expired = b"<Error><Code>ExpiredToken</Code><Message>m</Message></Error>"
    origin.fault("/bucket/a.tif", Status(400, body=expired), times=0)
    keys = {"access_key_id": "a", "secret_access_key": SECRET, "session_token": f"{SECRET}-2"}
    async with await S3Credentials(**keys, endpoint_url=origin.url).client() as client:
        with pytest.raises(CredentialError) as caught:
            await anext(client.open_href("s3://bucket/a.tif"))
    assert str(caught.value) == (
        "a block of type 's3-credentials' without a name was refused by "
        f"127.0.0.1:{origin.port}: Access denied to s3://bucket/a.tif: the AWS credentials expired "
        "(ExpiredToken). Renew them, or use a profile or role, whose credentials are renewed by "
        "themselves."
    )
    signed, unsigned = origin.requests
    assert "authorization" in signed.headers
    assert "authorization" not in unsigned.headers


def test_entry_point_registers_block_types() -> None:
    points = {point.name: point for point in entry_points(group="prefect.collections")}
    assert points["prefect_stac_asset"].load().blocks is blocks
    for kind in OUR_BLOCKS:
        assert Block.get_block_class_from_key(kind.get_block_type_slug()) is kind


def test_secret_headers_are_hidden() -> None:
    block = make_http_block(headers={"X-Key": f"{SECRET}-header"})
    assert isinstance(block.headers, SecretDict)
    assert isinstance(block.token, SecretStr)
    assert SECRET not in f"{block!r} {block} {block.model_dump_json()} {block.model_dump()}"


_INTEGRATIONS = ["prefect_aws", "prefect_azure", "prefect_gcp"]
_UNUSED = [*_INTEGRATIONS, "prefect_stac_asset.flows.mirror.flow", "pystac_client"]

_IMPORT_SCRIPT = f"""
import importlib, sys
from prefect_stac_asset.flows import download_item
print([name for name in {_UNUSED} if name in sys.modules])
from prefect_stac_asset.blocks import registry
for name in {_INTEGRATIONS}:
    sys.modules[name] = None
    importlib.reload(sys.modules["prefect_stac_asset.blocks." + name])
importlib.reload(registry)
from prefect_stac_asset.flows import sync
print(registry.AnyCredentials)
"""


def test_flow_imports_no_other_flow_and_works_without_integrations() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_SCRIPT], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    imported, credentials = done.stdout.splitlines()
    assert imported == "[]"
    assert "S3Credentials" in credentials
    assert "AwsCredentials" not in credentials
    assert "Azure" not in credentials
    assert "Gcp" not in credentials


def test_help_lists_blocks_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert "blocks  Added by prefect-stac-asset." in result.output
    assert "check" in CliRunner().invoke(app, ["blocks", "--help"]).output


@pytest.mark.parametrize(
    ("block", "field"),
    [(S3Credentials, "endpoint_url"), (EarthdataCredentials, "login_url")],
)
@pytest.mark.parametrize("url", ["127.0.0.1:8010", "localhost:8010"])
def test_error_of_a_url_without_a_scheme_names_the_form(
    block: type[Block], field: str, url: str
) -> None:
    with pytest.raises(ValidationError, match="Write the whole URL, such as"):
        block(**{field: url})
