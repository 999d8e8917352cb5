"""Who a client is: an S3 identity, a login of Earthdata, and the name of either in errors."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stac_asset import Config, EarthdataClient, HttpClient, S3Client
from stac_asset.clients import Client, Request
from stac_asset.clients.http.session import session_from_config
from stac_asset.clients.s3.identity import S3Identity
from stac_asset.errors import (
    ConfigError,
    CredentialError,
    NotFoundError,
    StacAssetError,
    TruncatedError,
)
from stac_asset.hrefs import parse_href
from stac_asset.testing import ClientContract, Origin, Status, Truncate
from tests.blocks.earthdata_chain import Chain, chain_of_redirects
from tests.blocks.paying import EXTERNAL_ID, PayingBucket, paying_bucket, require_signatures

USER = ("s0mebody", "pa55word")
TOKEN = "g1ven-token"


async def read(client: Client, href: str) -> bytes:
    return b"".join([chunk async for chunk in client.open_href(href)])


class TestNamedCredentials(ClientContract):
    """A client with named credentials fulfils the contract of all clients."""

    @pytest.fixture(autouse=True)
    def _serve(self, origin: Origin) -> None:
        self.origin = origin
        origin.remove("/missing.bin")

    async def make_client(self) -> Client:
        client = HttpClient(session_from_config(Config()), hosts=[self.origin.url])
        client.credentials = "block 'x/mine'"
        return client

    async def put(self, name: str, data: bytes, content_type: str | None = None) -> str:
        return self.origin.put(f"/{name}", data, content_type=content_type)

    def missing_href(self) -> str:
        return self.origin.href("/missing.bin")

    def foreign_href(self) -> str:
        return "https://example.com/file.bin"

    @pytest.mark.parametrize("status", [401, 403])
    async def test_who_is_refused_is_named(self, status: int) -> None:
        href = self.origin.put("/a.bin", b"x")
        self.origin.fault("/a.bin", Status(status), times=0)
        async with await self.make_client() as client:
            for asked in (read(client, href), client.stat(Request(parse_href(href)))):
                with pytest.raises(CredentialError) as caught:
                    await asked
                host = f"127.0.0.1:{self.origin.port}"
                assert str(caught.value).startswith(
                    f"block 'x/mine' was refused by {host}: {status}"
                )
                again = pickle.loads(pickle.dumps(caught.value))
                assert (str(again), again.transient) == (str(caught.value), False)

    async def test_other_errors_stay_as_they_are(self) -> None:
        href = self.origin.put("/a.bin", b"x" * 1000)
        self.origin.fault("/a.bin", Truncate(10))
        async with await self.make_client() as client:
            with pytest.raises(TruncatedError):
                await read(client, href)
            with pytest.raises(NotFoundError):
                await read(client, self.missing_href())


@pytest.fixture
async def chain() -> AsyncIterator[Chain]:
    async with chain_of_redirects(TOKEN, USER) as running:
        yield running


async def login(chain: Chain, *user: str | None) -> EarthdataClient:
    hosts, config = [chain.data_url], Config(retry_wait=0.01, http_max_attempts=2)
    return await EarthdataClient.login(
        None, *user, hosts=hosts, login_url=chain.login_url, config=config
    )


class TestEarthdataLogin:
    async def test_a_user_gets_one_token_for_all_files(self, chain: Chain) -> None:
        hrefs = [chain.put(f"/{name}.tif", name.encode()) for name in "abc"]
        async with await login(chain, *USER) as client:
            assert [await read(client, href) for href in hrefs] == [b"a", b"b", b"c"]
        assert chain.given == 1
        assert not [r for r in chain.storage.requests if "authorization" in r.headers]

    async def test_netrc_is_the_last_resort(
        self, chain: Chain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        file = tmp_path / ".netrc"
        monkeypatch.setenv("NETRC", str(file))
        monkeypatch.delenv("EARTHDATA_PAT", raising=False)
        href = chain.put("/a.tif", b"a")
        with pytest.raises(ConfigError, match=r"give localhost a login in \.netrc"):
            await login(chain)
        file.write_text("machine example.com login x password y\n")
        with pytest.raises(ConfigError, match="No Earthdata token is configured"):
            await login(chain)
        file.write_text(f"machine localhost login {USER[0]} password {USER[1]}\n")
        async with await login(chain) as client:
            assert await read(client, href) == b"a"
        assert chain.given == 1
        monkeypatch.setenv("EARTHDATA_PAT", "wr0ng")
        async with await login(chain) as client:
            with pytest.raises(StacAssetError, match="a login page"):
                await read(client, href)
        assert chain.given == 1

    async def test_netrc_that_cannot_be_read_is_not_quoted(
        self, chain: Chain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / ".netrc").write_text("machine localhost login me pa55word\n")
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        monkeypatch.delenv("EARTHDATA_PAT", raising=False)
        with pytest.raises(ConfigError, match="cannot be read") as caught:
            await login(chain)
        assert "pa55word" not in str(caught.value)

    async def test_a_wrong_password_is_sent_once_to_the_login_host_alone(
        self, chain: Chain
    ) -> None:
        hrefs = [chain.put(f"/{name}.tif", b"x") for name in "abc"]
        async with await login(chain, USER[0], "wr0ng") as client:
            for href in hrefs:
                with pytest.raises(
                    StacAssetError, match="issued no Earthdata token: 401"
                ) as caught:
                    await read(client, href)
                assert "wr0ng" not in str(caught.value)
        assert [(seen.method, seen.host) for seen in chain.seen] == [
            ("POST", f"localhost:{chain.login_port}")
        ]


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("aws") / "credentials"


@pytest.fixture
async def paying(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[PayingBucket]:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    async with paying_bucket() as bucket:
        bucket.put("a.tif", b"paid for")
        require_signatures(bucket)
        (tmp_path / "credentials").write_text(
            f"[mine]\naws_access_key_id = {bucket.key}\naws_secret_access_key = {bucket.secret}\n"
        )
        yield bucket


def s3_client(bucket: PayingBucket, identity: S3Identity) -> S3Client:
    return S3Client(requester_pays=True, endpoint_url=bucket.url, max_attempts=1, identity=identity)


class TestS3Identity:
    async def test_keys_profiles_and_roles_sign(self, paying: PayingBucket) -> None:
        keys = {"access_key_id": paying.key, "secret_access_key": paying.secret}
        role = {
            "role_arn": paying.role,
            "external_id": EXTERNAL_ID,
            "sts_endpoint_url": paying.url,
        }
        for identity, assumed in (
            (S3Identity(**keys), 0),
            (S3Identity(profile_name="mine"), 0),
            (S3Identity(profile_name="mine", **role), 1),
            (S3Identity(**keys, **role), 2),
        ):
            async with s3_client(paying, identity) as client:
                assert await read(client, "s3://requester-pays/a.tif") == b"paid for"
            assert paying.assumed == assumed
        assert repr(S3Identity(**keys, **role)).count(paying.secret) == 0

    async def test_a_role_is_assumed_again_before_its_credentials_end(
        self, paying: PayingBucket
    ) -> None:
        identity = S3Identity(
            paying.key,
            paying.secret,
            role_arn=paying.role,
            external_id=EXTERNAL_ID,
            sts_endpoint_url=paying.url,
            # botocore asks for others in the last 15 minutes.
            role_options={"DurationSeconds": 900},
        )
        async with s3_client(paying, identity) as client:
            for _ in range(3):
                assert await read(client, "s3://requester-pays/a.tif") == b"paid for"
        assert paying.assumed >= 3

    async def test_a_profile_that_is_not_there_is_an_error_of_ours(
        self, paying: PayingBucket
    ) -> None:
        async with s3_client(paying, S3Identity(profile_name="nobody")) as client:
            with pytest.raises(StacAssetError, match="the AWS credentials are invalid"):
                await read(client, "s3://requester-pays/a.tif")
