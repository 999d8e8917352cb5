"""Errors of the library: pickles, copies and texts."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import pytest

from stac_asset import (
    errors,
)
from stac_asset.errors import (
    HrefError,
    ResponseError,
    StacAssetError,
)

ERRORS = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, StacAssetError)
}

ARGUMENTS_BY_NAME: dict[str, tuple[Any, ...]] = {
    "AssetOverwriteError": (["asset 'a' of item 'x'", "https://u:p@h/?sig=1"], "/data/a.tif"),
    "ContentTypeError": ("text/html", "image/tiff", "https://host/a.tif"),
    "ResponseError": (503, "Busy", "https://user:pass@host/a.tif?sig=1", 3.5, "come back"),
    "ResponseNotFoundError": (404, "Not Found", "https://host/a b.tif"),
    "ResponseForbiddenError": (403, "", "https://user:pa/ss@host/a.tif"),
    "DownloadError": ([HrefError("the href is empty"), ResponseError(500, "", "https://h/")],),
    "VerifyError": (["a.tif is missing"], 1, 3),
    "AuditError": (["item 'a' is missing: the mirror does not have the item"], 1),
}


@pytest.mark.parametrize("kind", ERRORS.values(), ids=ERRORS)
def test_repr_of_errors_is_the_type_and_the_text(kind: type[StacAssetError]) -> None:
    error = kind(*ARGUMENTS_BY_NAME.get(kind.__name__, ("download failed",)))
    error.owner, error.key = "item 'the-item'", "B04"
    assert repr(error) == f"{kind.__name__}({str(error)!r})"


@pytest.mark.parametrize("kind", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("owned", [True, False])
@pytest.mark.parametrize(
    "duplicate",
    [lambda error: pickle.loads(pickle.dumps(error)), copy.deepcopy],
    ids=["pickle", "deepcopy"],
)
def test_errors_survive_pickle_and_deepcopy(
    kind: type[StacAssetError], owned: bool, duplicate: Any
) -> None:
    error = kind(*ARGUMENTS_BY_NAME.get(kind.__name__, ("download failed",)))
    if owned:
        error.owner, error.key = "item 'the-item'", "B04"
    copied = duplicate(error)
    assert type(copied) is kind
    assert str(copied) == str(error)
    assert repr(copied) == repr(error)
    assert (copied.owner, copied.key) == (error.owner, error.key)
    assert getattr(copied, "transient", None) == getattr(error, "transient", None)
    assert getattr(copied, "retry_after", None) == getattr(error, "retry_after", None)
    assert ("asset 'B04' of item 'the-item': " in str(copied)) is owned


def test_error_text_escapes_lone_surrogates_of_keys() -> None:
    error = HrefError("the href is empty")
    error.owner, error.key = "item 'a\udc80b'", "a\ud800b"
    assert str(error).encode() == rb"asset 'a\ud800b' of item 'a\udc80b': the href is empty"
