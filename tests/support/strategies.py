"""Hypothesis strategies for hostile texts, hrefs, documents and configurations."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from stac_asset import Config, ErrorStrategy, FileNameStrategy
from tests.support.collections import collection_document
from tests.support.items import item_document

_CI = "CI" in os.environ
"""CI builds draw the same examples each time, so that no build fails at random."""


def fuzz(examples: int) -> settings:
    """Return the settings of a test with a number of random examples."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(
        max_examples=examples, deadline=None, derandomize=_CI, suppress_health_check=slow
    )


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

characters = st.characters()  # Includes lone surrogates.

texts = st.one_of(
    st.text(characters, max_size=12),
    st.lists(st.sampled_from(FRAGMENTS), max_size=6).map("".join),
)

_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts
)

values: st.SearchStrategy[Any] = st.recursive(
    _scalars,
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

_file_hrefs = st.builds("https://host/{}/{}.tif".format, texts, st.integers(0, 9))

DOCUMENT_HREFS = [
    "http://host/a/item.json?sig=1",
    "https://host",
    "s3://bucket/a/b/item.json",
    "/a/i.json",
]

bases = st.one_of(st.none(), st.sampled_from(DOCUMENT_HREFS), hrefs)


def partial_objects(known: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with a subset of the fields, and some values of other types."""
    mixed = {
        name: st.one_of(strategy, strategy, strategy, values) for name, strategy in known.items()
    }
    return st.fixed_dictionaries({}, optional=mixed)


_described_assets = st.builds(
    lambda href, fields: {"href": href, **fields},
    st.one_of(_file_hrefs, _file_hrefs, hrefs, hrefs, values),
    partial_objects(
        {
            "type": st.sampled_from(["image/tiff", ""]),
            "alternate": st.dictionaries(
                st.sampled_from(["mirror", "s3"]),
                partial_objects({"href": hrefs, "storage:refs": values}),
            ),
            "file:size": st.integers(),
            "file:checksum": st.text("0123456789abcdef", max_size=70),
            "file:local_path": texts,
            "storage:refs": st.just(["bucket"]),
            "storage:platform": texts,
            "roles": st.lists(texts),
            "auth:refs": values,
        }
    ),
)

assets = st.one_of(
    _described_assets, _described_assets, _described_assets, _described_assets, values
)

links = st.one_of(
    partial_objects(
        {"rel": st.sampled_from(["self", "root", "parent", "collection", "x"]), "href": hrefs}
    ),
    values,
)

properties = partial_objects(
    {
        "datetime": st.sampled_from(["2026-06-01T00:00:00Z", None, "never"]),
        "start_datetime": st.just("2026-06-01T00:00:00Z"),
        "end_datetime": texts,
        "storage:schemes": st.dictionaries(
            st.just("bucket"),
            partial_objects({"type": st.just("custom-s3"), "platform": hrefs, "region": texts}),
        ),
        "place": texts,
    }
).map(lambda found: {"datetime": "2026-06-01T00:00:00Z", **found})

keys = st.one_of(texts, st.sampled_from(["B04", "b05", "thumbnail"]))

_common_fields = {
    "id": texts,
    "assets": st.dictionaries(keys, assets, min_size=1, max_size=5),
    "links": st.lists(links, max_size=3),
    "stac_extensions": st.lists(texts, max_size=2),
    "more": values,
}


class FixedHost:
    """Replaces an origin where only documents are needed."""

    def href(self, path: str) -> str:
        return f"https://host{path}"


DOCUMENTS = {
    "item": item_document(FixedHost(), "B04", "b05"),  # type: ignore[arg-type]
    "collection": collection_document(FixedHost(), "B04"),  # type: ignore[arg-type]
}


@st.composite
def documents(draw: Callable[[st.SearchStrategy[Any]], Any], depth: int = 0) -> dict[str, Any]:
    """Draw a STAC document, usually valid, with arbitrary values in the fields."""
    kind = draw(st.sampled_from(["item", "collection", "items"] if depth == 0 else ["item"]))
    if kind == "items":
        features = draw(st.lists(documents(depth=1), max_size=3))
        return {
            "type": "FeatureCollection",
            "features": features,
            **draw(partial_objects({"more": values})),
        }
    template = DOCUMENTS["item" if kind == "item" else "collection"]
    document = copy.deepcopy(template)
    fields = dict(_common_fields)
    malformed = {"bbox": values, "geometry": values, "stac_version": values}
    if kind == "item":
        fields |= {"properties": properties, "collection": texts}
    else:
        fields |= {"keywords": st.lists(texts), "description": texts, "license": texts}
        malformed |= {"providers": values, "summaries": values, "extent": values}
    if draw(st.integers(0, 5)) == 0:
        return {**document, **draw(partial_objects(fields | malformed))}
    found = st.fixed_dictionaries({"assets": fields.pop("assets")}, optional=fields)
    return {**document, **draw(found)}


configs = st.builds(
    Config,
    alternate_assets=st.sampled_from([[], ["mirror"], ["s3", "mirror", "href"]]),
    file_name_strategy=st.sampled_from(list(FileNameStrategy)),
    error_strategy=st.sampled_from(list(ErrorStrategy)),
    include=st.sampled_from([[], [], [], ["B04"], ["B*"], ["role:data"], ["type:image/*"]]),
    allow_local_hrefs=st.sampled_from([None, True, False]),
    write_checksums=st.booleans(),
)

_TEMPLATES = ["${id}", "${collection}/${id}", "${year}-${place}", ".", "a/${id}/b", "${properties}"]

templates = st.one_of(st.none(), st.sampled_from(_TEMPLATES), texts)

file_names = st.one_of(st.just("item-collection.json"), st.none(), texts)
