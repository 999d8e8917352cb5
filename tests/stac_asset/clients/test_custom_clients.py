"""Custom clients that callers pass or packages add."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import traceback
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pystac
import pytest
from yarl import URL

import stac_asset
from stac_asset import Client, Config, DownloadError, HttpClient, download_item
from stac_asset.errors import NotFoundError, UnexpectedError
from stac_asset.testing import Origin
from tests.support.error_chains import described
from tests.support.items import item_document


def make_item(origin: Origin, *keys: str) -> pystac.Item:
    return pystac.Item.from_dict(item_document(origin, *keys))


class DocumentedClient(Client):
    """A client with the documented methods only."""

    name = "documented"
    closed = False

    def claims(self, url: URL) -> bool:
        return url.host == "magic.example"

    async def open_url(
        self, url: URL, content_type: str | None = None, messages: Any = None
    ) -> AsyncIterator[bytes]:
        yield f"bytes of {url.path}".encode()

    async def close(self) -> None:
        self.closed = True


async def test_client_requires_only_open_url(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = make_item(origin, "a", "b")
    item.assets["a"].href = "https://magic.example/a.tif"
    client = DocumentedClient()
    await download_item(item, tmp_path, config=config, clients=[client])
    assert (tmp_path / "a.tif").read_bytes() == b"bytes of /a.tif"
    assert (tmp_path / "b.tif").read_bytes() == origin.content("/b.tif")
    assert not client.closed
    href = item.assets["a"].href
    assert await stac_asset.read_href(href, clients=[client]) == b"bytes of /a.tif"
    assert await stac_asset.asset_exists(item.assets["a"], clients=[client])
    assert b"".join([chunk async for chunk in client.open_href(href)]) == b"bytes of /a.tif"
    await client.download_href(href, tmp_path / "c.tif")
    assert (tmp_path / "c.tif").read_bytes() == b"bytes of /a.tif"


class SigningClient(HttpClient):
    """An HTTP client that overrides the documented core method."""

    async def open_url(
        self, url: URL, content_type: str | None = None, messages: Any = None, **_: Any
    ) -> AsyncIterator[bytes]:
        async for chunk in super().open_url(url.update_query(signature="x"), content_type):
            yield chunk


async def test_downloads_use_overridden_open_url(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    async with SigningClient(aiohttp.ClientSession()) as client:
        await download_item(make_item(origin, "a"), tmp_path, config=config, clients=[client])
        assert await stac_asset.asset_exists(make_item(origin, "a").assets["a"], clients=[client])
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert {request.query for request in origin.requests} == {"signature=x"}


class AssertingClient(DocumentedClient):
    """A client that overrides `assert_href_exists`."""

    def __init__(self) -> None:
        self.checked: list[str] = []

    async def assert_href_exists(self, href: str) -> None:
        self.checked.append(href)
        if "missing" in href:
            raise NotFoundError("the catalog has no such file")


class CheckingClient(DocumentedClient):
    """A client that overrides `href_exists`."""

    def __init__(self) -> None:
        self.checked: list[str] = []

    async def href_exists(self, href: str) -> bool:
        self.checked.append(href)
        return "missing" not in href


class DelegatingClient(HttpClient):
    """An HTTP client that overrides both checks and calls the overridden methods."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        super().__init__(session)
        self.checked: list[str] = []

    async def assert_href_exists(self, href: str) -> None:
        self.checked.append(href)
        await super().assert_href_exists(href)

    async def href_exists(self, href: str) -> bool:
        return await super().href_exists(href)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (AssertingClient, "the catalog has no such file"),
        (CheckingClient, "according to client 'docum"),
    ],
)
async def test_overridden_existence_check_is_used(
    kind: type[AssertingClient | CheckingClient], text: str, tmp_path: Path
) -> None:
    existing = "https://magic.example/a.tif"
    missing = "https://magic.example/missing.tif?sig=s3cr3t"
    client = kind()
    assert await stac_asset.asset_exists(pystac.Asset(existing), clients=[client])
    assert not await stac_asset.asset_exists(pystac.Asset(missing), clients=[client])
    with pytest.raises(FileNotFoundError, match=text) as raised:
        await stac_asset.assert_asset_exists(pystac.Asset(missing), clients=[client])
    assert "s3cr3t" not in described(raised.value)
    assert client.checked == [existing, missing, missing]
    item = pystac.Item("i", None, None, datetime(2026, 1, 1, tzinfo=UTC), {})
    item.add_asset("a", pystac.Asset(existing))
    plan = await stac_asset.plan_item(item, tmp_path, clients=[client])
    assert [row.size for row in plan.rows] == [None]


async def test_overridden_existence_check_can_call_super(origin: Origin, config: Config) -> None:
    origin.remove("/missing.tif")
    async with DelegatingClient(aiohttp.ClientSession()) as client:
        for path, exists in (("/a.tif", True), ("/missing.tif", False)):
            asset = pystac.Asset(origin.href(path))
            assert await stac_asset.asset_exists(asset, config, [client]) is exists
            assert client.checked == [asset.href]
            client.checked.clear()
    assert {request.method for request in origin.requests} == {"HEAD"}


class FailingClient(DocumentedClient):
    """A client that raises errors with the signed URL."""

    async def open_url(
        self, url: URL, content_type: str | None = None, messages: Any = None
    ) -> AsyncIterator[bytes]:
        try:
            raise KeyError(str(url))
        except KeyError as error:
            error.add_note(f"while opening {url}")
            raise RefusedError(url, 418) from error
        yield b""


class RefusedError(ValueError):
    """An error with required arguments, which are stored as attributes."""

    def __init__(self, url: URL, status: int) -> None:
        super().__init__(f"{status} for {url}")
        self.url, self.status = url, status


async def test_error_of_custom_client_is_kept_without_signature(
    config: Config, tmp_path: Path
) -> None:
    """The error type, the message and the location are kept for the whole chain."""
    href = "https://magic.example/a.tif?X-Amz-Signature=s3cr3t"
    with pytest.raises(UnexpectedError, match="RefusedError: 418 for https://magic") as raised:
        await stac_asset.download_file(href, tmp_path / "a.tif", config, [FailingClient()])
    text = "".join(traceback.format_exception(raised.value))
    for expected in (
        "raise RefusedError(url, 418) from error",
        f"{RefusedError.__module__}.RefusedError: 418 for https://magic.example/a.tif?…",
        "KeyError: 'https://magic.example/a.tif?…'",
        "while opening https://magic.example/a.tif?…",
    ):
        assert expected in text
    assert "s3cr3t" not in described(raised.value)


async def test_client_override_selects_client(origin: Origin, tmp_path: Path) -> None:
    config = Config(client_override="documented")
    await download_item(
        make_item(origin, "a"), tmp_path, config=config, clients=[DocumentedClient()]
    )
    assert (tmp_path / "a.tif").read_bytes() == b"bytes of /a.tif"
    config.client_override = "filesystem"
    with pytest.raises(DownloadError, match="is not a local file: its scheme is"):
        await download_item(make_item(origin, "b"), tmp_path, config=config)


PACKAGE = """
    from stac_asset import Client

    class MagicClient(Client):
        name = "magic"

        @classmethod
        async def from_config(cls, config):
            print("made with", config.s3_region_name)
            return cls()

        def claims(self, url):
            return url.scheme == "magic" or url.host == "magic.example"

        async def open_url(self, url, content_type=None, messages=None):
            yield f"magic {url.host}{url.path}".encode()

        async def close(self):
            print("closed")
"""


PROGRAM = """
    import sys
    from stac_asset import Config, blocking, get_client_classes

    print(get_client_classes()[-1].name)
    config = Config(s3_region_name="here")
    for href in ("magic://a/b.tif", "https://magic.example/c.tif"):
        print(blocking.read_href(href, config).decode())
    print(blocking.read_href(sys.argv[1], Config(client_override="magic")).decode())
    print(len(blocking.read_href(sys.argv[1])))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a folder with an installed package that adds a client."""
    site = tmp_path / "site"
    info = site / "magic_client-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "magic_client.py").write_text(textwrap.dedent(PACKAGE))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: magic-client\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[stac_asset.clients]\nmagic = magic_client:MagicClient\n"
    )
    return site


def test_entry_point_adds_client(origin: Origin, package: Path) -> None:
    """The client claims URLs, is created from the configuration, and is closed after use."""
    href = origin.put("/a.tif", size=321)
    code = f"import sys; sys.path.insert(0, {str(package)!r})\n{textwrap.dedent(PROGRAM)}"
    command = [sys.executable, "-W", "error", "-c", code, href]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "magic",
        *("made with here", "closed", "magic a/b.tif"),
        *("made with here", "closed", "magic magic.example/c.tif"),
        *("made with us-west-2", "closed", "magic 127.0.0.1/a.tif"),
        *("made with us-west-2", "closed", "321"),
    ]


def test_entry_point_cannot_replace_built_in_client(origin: Origin, package: Path) -> None:
    (points,) = package.glob("*.dist-info/entry_points.txt")
    points.write_text("[stac_asset.clients]\nhttp = magic_client:MagicClient\n")
    code = f"""
        import sys
        sys.path.insert(0, {str(package)!r})
        from stac_asset import blocking
        from stac_asset.clients.registry import get_client_classes
        print([kind.__name__ for kind in get_client_classes()].count("MagicClient"))
        print(len(blocking.read_href(sys.argv[1])))
    """
    href = origin.put("/a.tif", size=321)
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code), href]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("0\n321\n", "")


def test_assets_are_downloaded_by_claiming_clients(
    origin: Origin, package: Path, tmp_path: Path
) -> None:
    code = f"""
        import sys
        sys.path.insert(0, {str(package)!r})
        import pystac
        from stac_asset import blocking
        item = pystac.Item.from_file({str(tmp_path / "item.json")!r})
        plan = blocking.plan_item(item, {str(tmp_path / "out")!r})
        print({{row.key: row.client for row in plan.rows}})
        blocking.download_item(item, {str(tmp_path / "out")!r})
    """
    item = make_item(origin, "a", "b")
    item.assets["a"].href = "magic://host/a.tif"
    item.save_object(include_self_link=False, dest_href=str(tmp_path / "item.json"))
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert "{'a': 'magic', 'b': 'http'}" in done.stdout
    assert (tmp_path / "out" / "a.tif").read_bytes() == b"magic host/a.tif"
    assert (tmp_path / "out" / "b.tif").read_bytes() == origin.content("/b.tif")
