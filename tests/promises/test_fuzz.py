"""Whatever a document, an href or a header holds: no escape, no leak, no undocumented exception."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pystac
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from stac_asset import Config, ErrorStrategy, FileNameStrategy, HttpClient
from stac_asset.api.run import Run
from stac_asset.clients.route_table import route
from stac_asset.errors import (
    AssetOverwriteError,
    ConfigError,
    HrefError,
    NoAssetsError,
    NotFoundError,
    SourceError,
    StacAssetError,
    UnsafePathError,
)
from stac_asset.hrefs import absolute_href, is_local, local_path, parse_href
from stac_asset.integrity import Multihash, new_hash
from stac_asset.plan.file_names import FolderTemplate, asset_file_name, safe_name
from stac_asset.plan.planner import Owner, Planner
from stac_asset.plan.work import PlannedRun
from stac_asset.redact import redact_href, redact_text
from stac_asset.rewrite.rewriter import rewrite, rewrite_collection
from stac_asset.rewrite.serialize import document_of, json_bytes
from stac_asset.stac.local_facts import LOCAL_FACTS
from stac_asset.stac.parse import Stac, load_stac, stac_of
from stac_asset.testing import Origin, Status
from stac_asset.transfer.interface import Request, Response
from stac_asset.types import Downloaded, Failed, Outcome, Skipped, Transfer, outcome_row
from tests.make_collection import collection_document
from tests.make_item import item_document
from tests.promises.test_callers_objects import state

_T = TypeVar("_T")

CI = "CI" in os.environ
"""In CI the same examples are drawn every time: a new find is for a desk, not for a red build."""


def fuzz(examples: int) -> settings:
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(
        max_examples=examples, deadline=None, derandomize=CI, suppress_health_check=slow
    )


DIRECTORY = Path("/nowhere/destination")
FRAGMENTS = [
    *("..", ".", "/", "\\", "\0", "%2e", "%2F", "%252e", "%00", "~", "$", "{", "}", "${id}", ":"),
    *("://", "file:", "http://", "https://h/", "s3://b/", "C:", "?", "#", "&", "=", "@", "%", " "),
    *("\n", "\t", "\x1b[31m", "\x85", "\ud800", "\udc80", "\u202e", "\ufeff", "é", "e\u0301", "ß"),
    *(
        "İ",
        "\u0345",
        "\u017f",
        "a",
        "A",
        ".tif",
        ".json",
        ".part",
        "the-item",
        "item-collection",
        "_",
    ),
    *("collection", "x" * 130, "é" * 70, "[", "]", "[::1]", "//", "/etc/passwd", "localhost"),
]
characters = st.characters()  # Halves of surrogate pairs included.
texts = st.one_of(
    st.text(characters, max_size=12),
    st.lists(st.sampled_from(FRAGMENTS), max_size=6).map("".join),
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
hrefs = st.one_of(
    texts,
    st.builds("{}://{}/{}".format, st.sampled_from(["http", "https", "s3", "file"]), texts, texts),
    st.builds("https://host/{}?{}#{}".format, texts, texts, texts),
    st.builds("./{}".format, texts),
    st.integers(0, 3).map("https://host/{}.tif".format),
)
files = st.builds("https://host/{}/{}.tif".format, texts, st.integers(0, 9))
HREFS = ["http://host/a/item.json?sig=1", "https://host", "s3://bucket/a/b/item.json", "/a/i.json"]
bases = st.one_of(st.none(), st.sampled_from(HREFS), hrefs)


def some(known: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Returns objects with some of these fields; one in a few is of another type altogether."""
    mixed = {
        name: st.one_of(strategy, strategy, strategy, values) for name, strategy in known.items()
    }
    return st.fixed_dictionaries({}, optional=mixed)


described = st.builds(
    lambda href, fields: {"href": href, **fields},
    st.one_of(files, files, hrefs, hrefs, values),
    some(
        {
            "type": st.sampled_from(["image/tiff", ""]),
            "alternate": st.dictionaries(
                st.sampled_from(["mirror", "s3"]), some({"href": hrefs, "storage:refs": values})
            ),
            "file:size": st.integers(),
            "file:checksum": st.text("0123456789abcdef", max_size=70),
            "file:local_path": texts,
            "storage:refs": st.just(["one"]),
            "storage:platform": texts,
            "roles": st.lists(texts),
            "auth:refs": values,
        }
    ),
)
assets = st.one_of(described, described, described, described, values)
links = st.one_of(
    some({"rel": st.sampled_from(["self", "root", "parent", "collection", "x"]), "href": hrefs}),
    values,
)
properties = some(
    {
        "datetime": st.sampled_from(["2026-06-01T00:00:00Z", None, "never"]),
        "start_datetime": st.just("2026-06-01T00:00:00Z"),
        "end_datetime": texts,
        "storage:schemes": st.dictionaries(
            st.just("one"), some({"type": st.just("custom-s3"), "platform": hrefs, "region": texts})
        ),
        "place": texts,
    }
).map(lambda found: {"datetime": "2026-06-01T00:00:00Z", **found})
keys = st.one_of(texts, st.sampled_from(["B04", "b05", "thumbnail"]))
common = {
    "id": texts,
    "assets": st.dictionaries(keys, assets, min_size=1, max_size=5),
    "links": st.lists(links, max_size=3),
    "stac_extensions": st.lists(texts, max_size=2),
    "more": values,
}


@st.composite
def documents(draw: Callable[[st.SearchStrategy[Any]], Any], depth: int = 0) -> dict[str, Any]:
    """Draws a STAC document: mostly one that is read, with anything in its fields."""
    kind = draw(st.sampled_from(["item", "collection", "items"] if depth == 0 else ["item"]))
    if kind == "items":
        features = draw(st.lists(documents(depth=1), max_size=3))
        return {"type": "FeatureCollection", "features": features, **draw(some({"more": values}))}
    with_origin = SOURCE["item" if kind == "item" else "collection"]
    document = copy.deepcopy(with_origin)
    fields = dict(common)
    strange = {"bbox": values, "geometry": values, "stac_version": values}
    if kind == "item":
        fields |= {"properties": properties, "collection": texts}
    else:
        fields |= {"keywords": st.lists(texts), "description": texts, "license": texts}
        strange |= {"providers": values, "summaries": values, "extent": values}
    if draw(st.integers(0, 5)) == 0:
        return {**document, **draw(some(fields | strange))}
    found = st.fixed_dictionaries({"assets": fields.pop("assets")}, optional=fields)
    return {**document, **draw(found)}


class _Nowhere:
    """What stands in for an origin where only documents are made."""

    def href(self, path: str) -> str:
        return f"https://host{path}"


SOURCE = {
    "item": item_document(_Nowhere(), "B04", "b05"),  # type: ignore[arg-type]
    "collection": collection_document(_Nowhere(), "B04"),  # type: ignore[arg-type]
}
configs = st.builds(
    Config,
    alternate_assets=st.sampled_from([[], ["mirror"], ["s3", "mirror", "href"]]),
    file_name_strategy=st.sampled_from(list(FileNameStrategy)),
    error_strategy=st.sampled_from(list(ErrorStrategy)),
    include=st.sampled_from([[], [], [], ["B04"]]),
    allow_local_hrefs=st.sampled_from([None, True, False]),
    write_checksums=st.booleans(),
)
TEMPLATES = ["${id}", "${collection}/${id}", "${year}-${place}", ".", "a/${id}/b", "${properties}"]
templates = st.one_of(st.none(), st.sampled_from(TEMPLATES), texts)
file_names = st.one_of(st.just("item-collection.json"), st.none(), texts)


def outcome_of(entry: Transfer | Failed, choice: int) -> Outcome:
    """Returns one of the outcomes that a planned asset may have."""
    if isinstance(entry, Failed):
        return entry
    candidate = entry.candidates[choice % len(entry.candidates)]
    match choice % 3:
        case 0:
            return Downloaded(entry, candidate, 3, 3, 0.1, checksum="1220" + "5" * 64)
        case 1:
            return Skipped(entry, candidate, 3)
        case _:
            return Failed(entry.owner, entry.key, NotFoundError("gone"), entry)


def check_path(path: str) -> None:
    """Checks that a path lies in the directory, and that any file system takes it."""
    assert os.path.normpath(path) == path
    assert path.startswith(f"{DIRECTORY}/")
    assert os.path.realpath(path).startswith(f"{DIRECTORY}/")
    for part in Path(path).relative_to(DIRECTORY).parts:
        assert part not in ("", ".", "..")
        assert not set(part) & set("/\\\0\n\r\x1b\x7f\x85")
        assert len(part.encode()) <= 255
        assert not re.fullmatch(r"\..*\.part(\.json)?", part, re.IGNORECASE)


def check_plan(work: PlannedRun, owners: list[Owner], planner: Planner) -> None:
    folded = set()
    for owner, planned in zip(owners, work.planned, strict=True):
        assert [entry.key for entry in planned] == [
            key for key in owner.assets if planner.wants(key)
        ]
        for entry in planned:
            json.dumps(outcome_row(outcome_of(entry, 2)))
            str(outcome_of(entry, 2)).encode(errors="surrogatepass")
            if isinstance(entry, Failed):
                str(entry.error).encode()
                continue
            own = {candidate.path for candidate in entry.candidates}
            for path in own:
                check_path(path)
            alike = {unicodedata.normalize("NFC", path).casefold() for path in own}
            assert not alike & folded
            folded |= alike
            check_sources(entry, owner, planner.config)
    if work.document is not None:
        assert str(work.document).startswith(f"{DIRECTORY}/")
        assert str(work.document).casefold() not in folded


def check_sources(transfer: Transfer, owner: Owner, config: Config) -> None:
    """Checks that no candidate is a local file unless that is allowed."""
    base = owner.get_self_href()
    allowed = config.allow_local_hrefs
    if allowed is None:
        allowed = base is not None and is_local(base)
    for candidate in transfer.candidates:
        assert allowed or not is_local(candidate.href)
        url = documented(lambda href=candidate.href: parse_href(href), HrefError)
        assert allowed or url is None or route(url) != "filesystem"


def check_rewritten(
    new: Owner, owner: Owner, outcomes: list[Outcome], document: Path | None, run: Run, keep: bool
) -> None:
    """Checks that the rewritten object says what the plan and the outcomes do."""
    expected = dict.fromkeys(owner.assets) if keep else {}
    for outcome in outcomes:
        if not isinstance(outcome, Failed):
            expected[outcome.transfer.key] = None
        elif run.config.error_strategy is ErrorStrategy.KEEP:
            expected[outcome.key] = None
        else:
            expected.pop(outcome.key, None)
    assert set(new.assets) == set(expected)
    for outcome in outcomes:
        if not isinstance(outcome, Failed):
            href = new.assets[outcome.transfer.key].href
            resolved = os.path.join(document.parent, href) if document else href
            assert os.path.normpath(resolved) == outcome.candidate.path
            assert absolute_href(href, str(document) if document else None) == os.path.normpath(
                resolved
            )
    assert new.get_self_href() == (str(document) if document else None)
    assert new.id == owner.id


def documented(call: Callable[[], _T], *kinds: type[Exception]) -> _T | None:
    """Returns what a call returns, or None where it raises what it documents."""
    try:
        return call()
    except kinds as error:
        if isinstance(error, StacAssetError):
            str(error).encode()
        return None


def plan(run: Run, stac: Stac, file_name: str | None, template: str | None) -> PlannedRun:
    if isinstance(stac, pystac.ItemCollection):
        return run.plan_item_collection(stac, file_name, template)
    if isinstance(stac, pystac.Collection):
        return run.plan_collection(stac, file_name)
    return run.plan_item(stac, file_name)


def raised(call: Callable[[], object]) -> HrefError | None:
    """Returns the error that a call raises, if it does."""
    try:
        call()
    except HrefError as error:
        return error
    return None


REFUSALS = (UnsafePathError, AssetOverwriteError, NoAssetsError, ConfigError)


@fuzz(600)
@given(
    document=documents(),
    base=bases,
    config=configs,
    template=templates,
    file_name=file_names,
    keep=st.booleans(),
    choices=st.lists(st.integers(0, 9), min_size=1, max_size=4),
)
def test_document(
    document: dict[str, Any],
    base: str | None,
    config: Config,
    template: str | None,
    file_name: str | None,
    keep: bool,
    choices: list[int],
) -> None:
    source = copy.deepcopy(document)
    stac = documented(lambda: stac_of(document, base, "it"), SourceError)
    assert document == source
    if stac is None:
        return
    owners: list[Owner] = list(stac) if isinstance(stac, pystac.ItemCollection) else [stac]
    before = [state(owner) for owner in owners]
    run = Run(DIRECTORY, config)
    work = documented(lambda: plan(run, stac, file_name, template), *REFUSALS)
    if work is not None:
        check_plan(work, owners, Planner(DIRECTORY, config, LOCAL_FACTS))
        outcomes = [
            [outcome_of(entry, choices[n % len(choices)]) for n, entry in enumerate(planned)]
            for planned in work.planned
        ]
        path = None if isinstance(stac, pystac.ItemCollection) else work.document
        new = [
            rewrite(owner, found, run.config, path, keep)
            for owner, found in zip(owners, outcomes, strict=True)
        ]
        for rewritten, owner, found in zip(new, owners, outcomes, strict=True):
            check_rewritten(rewritten, owner, found, path, run, keep)
        result: Stac = (
            new[0]
            if not isinstance(stac, pystac.ItemCollection)
            else (rewrite_collection(stac, [item for item in new if isinstance(item, pystac.Item)]))
        )
        written = json_bytes(document_of(result))
        written.decode()
        stac_of(json.loads(written), str(path or DIRECTORY / "written.json"), "written")
    assert [state(owner) for owner in owners] == before


@fuzz(300)
@given(key=texts, href=st.one_of(hrefs, values), base=st.sampled_from(HREFS[:3]), config=configs)
@example("a", " file:///etc/passwd", HREFS[0], Config())
@example("a", "fi\nle:///etc/passwd", HREFS[0], Config())
@example("a", "\\\\?\\C:\\x", HREFS[2], Config())
def test_asset_of_a_remote_item(key: str, href: Any, base: str, config: Config) -> None:
    config.allow_local_hrefs = None
    document = {**SOURCE["item"], "assets": {key: {"href": href}}}
    item = stac_of(document, base, "it")
    assert isinstance(item, pystac.Item)
    planned = Planner(DIRECTORY, config, LOCAL_FACTS).asset(key, item.assets[key], item)
    if isinstance(planned, Transfer):
        check_path(planned.path)
        assert Path(planned.path).parent == DIRECTORY
        check_sources(planned, item, config)


@fuzz(300)
@given(text=texts, other=texts)
def test_name(text: str, other: str) -> None:
    for name in (
        safe_name(text or "x"),
        *(asset_file_name(text, f"https://h/{other}", found) for found in FileNameStrategy),
        *(asset_file_name(text, f"s3://b/{other}", found) for found in FileNameStrategy),
    ):
        check_path(f"{DIRECTORY}/{name}")
    assert safe_name(safe_name(text or "x")) == safe_name(text or "x")


@fuzz(300)
@given(template=texts, fields=st.dictionaries(texts, values, max_size=3), name=texts)
def test_template(template: str, fields: dict[str, Any], name: str) -> None:
    item = pystac.Item.from_dict(item_document(_Nowhere(), "a", name=name))  # type: ignore[arg-type]
    item.properties |= fields
    made = documented(lambda: FolderTemplate(template), ConfigError, UnsafePathError)
    folder = documented(lambda: made.folder(item), ConfigError) if made else None
    if folder:
        check_path(f"{DIRECTORY}/{folder}")


@fuzz(500)
@given(href=st.one_of(hrefs, hrefs, values), base=bases)
@example("https://[]@", None)
def test_href(href: Any, base: str | None) -> None:
    found = documented(lambda: absolute_href(href, base), HrefError)
    documented(lambda: parse_href(href), HrefError)
    if found is not None:
        url = documented(lambda: parse_href(found), HrefError)
        if url is not None and not is_local(found):
            assert route(url) != "filesystem"
            sendable = all(32 < ord(c) < 127 for c in url.raw_path_qs)
            assert sendable or url.scheme not in ("http", "https"), "it breaks the request line"


@fuzz(300)
@given(path=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_local_path(path: str) -> None:
    path = os.path.normpath(f"/{path}")
    assert str(local_path(path)) == str(Path(path))
    assert str(local_path(Path(path).as_uri())) == str(Path(path))
    assert parse_href(path).path == str(Path(path))
    assert parse_href(Path(path).as_uri()).path == str(Path(path))


SECRET = "pl4nt3d-s3cr3t"
junk = st.one_of(
    st.text(characters, max_size=10), st.lists(st.sampled_from(FRAGMENTS)).map("".join)
)
schemes = st.sampled_from(["http", "https", "s3", "ftp", "HTTPS", "x+y"])
paths = junk.map(lambda text: "/" + text.translate(dict.fromkeys(map(ord, "?#"))))


@st.composite
def secret_hrefs(draw: Callable[[st.SearchStrategy[Any]], Any]) -> str:
    """Draws a URL with a secret in its user, password, query or fragment."""
    plain = draw(junk).translate(dict.fromkeys(map(ord, "/?#")))
    password = draw(junk).replace("@", "")
    base = draw(schemes) + "://"
    path, more = draw(paths), draw(junk)
    return str(
        draw(
            st.sampled_from(
                [
                    f"{base}{plain}{SECRET}@host{path}",
                    f"{base}user:{plain}{SECRET}@host{path}",
                    f"{base}user:p{password}{SECRET}@host{path}",
                    f"{base}host{path}?{more}{SECRET}{more}",
                    f"{base}host{path}#{more}{SECRET}{more}",
                    f"{base}user:{SECRET}@host{path}?{SECRET}#{SECRET}",
                    f"/vsicurl/{base}user:{SECRET}@host{path}?{SECRET}",
                    f"https:user:{SECRET}@host{path}",
                    f"https:/user:{SECRET}@host{path}?{SECRET}",
                    f"//user:{SECRET}@host{path}?{SECRET}",
                    f"a.tif?{more}{SECRET}",
                    f"/a.tif?sig={SECRET}{more}",
                    f"/a.tif#token={more}{SECRET}",
                ]
            )
        )
    )


@fuzz(500)
@given(href=secret_hrefs())
@example(f"https://user:pa/ss{SECRET}@host/a.tif")
@example(f"https://user:pa?ss{SECRET}@host/a.tif")
def test_redacted_href(href: str) -> None:
    assert SECRET in href
    shown = redact_href(href)
    assert SECRET not in shown
    assert redact_href(shown) == shown
    for base in (None, "https://host/item.json"):
        for call in (lambda: parse_href(href), lambda base=base: absolute_href(href, base)):
            assert SECRET not in str(raised(call))


@fuzz(500)
@given(href=secret_hrefs(), before=st.text(characters), after=st.text(characters))
@example(f"https://host/x?a=(b)&sig={SECRET}", "see (", ")")
@example(f"https://host/x?a='b'&sig={SECRET}", "'", "'")
@example(f"https://user:{SECRET}@host/", "_", "")
def test_redacted_text(href: str, before: str, after: str) -> None:
    assume(re.match(r"(/vsicurl/)?[a-zA-Z+]+://\S+$", href))
    assume(SECRET not in before)
    assert SECRET not in redact_text(f"{before}{href} {after}")
    assert SECRET not in redact_text(f"{before} {href}\n{after}")


@fuzz(300)
@given(text=texts)
def test_text_without_urls_is_shown_as_it_is(text: str) -> None:
    assume("://" not in text)
    assert redact_text(text) == text


CODES = [0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x20, 0xD5, 0xB201, 0xB240, 0xB260]


@fuzz(300)
@given(text=st.one_of(values, st.binary(max_size=70).map(bytes.hex)))
def test_multihash_of_anything(text: Any) -> None:
    found = Multihash.parse(text)
    if found is not None:
        code, running = new_hash(found)
        assert code == found.code
        assert 4 <= len(found.digest) <= len(running.digest())
        assert Multihash.parse(str(found)) == found


@fuzz(300)
@given(code=st.sampled_from(CODES), data=st.binary(), cut=st.integers(0, 64), upper=st.booleans())
def test_multihash_of_data(code: int, data: bytes, cut: int, upper: bool) -> None:
    _, running = new_hash(Multihash(code, b""))
    running.update(data)
    whole = running.digest()
    text = str(Multihash(code, whole))
    found = Multihash.parse(text.upper() if upper else text)
    assert found is None if len(whole) < 4 else found is not None and found.matches(whole)
    short = Multihash.parse(str(Multihash(code, whole[:cut])))
    assert short is None or short.matches(whole)
    assert short is None or not short.matches(bytes([whole[0] ^ 1]) + whole[1:])


def nested(depth: int) -> str:
    return json.dumps(SOURCE["item"] | {"more": 0})[:-2] + "[" * depth + "]" * depth + "}"


def test_deep_nesting(tmp_path: Path) -> None:
    path = tmp_path / "item.json"
    path.write_text(nested(100_000))
    with pytest.raises(SourceError, match="is not valid JSON"):
        load_stac(path)
    path.write_text(nested(200))
    item = load_stac(path)
    assert isinstance(item, pystac.Item)
    run = Run(tmp_path)
    work = run.plan_item(item)
    new = rewrite(item, [outcome_of(entry, 0) for entry in work], run.config, work.document)
    assert json.loads(json_bytes(document_of(new)))["more"] == item.extra_fields["more"]


numbers = st.sampled_from(
    ["0", "5", "007", "-1", "+5", "1e3", "5.5", "²", "٣", "9" * 30, "9" * 5000]
)
DATES = ["Mon, 01 Jun 2026 00:00:00 GMT", "01 Jan 1", "Mon, 99 Foo 99999", "999999999999 Feb Feb 1"]
dates = st.sampled_from(
    [*DATES, "Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359", "x, " * 50]
)
header_texts = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), max_size=20
)
header_values = st.one_of(
    numbers,
    dates,
    header_texts,
    header_texts.map('"{}"'.format),
    header_texts.map('W/"{}"'.format),
    st.builds("bytes {}-{}/{}".format, numbers, numbers, st.one_of(numbers, st.just("*"))),
    hrefs.filter(lambda href: href.isprintable()),
)
HEADERS = ["Content-Range", "ETag", "Last-Modified", "Date", "Retry-After", "Content-Type"]
STATUSES = [200, 206, 301, 302, 308, 304, 401, 403, 404, 416, 429, 500, 503]


@pytest.fixture(scope="module")
def one_origin() -> Iterator[Origin]:
    with Origin() as running:
        yield running


@fuzz(250)
@given(
    status=st.sampled_from(STATUSES),
    headers=st.dictionaries(st.sampled_from([*HEADERS, "Location"]), header_values, min_size=1),
    offset=st.sampled_from([0, 5]),
)
@example(206, {"Content-Range": f"bytes 0-4/{'9' * 5000}"}, 0)
@example(200, {"ETag": '"é"'}, 0)
@example(503, {"Retry-After": "999999999999 Feb Feb 10.10.10 -1 -0000"}, 0)
def test_headers(one_origin: Origin, status: int, headers: dict[str, str], offset: int) -> None:
    # Where a redirect goes to another host, there is no network to follow it.
    assume("://" not in headers.get("Location", "") and "//" not in headers.get("Location", ""))
    one_origin.heal()
    one_origin.fault("*", Status(status, headers=headers, body=b"bytes"), times=0)
    asyncio.run(check_headers(one_origin.href("/a.tif"), offset))


async def check_headers(href: str, offset: int) -> None:
    async with aiohttp.ClientSession() as session:
        client = HttpClient(session)
        request = Request(parse_href(href), "image/tiff", offset, '"etag"' if offset else None)
        with suppress(StacAssetError):
            async with client.fetch(request) as response:
                check_response(response)
                assert b"".join([chunk async for chunk in response.chunks])
        with suppress(StacAssetError):
            await client.stat(request)
        await client.close()


def check_response(response: Response) -> None:
    assert response.offset >= 0
    assert response.size is None or response.size >= 0
    assert response.validator is None or response.validator.isascii()
