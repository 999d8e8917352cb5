"""Routes to the objects of a bucket, as botocore's endpoint rules resolve them."""

from __future__ import annotations

import pytest
from aiobotocore.session import AioSession
from botocore.exceptions import ParamValidationError

from stac_asset.aws.route import Route, resolve, resolve_without_sending

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@pytest.fixture
def session() -> AioSession:
    session = AioSession()
    session.set_credentials(KEY, SECRET)
    return session


async def route_to(session: AioSession, bucket: str, **options: str) -> Route:
    options.setdefault("region_name", "us-west-2")
    async with session.create_client("s3", **options) as client:  # type: ignore[call-overload]
        resolve_without_sending(client)
        return await resolve(client, bucket)


@pytest.mark.parametrize(
    ("bucket", "options", "url"),
    [
        ("data", {}, "https://data.s3.us-west-2.amazonaws.com/"),
        ("my.data", {}, "https://s3.us-west-2.amazonaws.com/my.data/"),
        ("data", {"region_name": "cn-north-1"}, "https://data.s3.cn-north-1.amazonaws.com.cn/"),
        ("data", {"endpoint_url": "http://127.0.0.1:9/s3"}, "http://127.0.0.1:9/s3/data/"),
        ("data", {"endpoint_url": "http://[::1]:9"}, "http://[::1]:9/data/"),
        ("my.data", {"endpoint_url": "https://S3.Example.COM"}, "https://s3.example.com/my.data/"),
        (
            "data--usw2-az1--x-s3",
            {},
            "https://data--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com/",
        ),
    ],
)
async def test_url_of_bucket_follows_the_endpoint_rules(
    session: AioSession, bucket: str, options: dict[str, str], url: str
) -> None:
    route = await route_to(session, bucket, **options)
    assert str(route.url) == url
    assert url.startswith(f"{url.partition('://')[0]}://{route.host}/")


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("a b/c.tif", "/data/a%20b/c.tif"),
        ("/a//../b", "/data//a//../b"),
        ("a?b#c%20+&=~é", "/data/a%3Fb%23c%2520%2B%26%3D~%C3%A9"),
    ],
)
async def test_keys_are_encoded_and_not_normalized(
    session: AioSession, key: str, path: str
) -> None:
    route = await route_to(session, "data", endpoint_url="http://127.0.0.1:9")
    assert route.url_of(key).raw_path == path


async def test_invalid_bucket_is_an_error(session: AioSession) -> None:
    with pytest.raises(ParamValidationError):
        await route_to(session, "b!d")


async def test_representation_has_no_secrets(session: AioSession) -> None:
    route = await route_to(session, "data")
    assert KEY not in repr(route)
    assert SECRET not in repr(route)
