"""Locations: what users write, files of a destination, and relative hrefs between objects."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote, urljoin, urlsplit

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from stac_asset.destinations.location import (
    StorePath,
    inside,
    is_store,
    location_of,
    parsed_location,
)
from stac_asset.errors import DestinationError
from stac_asset.hrefs import absolute_href, relative_href
from stac_asset.redact import redact_href, unsigned_href

names = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\\0", exclude_categories=["Cc", "Zl", "Zp"]),
    min_size=1,
    max_size=8,
).filter(lambda name: name not in (".", ".."))
keys = st.lists(names, min_size=1, max_size=4).map("/".join)
STORES = ["s3://bucket", "gs://bucket", "az://container", "abfs://c-1@account.dfs.core.windows.net"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("S3://bucket/a b%20#?", "s3://bucket/a b%20#?"),
        ("GS://bucket/a b%20#?/", "gs://bucket/a b%20#?"),
        ("az://container/a", "az://container/a"),
        ("abfs://container/a", "abfs://container/a"),
        (
            "abfss://c-1@account.dfs.core.windows.net/a",
            "abfss://c-1@account.dfs.core.windows.net/a",
        ),
        ("/data/x", "/data/x"),
        ("file:///data/x", "/data/x"),
        (Path("/data/s3:"), "/data/s3:"),
    ],
)
def test_location_that_a_user_wrote(given: str | Path, shown: str) -> None:
    location = location_of(given)
    assert str(location) == shown
    assert isinstance(location, StorePath) == is_store(shown)
    assert parsed_location(str(location)) == location


def test_error_names_the_parameter() -> None:
    with pytest.raises(DestinationError, match="`path` 'ftp://…'"):
        location_of("ftp://bucket/x", "path")


@pytest.mark.parametrize("store", STORES)
def test_url_of_an_object_is_shown_and_written_without_changes(store: str) -> None:
    for href in (f"{store}/a/b.tif", f"{store}/a b.tif"):
        assert redact_href(href) == href
        assert unsigned_href(href) == href
    signed = f"{store}/a.tif?sig=secret"
    assert "secret" not in redact_href(signed) + unsigned_href(signed)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("query", ["sv=1&sig=secret", "X-Goog-Signature=secret"])
def test_signed_url_is_refused(store: str, query: str) -> None:
    with pytest.raises(
        DestinationError, match=r"contains a signature\. Remove the query"
    ) as caught:
        location_of(f"{store}/x?{query}")
    assert "secret" not in str(caught.value)
    assert str(location_of(f"{store}/year=2026/a?b=c")) == f"{store}/year=2026/a?b=c"


def test_url_as_a_path_is_refused() -> None:
    with pytest.raises(DestinationError, match="Pass the URL as a string"):
        location_of(Path("s3://bucket/prefix"))


def test_store_path_has_the_methods_of_a_path() -> None:
    path = StorePath.parse("s3://bucket/a/b.json")
    assert (path.name, str(path.parent)) == ("b.json", "s3://bucket/a")
    assert str(path.parent.parent / "c") == "s3://bucket/c"
    assert str(path.with_name("d.json")) == "s3://bucket/a/d.json"


@given(name=st.text(max_size=20) | keys)
def test_file_of_a_prefix_is_inside(name: str) -> None:
    root = StorePath("s3://bucket", "prefix")
    found = inside(root, name)
    if found is not None:
        assert str(found).startswith("s3://bucket/prefix/")
        assert not {"", ".", ".."} & set(found.key.split("/"))
        found.key.encode()


@given(folder=keys, file=keys, document=names, store=st.sampled_from(STORES))
@example(folder="a?b=1/c", file="d.tif", document="e.json", store=STORES[0])
@example(folder="a#b", file="c/d.tif", document="e.json", store=STORES[1])
def test_relative_href_within_a_folder_leads_to_the_file(
    folder: str, file: str, document: str, store: str
) -> None:
    path, base = f"{store}/{folder}/{file}", f"{store}/{folder}/{document}"
    assert absolute_href(relative_href(path, base), base) == path


@given(file=keys, document=keys, store=st.sampled_from(STORES))
def test_relative_href_between_objects_leads_to_the_file(
    file: str, document: str, store: str
) -> None:
    assume(not f"{document}/".startswith(f"{file}/"))  # Plans refuse such names.
    path, base = f"{store}/{file}", f"{store}/{document}"
    href = relative_href(path, base)
    assert absolute_href(href, base) == path
    served = urljoin(f"http://host/{quote(document)}", href)
    assert unquote(urlsplit(served).path) == f"/{file}"
