"""Hrefs of written documents are valid URI references, which readers understand."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import pystac
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stac_asset import Config, download_item
from stac_asset.clients import Clients
from stac_asset.hrefs import (
    absolute_href,
    quoted_path,
    relative_href,
    unquoted_name,
    valid_href,
)
from stac_asset.mirror.state.row import asset_files
from stac_asset.plan.file_names import safe_name
from stac_asset.rewrite.rewriter import rewrite
from stac_asset.stac.parse import load_stac
from stac_asset.stac.read import read_stac

NAMES = ["a b.tif", "a#b.tif", "a?b=c.tif", "100%.tif", "a%20b.tif", "é.tif", "x:y.tif", "[a].tif"]


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """Serve a directory, and yield its URL."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


async def test_served_directory_can_be_downloaded_again(tmp_path: Path) -> None:
    source, first, second, third = (tmp_path / name for name in ("0", "one #1", "two", "three"))
    source.mkdir()
    item = pystac.Item("an item", None, None, pystac.utils.str_to_datetime("2026-06-01"), {})
    with served(source) as url:
        for name in NAMES:
            (source / name).write_text(f"content of {name}")
            item.add_asset(f"asset {name}", pystac.Asset(f"{url}/{quote(name)}"))
        await download_item(item, first)
    document = json.loads((first / "an item.json").read_text())
    for href in (asset["href"] for asset in document["assets"].values()):
        assert quoted_path(href).replace("%25", "%") == href
    async with Clients(Config()) as clients:
        with served(first) as url:
            served_item = await read_stac(f"{url}/an%20item.json", clients, Config())
            assert isinstance(served_item, pystac.Item)
            await download_item(served_item, second)
    again = load_stac(second / "an item.json")
    assert isinstance(again, pystac.Item)
    await download_item(again, third)
    for directory in (first, second, third):
        files = {path.name: path.read_text() for path in directory.glob("*.tif")}
        assert files == {name: f"content of {name}" for name in NAMES}


def test_local_document_with_unquoted_hrefs_is_read(tmp_path: Path) -> None:
    document = str(tmp_path / "item.json")
    (tmp_path / "100%25.tif").touch()
    assert absolute_href("./100%25.tif", document) == str(tmp_path / "100%25.tif")
    assert absolute_href("./a b#c.tif", document) == str(tmp_path / "a b#c.tif")
    (tmp_path / "a b.tif").touch()
    assert absolute_href("./a%20b.tif", document) == str(tmp_path / "a b.tif")
    assert absolute_href("./%2e%2e/a%2Fb.tif", document) == str(tmp_path / "%2e%2e" / "a%2Fb.tif")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).map(safe_name))
@example("\xa0")
def test_relative_href_leads_to_the_file(name: str) -> None:
    href = relative_href(Path("/data") / name, Path("/data/item.json"))
    assert not set(href) & set(' #?"<>\\^`{|}[]')
    assert unquoted_name(href[2:]) == name
    assert absolute_href(href, "/data/item.json") == str(Path("/data") / name)
    assert urlsplit(urljoin("https://example.com/x/item.json", href)).path == "/x/" + href[2:]


def test_directory_with_a_space_keeps_plain_paths(tmp_path: Path) -> None:
    item = pystac.Item("a", None, None, pystac.utils.str_to_datetime("2026-06-01"), {})
    document = tmp_path / "my data" / "a.json"
    assert rewrite(item, (), Config(), document).get_self_href() == str(document)


@pytest.mark.parametrize(
    ("href", "name"),
    [
        ("./a%20b.tif", "a b.tif"),
        ("./a b.tif", "a b.tif"),
        ("./a%2Fb.tif", "a%2Fb.tif"),
        ("./a#b.tif", "a#b.tif"),
        ("./100%25.tif", "100%.tif"),
        ("./100%.tif", "100%.tif"),
    ],
)
def test_state_of_mirror_reads_quoted_and_unquoted_hrefs(href: str, name: str) -> None:
    assert asset_files({"a": {"href": href, "file:size": 3}}) == {"a": (name, 3)}


@pytest.mark.parametrize(
    ("href", "valid"),
    [
        ("https://example.com/a b.tif?x=é", "https://example.com/a%20b.tif?x=%C3%A9"),
        ("https://example.com/a%20b.tif", "https://example.com/a%20b.tif"),
        ("s3://bucket/a b.tif", "s3://bucket/a b.tif"),
    ],
)
def test_source_hrefs_become_valid(href: str, valid: str) -> None:
    assert valid_href(href) == valid
