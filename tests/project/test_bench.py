"""Parts of `make bench`: the work, the measurements, the slow connection and the table."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.contest import Contestant, Row
from bench.goals import MB, OURS, Spread, Turns, cpu_ratio, cpu_seconds, memory, ratio, seconds
from bench.lab import Lab
from bench.measure import BenchError, Figures, measure
from bench.performance import with_machine
from bench.results import Results
from bench.rows import ROWS
from bench.servers import far_away
from bench.stac_api import ASSET, COLLECTION, write_api, write_mirror
from bench.tables import tables
from bench.work import Work
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.index import read_state
from stac_asset.mirror.state.version import version_of
from stac_asset.mirror.storage.local import LocalStorage
from stac_asset.testing import Origin


def test_contestant_completes_and_checks_the_work(tmp_path: Path) -> None:
    work = Work.made(tmp_path / "served", 12, 1000)
    document = work.document(str(work.folder), tmp_path / "items.json", checksums=True)
    for contestant in Lab(tmp_path, tmp_path / "out").both(document, work, allow_local_hrefs=True):
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


def test_total_rate_is_shared_by_all_connections(origin: Origin) -> None:
    origin.put("/a.tif", size=200_000)
    with far_away(origin.url, milliseconds=2, total=1_000_000) as slow_url:
        start = time.monotonic()
        with ThreadPoolExecutor() as threads:
            received = list(threads.map(_read, [f"{slow_url}/a.tif"] * 3))
        duration = time.monotonic() - start
    assert received == [origin.content("/a.tif")] * 3
    assert duration >= 0.6


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url) as response:
        content: bytes = response.read()
    return content


def _turns(*seconds: float, objects: int = 100) -> Turns:
    figures = (Figures(each, each + 1, 2 * each, int(50 * MB * each)) for each in seconds)
    return Turns(tuple(figures), objects)


def test_ratio_is_the_median_over_pairs_not_the_ratio_of_medians() -> None:
    measured = {OURS: _turns(1, 9, 3), "stac-asset": _turns(2, 3, 12, objects=200)}
    goal = ratio("stac-asset", 1.0)
    assert goal.spread(measured) == Spread(1.0, 0.5, 6.0)
    assert goal.verdict(measured) == "reached"
    assert cpu_ratio("stac-asset", 0.9).verdict(measured) == "**missed**"
    assert ratio("stac-asset", None).verdict(measured) == ""


def test_contestant_with_fewer_turns_is_compared_in_these_turns_only() -> None:
    measured = {OURS: _turns(1, 2, 3), "curl": _turns(4)}
    assert ratio("curl", 1.0).spread(measured) == Spread(0.25, 0.25, 0.25)


def test_contestants_alternate_in_changing_order() -> None:
    names = ("a", "b", "c")
    command = (sys.executable, "-S", "-c", "print('{\"seconds\": 7}')")

    @contextmanager
    def contestants() -> Iterator[list[Contestant]]:
        yield [Contestant(name, command, turns=1 if name == "c" else None) for name in names]

    lines: list[str] = []
    measured = Row("row", "Row", contestants, ()).measured(3, lines.append)
    assert [line.split()[2] for line in lines] == ["a", "b", "c", "b", "a", "a", "b"]
    assert {name: len(turns.figures) for name, turns in measured.items()} == {
        "a": 3,
        "b": 3,
        "c": 1,
    }


def test_tables_show_goals_and_ratios_of_pairs() -> None:
    row = ROWS[0]
    measured = {
        "ours": _turns(1, 2, 3),
        "ours, asyncio.run": _turns(2, 2, 2),
        "stac-asset": _turns(4, 4, 4),
        "obstore": _turns(1, 1, 1),
    }
    written = tables(Results("a machine", {row.name: measured}))
    assert "| time relative to stac-asset | 0.5 | 0.5 | 0.25 to 0.75 | 3 | reached |" in written
    assert "| time relative to obstore | 1 | 2 | 1 to 3 | 3 | **missed** |" in written
    assert (
        "| stac-asset | 4.00 s (40.00 ms each) | 8.00 s | 200 MB | 0.5 (0.25 to 0.75) |" in written
    )
    assert seconds(2.0).verdict(measured) == cpu_seconds(4.0).verdict(measured) == "reached"
    assert memory(99).verdict(measured) == "**missed**"


def test_document_keeps_tables_of_other_machines() -> None:
    document = "a\n<!-- figures: begin -->\n<!-- figures: end -->\nz\n"
    one = with_machine(document, "one", "| 1 |")
    both = with_machine(one, "two", "| 2 |")
    assert with_machine(both, "one", "| 3 |") == (
        "a\n<!-- figures: begin -->\n\n### one\n\n| 3 |\n\n### two\n\n| 2 |\n\n"
        "<!-- figures: end -->\nz\n"
    )


def test_figures_are_saved_for_each_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.results._FILE", tmp_path / "new" / "results.json")
    for machine in ("one", "two"):
        results = Results.load(machine)
        assert results.rows == {}
        results.rows["plan"] = {OURS: _turns(1, 2)}
        results.save()
    assert Results.load("one") == Results("one", {"plan": {OURS: _turns(1, 2)}})


def test_synthetic_mirror_has_no_changes(tmp_path: Path) -> None:
    api = "http://127.0.0.1:1/api"
    write_api(tmp_path, "http://127.0.0.1:1", 300)
    write_mirror(tmp_path / "mirror", tmp_path, api)
    rows = read_state(LocalStorage(tmp_path / "mirror")).rows
    assert len(rows) == 300
    for page in ("search", "page-250"):
        for item in json.loads((tmp_path / "api" / page / "index.json").read_bytes())["features"]:
            row = rows[Key(COLLECTION, item["id"])]
            assert not row.missing_files
            version = version_of(item, api, None, lambda key, asset: key == ASSET)
            assert version.is_included_in(row.version)
            assert version.has_same_metadata(row.version)


def test_row_names_are_unique() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names) == 24
