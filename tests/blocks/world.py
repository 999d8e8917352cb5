"""A world of providers on the loopback, each with a block that opens it, and secrets in all of it.

Every secret is unique, so that whatever holds one of them says which.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import prefect_aws.credentials as aws
from aiohttp import web
from prefect.blocks.core import Block
from prefect_aws.client_parameters import AwsClientParameters

from prefect_stac_asset.blocks import (
    EarthdataCredentials,
    HttpCredentials,
    OAuth2Credentials,
    PlanetaryComputerCredentials,
    S3Credentials,
)
from stac_asset.testing import Origin
from tests.blocks.earthdata_chain import Chain, chain_of_redirects
from tests.blocks.paying import EXTERNAL_ID, PayingBucket, paying_bucket, require_signatures
from tests.clients.azurite import Azurite, TokenEndpoint, azurite_running, token_endpoint
from tests.clients.loopback import served
from tests.clients.oauth2_server import CLIENT_ID, CLIENT_SECRET, PASSWORD, USERNAME, OAuth2Server
from tests.servers import rclone_s3

SECRETS = {
    "earthdata token": "pl4nted-earthdata-token",
    "earthdata user": "pl4nted-earthdata-user",
    "earthdata password": "pl4nted-earthdata-password",
    "s3 key": "AKIAPL4NTEDKEY0000X1",
    "s3 secret": "pl4nted/s3+secret",
    "session token": "pl4nted-session-token",
    "aws secret": "pl4nted/aws+secret",
    "minio password": "pl4nted-minio-password",
    "subscription key": "pl4nted-subscription-key",
    "http token": "pl4nted-http-token",
    "http user": "pl4nted-http-user",
    "http password": "pl4nted-http-password",
    "http header": "pl4nted-http-header",
    "oauth2 extra": "pl4nted-oauth2-extra",
    "external id": EXTERNAL_ID,
    "client secret": CLIENT_SECRET,
    "oauth2 user": USERNAME,
    "oauth2 password": PASSWORD,
}
"""What is planted; keys that servers make are added to a world's own."""

BUCKET = "signed-only"
AWS_BUCKET = "signed-by-aws-block"
AWS_KEY = "AKIANOTPLANTED0000X1"
"""A key's id, and a session token, are plain text in a block of prefect-aws."""
BUCKETS = (("s3", BUCKET), ("aws", AWS_BUCKET), ("minio", AWS_BUCKET))
TOKEN_LIFE = 2
"""Seconds that an OAuth2 token lasts; a file takes more than half of that."""


class ShortLived(OAuth2Server):
    """An OAuth2 server whose tokens end with the next one, so that they do end within a run."""

    def _granted(self, form: dict[str, str]) -> dict[str, object]:
        self.accepted.clear()
        return super()._granted(form)

    async def _token(self, request: web.BaseRequest) -> web.StreamResponse:
        form = await request.post()
        if form.get("audience") not in (None, SECRETS["oauth2 extra"]):
            return web.json_response({"error": "invalid_target"}, status=400)
        return await super()._token(request)


@dataclass
class World:
    """The servers, and what they hold.

    Attributes:
        blocks: A block for each provider, by a name of its own.
        hrefs: The files that each block opens, by the same names.
        secrets: Everything that must not be found anywhere.
    """

    chain: Chain
    users: Chain
    paying: PayingBucket
    azurite: Azurite
    tokens: TokenEndpoint
    bearer: Origin
    basic: Origin
    oauth2: ShortLived
    passwords: ShortLived
    s3: str
    aws: str
    minio: str
    blocks: dict[str, Block] = field(default_factory=dict)
    hrefs: dict[str, list[str]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    def item(self, *names: str) -> str:
        """Returns an item with the files of some blocks, all by default, as JSON text."""
        assets = {
            f"{name}-{number}": {"href": href}
            for name in names or self.hrefs
            for number, href in enumerate(self.hrefs[name])
        }
        document: dict[str, Any] = {
            "type": "Feature",
            "stac_version": "1.1.0",
            "id": "of-all-providers",
            "geometry": None,
            "properties": {"datetime": "2026-06-01T00:00:00Z"},
            "links": [],
            "assets": assets,
        }
        return json.dumps(document)

    def found_in(self, data: bytes) -> list[str]:
        """Returns which secrets some bytes hold, as they are, in a URL, or in base64."""
        return [
            name
            for name, secret in self.secrets.items()
            if any(form in data for form in _forms(secret))
        ]


def _forms(secret: str) -> list[bytes]:
    raw = secret.encode()
    forms = [raw, quote(secret, safe="").encode()]
    for before in range(3):
        # Of its first and last characters in base64, the neighbours have a part.
        encoded = base64.b64encode(bytes(before) + raw)
        forms.append(encoded[(0, 2, 3)[before] : -4])
    return forms


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """Runs all servers.

    Args:
        folder: An empty folder for the files of one of them.
    """
    s = SECRETS
    for server, bucket in BUCKETS:
        (folder / server / bucket).mkdir(parents=True)
        (folder / server / bucket / "a.tif").write_bytes(b"of " + server.encode())
    async with AsyncExitStack() as stack:
        enter, enter_async = stack.enter_context, stack.enter_async_context
        user = (s["earthdata user"], s["earthdata password"])
        short = [ShortLived(says=TOKEN_LIFE, delay=TOKEN_LIFE * 0.6) for _ in range(2)]
        for endpoint in short:
            endpoint.port = await enter_async(served(endpoint.answer))
        made = World(
            chain=await enter_async(chain_of_redirects(s["earthdata token"], ("", ""))),
            users=await enter_async(chain_of_redirects("g1ven-earthdata-token", user)),
            paying=await enter_async(paying_bucket()),
            azurite=enter(azurite_running()),
            tokens=await enter_async(token_endpoint()),
            bearer=enter(Origin()),
            basic=enter(Origin()),
            oauth2=short[0],
            passwords=short[1],
            s3=enter(rclone_s3(folder / "s3", s["s3 key"], s["s3 secret"], changes=True)),
            aws=enter(rclone_s3(folder / "aws", AWS_KEY, s["aws secret"], changes=True)),
            minio=enter(rclone_s3(folder / "minio", AWS_KEY, s["minio password"], changes=True)),
        )
        made.secrets = {**s, "g1ven token": "g1ven-earthdata-token"}
        made.secrets |= {"paying key": made.paying.key, "paying secret": made.paying.secret}
        _fill(made)
        _make_blocks(made)
        require_signatures(made.paying)
        yield made


def _fill(made: World) -> None:
    s = SECRETS
    for origin in (made.bearer, made.basic):
        origin.put("/a.tif", b"behind a header", content_type="image/tiff")
    made.bearer.require("authorization", f"Bearer {s['http token']}")
    user = base64.b64encode(f"{s['http user']}:{s['http password']}".encode()).decode()
    made.basic.require("authorization", f"Basic {user}")
    made.basic.require("x-api-key", s["http header"])
    made.secrets["http user, encoded"] = user
    made.hrefs = {
        "chain": [made.chain.put("/a.tif", b"at the end of a chain")],
        "users": [made.users.put("/a.tif", b"at the end of a user's chain")],
        "paying": [made.paying.put(f"paid/{name}.tif", b"paid for") for name in "ab"],
        "signed": [f"s3://{BUCKET}/a.tif"],
        "planetary": [made.azurite.put("blocks", "a.tif", b"a blob", "image/tiff")],
        "bearer": [made.bearer.href("/a.tif")],
        "basic": [made.basic.href("/a.tif")],
        "oauth2": [f"{made.oauth2.url}/{name}.tif" for name in "abc"],
        "passwords": [f"{made.passwords.url}/a.tif"],
    }


def _make_blocks(made: World) -> None:
    s, key = SECRETS, {"access_key_id": SECRETS["s3 key"]}
    made.blocks = {
        "chain": EarthdataCredentials(
            token=s["earthdata token"], hosts=[made.chain.data_url], login_url=made.chain.login_url
        ),
        "users": EarthdataCredentials(
            username=s["earthdata user"],
            password=s["earthdata password"],
            hosts=[made.users.data_url],
            login_url=made.users.login_url,
        ),
        "paying": S3Credentials(
            access_key_id=made.paying.key,
            secret_access_key=made.paying.secret,
            role_arn=made.paying.role,
            external_id=EXTERNAL_ID,
            sts_endpoint_url=made.paying.url,
            endpoint_url=made.paying.url,
            requester_pays=True,
            buckets=["requester-pays/paid"],
        ),
        "signed": S3Credentials(
            **key,
            secret_access_key=s["s3 secret"],
            session_token=s["session token"],
            endpoint_url=made.s3,
            buckets=[BUCKET],
        ),
        "planetary": PlanetaryComputerCredentials(
            subscription_key=s["subscription key"],
            token_endpoint=made.tokens.url,
            blob_hosts=[made.azurite.url],
        ),
        "bearer": HttpCredentials(hosts=[made.bearer.url], token=s["http token"]),
        "basic": HttpCredentials(
            hosts=[made.basic.url],
            username=s["http user"],
            password=s["http password"],
            headers={"X-API-Key": s["http header"]},
        ),
        "oauth2": OAuth2Credentials(
            grant="client_credentials",
            token_url=f"{made.oauth2.url}/token",
            hosts=[made.oauth2.url],
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            scopes=["read", "offline"],
            extra={"audience": s["oauth2 extra"]},
        ),
        "passwords": OAuth2Credentials(
            grant="resource_owner_password_credentials",
            token_url=f"{made.passwords.url}/token",
            hosts=[made.passwords.url],
            client_id=CLIENT_ID,
            username=USERNAME,
            password=PASSWORD,
        ),
        "aws": aws.AwsCredentials(
            aws_access_key_id=AWS_KEY,
            aws_secret_access_key=s["aws secret"],
            aws_client_parameters=AwsClientParameters(endpoint_url=made.aws),
        ),
        "minio": aws.MinIOCredentials(
            minio_root_user=AWS_KEY,
            minio_root_password=s["minio password"],
            aws_client_parameters=AwsClientParameters(endpoint_url=made.minio),
        ),
    }
    for name in ("aws", "minio"):
        made.hrefs[name] = [f"s3://{AWS_BUCKET}/a.tif"]
