"""File and folder names made from arbitrary texts stay in the directory."""

from __future__ import annotations

from typing import Any

import pystac
from hypothesis import given
from hypothesis import strategies as st

from stac_asset import FileNameStrategy
from stac_asset.errors import (
    ConfigError,
    UnsafePathError,
)
from stac_asset.plan.file_names import FolderTemplate, asset_file_name, safe_name
from tests.support.items import item_document
from tests.support.planning import (
    DIRECTORY,
    check_path,
    result_or_none,
)
from tests.support.strategies import (
    FixedHost,
    fuzz,
    texts,
    values,
)


@fuzz(300)
@given(text=texts, other=texts)
def test_names_from_any_text_are_safe(text: str, other: str) -> None:
    for name in (
        safe_name(text or "x"),
        *(asset_file_name(text, f"https://h/{other}", found) for found in FileNameStrategy),
        *(asset_file_name(text, f"s3://b/{other}", found) for found in FileNameStrategy),
    ):
        check_path(f"{DIRECTORY}/{name}")
    assert safe_name(safe_name(text or "x")) == safe_name(text or "x")


@fuzz(300)
@given(template=texts, fields=st.dictionaries(texts, values, max_size=3), name=texts)
def test_folders_from_any_template_are_safe(
    template: str, fields: dict[str, Any], name: str
) -> None:
    item = pystac.Item.from_dict(item_document(FixedHost(), "a", name=name))  # type: ignore[arg-type]
    item.properties |= fields
    parsed = result_or_none(lambda: FolderTemplate(template), ConfigError, UnsafePathError)
    folder = result_or_none(lambda: parsed.folder(item), ConfigError) if parsed else None
    if folder:
        check_path(f"{DIRECTORY}/{folder}")
