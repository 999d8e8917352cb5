"""Parts of `make bench`: the work, the measurements, the slow connection and the table."""

from __future__ import annotations

import sys
import time
import urllib.request
from pathlib import Path

import pytest

from bench.contest import MB, Figures, Median, memory, ratio, seconds
from bench.lab import Lab
from bench.measure import BenchError, measure
from bench.results import Results
from bench.rows import ROWS
from bench.servers import far_away
from bench.work import Work
from stac_asset.testing import Origin


def test_contestant_completes_and_checks_the_work(tmp_path: Path) -> None:
    work = Work.made(tmp_path / "served", 12, 1000)
    document = work.document(str(work.folder), tmp_path / "items.json", checksums=True)
    contestant = Lab(tmp_path).ours(document, work, allow_local_hrefs=True)
    figures = contestant.run()
    assert 0 < figures.seconds < figures.process_seconds
    assert figures.cpu_seconds > 0
    assert 20 * MB < figures.memory < 1000 * MB
    assert contestant.directory is not None
    assert not contestant.directory.exists()


def test_missing_or_failed_work_raises_error(tmp_path: Path) -> None:
    work = Work.made(tmp_path / "served", 2, 1000)
    with pytest.raises(BenchError, match="is missing or differs from the original"):
        work.check(tmp_path)
    work.check(work.folder)
    with pytest.raises(BenchError, match="ended with 3"):
        measure([sys.executable, "-c", "raise SystemExit(3)"])


def test_measurement_excludes_the_calling_process() -> None:
    ballast = bytearray(200 * MB)
    figures = measure([sys.executable, "-S", "-c", "import time; time.sleep(0.2)"])
    assert figures.memory < len(ballast) / 2
    assert figures.seconds == figures.process_seconds >= 0.2
    reported = measure([sys.executable, "-c", "print('{\"seconds\": 7}')"])
    assert reported.seconds == 7


def test_slow_connection_delays_and_keeps_content(origin: Origin) -> None:
    origin.put("/a.tif", size=300_000)
    with far_away(origin.url, milliseconds=200, rate=1_000_000) as slow_url:
        start = time.monotonic()
        with urllib.request.urlopen(f"{slow_url}/a.tif") as response:
            received = response.read()
        duration = time.monotonic() - start
    assert received == origin.content("/a.tif")
    assert duration >= 0.2 + 0.2 + 0.25  # Handshake, request and transfer.


def test_table_shows_reached_and_missed_targets() -> None:
    row = ROWS[0]
    names = {"ours": 1.0, "stac-asset": 4.0, "obstore": 0.5}
    medians = {
        name: Median.of([Figures(value, value + 1, 2 * value, 50 * MB)] * 3, 100)
        for name, value in names.items()
    }
    results = Results()
    results.add(row, medians)
    reached, missed = (line for line in results.table().splitlines() if "time relative to" in line)
    assert reached.endswith("| 0.5 | 0.25 | reached |")
    assert missed.endswith("| 1.1 | 2 | **missed** |")
    assert "| ours | 1.00 s (10.00 ms each) |" in results.table()
    assert ratio("obstore", 2.0).reached(medians)
    assert seconds(1.0).reached(medians)
    assert not memory(49).reached(medians)


def test_row_names_are_unique() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names) == 12
