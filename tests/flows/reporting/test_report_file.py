"""Reports of flows that have a parameter `report`."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefect_stac_asset.flows.reporting.report_file import open_rows
from stac_asset.errors import DestinationError


@pytest.mark.parametrize("earlier", [None, b"", b'{"owner": "a"}\n', b'{"state": "verified"}\n'])
async def test_report_replaces_earlier_report(tmp_path: Path, earlier: bytes | None) -> None:
    path = tmp_path / "report.ndjson"
    if earlier is not None:
        path.write_bytes(earlier)
    async with open_rows(path) as write_row:
        write_row({"owner": "item two"})
    assert path.read_bytes() == b'{"owner": "item two"}\n'


@pytest.mark.parametrize("content", [b'{"type": "Catalog"}', b"{", b"II*\0pixels"])
async def test_report_replaces_no_other_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "catalog.json"
    path.write_bytes(content)
    with pytest.raises(DestinationError, match="this file exists and is no report"):
        async with open_rows(path):
            pass
    assert path.read_bytes() == content
