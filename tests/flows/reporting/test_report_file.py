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


async def test_unwritable_report_is_an_error_that_names_the_parameter(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for path, reason in (
        (tmp_path, "a folder has this name"),
        (tmp_path / "file/report", "File exists"),
        (tmp_path / ("x" * 256), "File name too long"),
        (Path("/proc/none/report"), "No such file or directory"),
    ):
        text = f"Cannot write the report '{path}': {reason}. Set `report` to another path."
        with pytest.raises(DestinationError) as raised:
            async with open_rows(path):
                pytest.fail("the work begins")
        assert str(raised.value) == text


async def test_report_of_another_run_is_an_error_that_names_the_parameter(tmp_path: Path) -> None:
    async with open_rows(tmp_path / "report"):
        with pytest.raises(DestinationError, match=r"another run is writing it.*`report`"):
            async with open_rows(tmp_path / "report"):
                pytest.fail("the work begins")
