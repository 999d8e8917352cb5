"""Documents of shares and results, including hostile documents."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_stac_asset.flows.distribution.documents import (
    ShareOutcome,
    failed_transfer,
    item_bytes,
    parse_result,
    parse_share,
    result_bytes,
    share_bytes,
)
from prefect_stac_asset.flows.distribution.shares import Share, ShareItem
from prefect_stac_asset.flows.execution.runner import WorkerError
from stac_asset.destinations.location import StorePath
from stac_asset.errors import (
    ContentTypeError,
    ResponseNotFoundError,
    SizeError,
    SourceError,
    StacAssetError,
)
from stac_asset.types import Candidate, Downloaded, Failed, Skipped, Storage, Transfer

ID = "0" * 32
DIRECTORY = "s3://bucket/data"
FOLDER = StorePath.parse(f"{DIRECTORY}/.shares/items.json")
CANDIDATES = (
    Candidate("s3://source/a.tif", f"{DIRECTORY}/i/a.tif", Storage(requester_pays=True)),
    Candidate("https://host/a.tif?format=tif", f"{DIRECTORY}/i/a-2.tif"),
)
TRANSFER = Transfer(
    "item 'i'",
    "a",
    CANDIDATES,
    DIRECTORY,
    owner_id="i",
    size=3,
    overwrite=True,
    shared_with=("b",),
    roles=("data",),
)
OTHER = replace(TRANSFER, key="c", candidates=CANDIDATES[1:], shared_with=())
SHARE = Share(ID, DIRECTORY, (ShareItem("d1", (TRANSFER, OTHER)), ShareItem("d2", (OTHER,))))


def document(**changes: Any) -> bytes:
    """Return a share with a changed transfer."""
    row: Any = json.loads(item_bytes(SHARE.items[0]) or b"")
    row["transfers"][0] |= changes
    return share_bytes(DIRECTORY, [json.dumps(row).encode()])


def test_share_survives_its_document() -> None:
    rows = [item_bytes(item) or b"" for item in SHARE.items]
    assert parse_share(ID, FOLDER, share_bytes(DIRECTORY, rows)) == SHARE


def test_text_that_is_no_unicode_has_no_document() -> None:
    assert item_bytes(ShareItem("d", (replace(TRANSFER, key="\ud800"),))) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"directory": "s3://bucket/other"}, "another directory"),
        ({"directory": "/etc"}, "another directory"),
        ({"candidates": []}, "no href"),
        ({"candidates": [{"href": "https://h/a", "path": "s3://bucket/a"}]}, "outside"),
        ({"candidates": [{"href": "https://h/a", "path": f"{DIRECTORY}/../a"}]}, "outside"),
        ({"candidates": [{"href": "https://h/a", "path": f"{DIRECTORY}/x/../a"}]}, "outside"),
        ({"candidates": [{"href": "https://h/a", "path": "/etc/passwd"}]}, "outside"),
        ({"candidates": [{"href": "/etc/passwd", "path": f"{DIRECTORY}/a"}]}, "local file"),
        ({"candidates": [{"href": "file:///etc/x", "path": f"{DIRECTORY}/a"}]}, "local file"),
        ({"candidates": [{"href": "FILE:/etc/x", "path": f"{DIRECTORY}/a"}]}, "local file"),
        ({"candidates": 1}, "transfers.0.candidates"),
        ({"size": "many"}, "transfers.0.size"),
    ],
)
def test_share_that_leads_elsewhere_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        parse_share(ID, FOLDER, document(**changes))


def test_share_of_another_directory_is_refused() -> None:
    with pytest.raises(SourceError, match="does not contain the share"):
        parse_share(ID, StorePath.parse("s3://bucket/data-2/.shares/x"), document())


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
)


@given(st.binary(max_size=50) | values.map(lambda value: json.dumps(value).encode()))
def test_any_other_document_is_refused(data: bytes) -> None:
    with pytest.raises(SourceError):
        parse_share(ID, FOLDER, data)


@given(st.sampled_from(["type", "directory", "items"]), values)
def test_share_with_any_other_value_is_refused(name: str, value: Any) -> None:
    changed = json.loads(document()) | {name: value}
    with pytest.raises(SourceError):
        parse_share(ID, FOLDER, json.dumps(changed).encode())


def error(kind: StacAssetError) -> StacAssetError:
    kind.owner, kind.key = OTHER.owner, OTHER.key
    return kind


OUTCOMES = [
    ShareOutcome(0, 0, Downloaded(TRANSFER, CANDIDATES[1], 3, 2, 0.5, 2, "1220ab")),
    ShareOutcome(0, 1, Failed(OTHER.owner, OTHER.key, SizeError("too small"), OTHER, 3, 9, 1.0)),
    ShareOutcome(1, 0, Skipped(OTHER, CANDIDATES[1], 3)),
]


def test_outcomes_survive_the_result() -> None:
    data = result_bytes(OUTCOMES)
    assert b"format=tif" not in data
    (first, second), (third,) = parse_result(SHARE, data)
    assert (first, third) == (OUTCOMES[0].outcome, OUTCOMES[2].outcome)
    assert isinstance(second, Failed)
    assert isinstance(second.error, SizeError)
    assert str(second.error) == "asset 'c' of item 'i': too small"
    assert (second.attempts, second.received, second.transfer) == (3, 9, OTHER)


@pytest.mark.parametrize(
    "kind",
    [
        ContentTypeError("text/html", "image/tiff"),
        ResponseNotFoundError("status 404"),  # type: ignore[call-arg, arg-type]
        WorkerError("lost"),
    ],
)
def test_errors_keep_their_class_and_text(kind: StacAssetError) -> None:
    failed = Failed(OTHER.owner, OTHER.key, error(kind), OTHER)
    _, (found,) = parse_result(SHARE, result_bytes([ShareOutcome(1, 0, failed)]))
    assert isinstance(found, Failed)
    assert (type(found.error), str(found.error)) == (type(kind), str(kind))


def test_result_without_the_last_items_leaves_them_out() -> None:
    assert [len(item) for item in parse_result(SHARE, result_bytes(OUTCOMES[:1]))] == [1, 0]


@given(
    st.sampled_from(["item", "transfer", "candidate", "state", "bytes", "checksum"]),
    st.sampled_from([None, -1, 99, "x", [], {}, True, 1.5]),
)
def test_damaged_results_are_refused_or_stay_in_the_share(name: str, value: Any) -> None:
    row = json.loads(result_bytes(OUTCOMES[:1])) | {name: value}
    try:
        outcomes = parse_result(SHARE, json.dumps(row).encode())
    except SourceError:
        return
    assert all(
        outcome.transfer in item.transfers
        for item, found in zip(SHARE.items, outcomes, strict=True)
        for outcome in found
    )


@given(st.binary(min_size=1, max_size=50))
def test_results_that_are_no_rows_are_refused(data: bytes) -> None:
    if data.splitlines():
        with pytest.raises(SourceError):
            parse_result(SHARE, data)


def test_error_that_ended_a_share_belongs_to_the_asset_that_it_names() -> None:
    found = failed_transfer(SHARE, error(SizeError("too small")))
    assert (found.item, found.transfer) == (0, 1)
    assert (failed_transfer(SHARE, ValueError()).transfer) == 0
