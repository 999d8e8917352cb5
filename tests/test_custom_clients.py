"""Clients of one's own: passed by the caller, or added by a package."""

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
from tests.chains import described
from tests.make_item import item_document


def make_item(origin: Origin, *keys: str) -> pystac.Item:
    return pystac.Item.from_dict(item_document(origin, *keys))


class DocumentedClient(Client):
    """A client as the documented interface has it."""

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


async def test_a_client_needs_open_url_only(origin: Origin, config: Config, tmp_path: Path) -> None:
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
    """A client that overrides the documented core method of ours."""

    async def open_url(
        self, url: URL, content_type: str | None = None, messages: Any = None, **_: Any
    ) -> AsyncIterator[bytes]:
        async for chunk in super().open_url(url.update_query(signature="x"), content_type):
            yield chunk


async def test_an_open_url_that_is_overridden_is_what_downloads(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    async with SigningClient(aiohttp.ClientSession()) as client:
        await download_item(make_item(origin, "a"), tmp_path, config=config, clients=[client])
        assert await stac_asset.asset_exists(make_item(origin, "a").assets["a"], clients=[client])
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert {request.query for request in origin.requests} == {"signature=x"}


class SayingClient(DocumentedClient):
    """A client that looks for files in a way of its own."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def assert_href_exists(self, href: str) -> None:
        self.asked.append(href)
        if "none" in href:
            raise NotFoundError("the catalog has no such file")


class AnsweringClient(DocumentedClient):
    """A client that does so, and overrides the other of the two methods."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def href_exists(self, href: str) -> bool:
        self.asked.append(href)
        return "none" not in href


class LookingTwice(HttpClient):
    """One of ours, with a check before its own."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        super().__init__(session)
        self.asked: list[str] = []

    async def assert_href_exists(self, href: str) -> None:
        self.asked.append(href)
        await super().assert_href_exists(href)

    async def href_exists(self, href: str) -> bool:
        return await super().href_exists(href)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (SayingClient, "the catalog has no such file"),
        (AnsweringClient, "according to client 'docum"),
    ],
)
async def test_an_existence_check_that_is_overridden_is_asked(
    kind: type[SayingClient | AnsweringClient], text: str, tmp_path: Path
) -> None:
    there, none = "https://magic.example/a.tif", "https://magic.example/none.tif?sig=s3cr3t"
    client = kind()
    assert await stac_asset.asset_exists(pystac.Asset(there), clients=[client])
    assert not await stac_asset.asset_exists(pystac.Asset(none), clients=[client])
    with pytest.raises(FileNotFoundError, match=text) as raised:
        await stac_asset.assert_asset_exists(pystac.Asset(none), clients=[client])
    assert "s3cr3t" not in described(raised.value)
    assert client.asked == [there, none, none]
    item = pystac.Item("i", None, None, datetime(2026, 1, 1, tzinfo=UTC), {})
    item.add_asset("a", pystac.Asset(there))
    plan = await stac_asset.plan_item(item, tmp_path, clients=[client])
    assert [row.size for row in plan.rows] == [None]


async def test_an_override_may_ask_what_it_overrides(origin: Origin, config: Config) -> None:
    origin.remove("/none.tif")
    async with LookingTwice(aiohttp.ClientSession()) as client:
        for path, exists in (("/a.tif", True), ("/none.tif", False)):
            asset = pystac.Asset(origin.href(path))
            assert await stac_asset.asset_exists(asset, config, [client]) is exists
            assert client.asked == [asset.href]
            client.asked.clear()
    assert {request.method for request in origin.requests} == {"HEAD"}


class FailingClient(DocumentedClient):
    """A client whose errors say everything that they know."""

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
    """An error that wants arguments, and keeps them."""

    def __init__(self, url: URL, status: int) -> None:
        super().__init__(f"{status} for {url}")
        self.url, self.status = url, status


async def test_an_error_of_a_client_is_told_and_shows_no_signature(
    config: Config, tmp_path: Path
) -> None:
    """Neither in the traceback nor anywhere else on the chain; what it is, and where, stays."""
    href = "https://magic.example/a.tif?X-Amz-Signature=s3cr3t"
    with pytest.raises(UnexpectedError, match="RefusedError: 418 for https://magic") as raised:
        await stac_asset.download_file(href, tmp_path / "a.tif", config, [FailingClient()])
    text = "".join(traceback.format_exception(raised.value))
    for shown in (
        "raise RefusedError(url, 418) from error",
        f"{RefusedError.__module__}.RefusedError: 418 for https://magic.example/a.tif?…",
        "KeyError: 'https://magic.example/a.tif?…'",
        "while opening https://magic.example/a.tif?…",
    ):
        assert shown in text
    assert "s3cr3t" not in described(raised.value)


async def test_client_override(origin: Origin, tmp_path: Path) -> None:
    config = Config(client_override="documented")
    await download_item(
        make_item(origin, "a"), tmp_path, config=config, clients=[DocumentedClient()]
    )
    assert (tmp_path / "a.tif").read_bytes() == b"bytes of /a.tif"
    config.client_override = "filesystem"
    with pytest.raises(DownloadError, match="is not a local file: its scheme is"):
        await download_item(make_item(origin, "b"), tmp_path, config=config)


# A package that adds one


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
    """A folder in which a distribution is installed that adds a client."""
    site = tmp_path / "site"
    info = site / "magic_client-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "magic_client.py").write_text(textwrap.dedent(PACKAGE))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: magic-client\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[stac_asset.clients]\nmagic = magic_client:MagicClient\n"
    )
    return site


def test_a_package_adds_a_client_by_entry_point(origin: Origin, package: Path) -> None:
    """It is asked what it claims, made from the configuration, and closed by who made it."""
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


def test_an_item_of_a_run_is_downloaded_by_the_client_that_claims_it(
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
