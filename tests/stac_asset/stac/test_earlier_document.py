"""Documents that depend on the document of an earlier run, while another run writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from stac_asset.destinations import LocalDestination, VersionError
from stac_asset.stac.earlier_document import EarlierDocument, replace_document

FIRST = b'{"id": "x", "assets": {"a": {}}}'
OTHER = b'{"id": "x", "assets": {"b": {}}}'


async def test_document_of_another_run_is_merged(tmp_path: Path) -> None:
    destination, path = LocalDestination(tmp_path), tmp_path / "item.json"
    path.write_bytes(FIRST)
    seen = []

    async def build(earlier: EarlierDocument) -> tuple[str, bytes]:
        owner = await earlier.owner(None, "x")
        assert owner is not None
        seen.append(*owner["assets"])
        if len(seen) == 1:
            await LocalDestination(tmp_path).write("item.json", OTHER)
        return "new", b"merged"

    assert await replace_document(path, destination, build) == "new"
    assert seen == ["a", "b"]
    assert path.read_bytes() == b"merged"


async def test_document_that_changes_without_end_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "item.json"

    async def build(earlier: EarlierDocument) -> tuple[None, bytes]:
        await earlier.exists()
        await LocalDestination(tmp_path).write("item.json", OTHER)
        return None, b"merged"

    with pytest.raises(VersionError, match=r"item.json was written by another run"):
        await replace_document(path, LocalDestination(tmp_path), build)
    assert path.read_bytes() == OTHER


async def test_document_that_was_not_read_is_replaced_in_any_version(tmp_path: Path) -> None:
    path = tmp_path / "item.json"

    async def build(earlier: EarlierDocument) -> tuple[None, bytes]:
        await LocalDestination(tmp_path).write("item.json", OTHER)
        return None, b"new"

    await replace_document(path, LocalDestination(tmp_path), build)
    assert path.read_bytes() == b"new"
