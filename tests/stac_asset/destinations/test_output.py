"""Files that grow during a run."""

from __future__ import annotations

from pathlib import Path

from stac_asset.destinations.output import open_output
from stac_asset.destinations.part_names import part_paths

ROW = b"{}\n"


async def test_rows_are_written_in_order_when_the_file_is_committed(tmp_path: Path) -> None:
    path, rows = tmp_path / "report.ndjson", [b'{"n": %d}\n' % number for number in range(20_000)]
    async with open_output(path, tmp_path, None) as file:
        for row in rows:
            file.append(row)
        assert not path.exists()
        await file.commit()
    assert path.read_bytes() == b"".join(rows)


async def test_short_rows_are_written_together(tmp_path: Path) -> None:
    path = tmp_path / "report.ndjson"
    part, _ = part_paths(path)
    async with open_output(path, tmp_path, None) as file:
        file.append(ROW)
        assert part.stat().st_size == 0
        for _ in range(50_000):
            file.append(ROW)
        written = part.stat().st_size
        assert 0 < written < 50_001 * len(ROW)
        await file.commit()
    assert path.stat().st_size == 50_001 * len(ROW)


async def test_previous_file_is_kept_without_commit(tmp_path: Path) -> None:
    path = tmp_path / "report.ndjson"
    path.write_bytes(b"earlier\n")
    async with open_output(path, tmp_path, None) as file:
        for _ in range(50_000):
            file.append(ROW)
    assert path.read_bytes() == b"earlier\n"
    assert list(tmp_path.iterdir()) == [path]
