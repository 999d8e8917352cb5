"""A run that is killed leaves no lie behind, and the next one goes on where it was.

`bench.crash` kills at random moments. The moments that chance hardly hits are between two calls to
the system; there the run kills itself.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.catalog import DOCUMENT, Asset, Catalog
from bench.crash import crash, running
from stac_asset.destinations.local.part_names import part_paths
from stac_asset.testing import Changed, Chunked, Origin

SIZE = 300_000
ASSET = Asset("item", "band", SIZE, described=False)
DESCRIBED = Asset("item", "band", SIZE, described=True)

BEFORE_THE_RENAME = ("os.rename",)
AFTER_THE_RENAME = ("os.rename", "os.remove")
BEFORE_THE_DOCUMENT = ("os.rename", "os.rename")

Run = Callable[..., int]


def test_ten_kills_lose_nothing_and_waste_little() -> None:
    figures = crash(kills=10, seed=4, rate=768 * 1024)
    assert list(figures.problems()) == []
    assert figures.kills == 10
    # They hit what they were meant to hit: many transfers at a time, most of them continued later.
    assert figures.connections > 40
    assert figures.parts > 40


@pytest.fixture
def run(origin: Origin, tmp_path: Path) -> Run:
    """Downloads one asset in a process that may kill itself, and returns its exit code."""

    def download(asset: Asset, *die_at: str) -> int:
        document = tmp_path / "source.json"
        document.write_text(json.dumps(Catalog((asset,)).document(origin.href)))
        options = ("--die-at", *die_at) if die_at else ()
        with running(document, tmp_path / "out", *options) as process:
            return process.wait()

    return download


def sent(origin: Origin) -> list[tuple[int, str | None, int]]:
    return [(get.status, get.range, get.body_sent) for get in origin.gets()]


def assert_done(asset: Asset, directory: Path) -> None:
    catalog = Catalog((asset,))
    assert catalog.wrong(directory) == []
    assert catalog.leftovers(directory) == []
    assert list(catalog.document_errors(directory)) == []


@pytest.mark.parametrize("asset", [ASSET, DESCRIBED], ids=["plain", "described"])
@pytest.mark.parametrize("sized", [True, False], ids=["sized", "chunked"])
def test_whole_part_file_is_not_fetched_again(
    origin: Origin, tmp_path: Path, run: Run, asset: Asset, sized: bool
) -> None:
    if not sized:
        origin.fault(asset.path, Chunked(), times=0)
    directory = tmp_path / "out"
    part, note = part_paths(asset.file(directory))
    assert run(asset, *BEFORE_THE_RENAME) == -signal.SIGKILL
    assert part.stat().st_size == SIZE
    assert note.exists()
    assert not asset.file(directory).exists()
    assert run(asset) == 0
    assert sent(origin) == [(200, None, SIZE), (206, f"bytes={SIZE - 1}-", 1)]
    assert_done(asset, directory)


def test_whole_part_file_of_a_source_that_changed_is_fetched_again(
    origin: Origin, tmp_path: Path, run: Run
) -> None:
    assert run(ASSET, *BEFORE_THE_RENAME) == -signal.SIGKILL
    origin.fault(ASSET.path, Changed())
    assert run(ASSET) == 0
    assert sent(origin) == [(200, None, SIZE), (200, f"bytes={SIZE - 1}-", SIZE)]
    got = ASSET.file(tmp_path / "out").read_bytes()
    assert got == origin.content(f"{ASSET.path}?size={SIZE}")


def test_part_file_whose_note_was_being_written_is_fetched_again(
    origin: Origin, tmp_path: Path, run: Run
) -> None:
    directory = tmp_path / "out"
    assert run(ASSET, *BEFORE_THE_RENAME) == -signal.SIGKILL
    _, note = part_paths(ASSET.file(directory))
    note.write_bytes(note.read_bytes()[:20])
    assert run(ASSET) == 0
    assert sent(origin) == [(200, None, SIZE), (200, None, SIZE)]
    assert_done(ASSET, directory)


def test_note_beside_a_finished_file_is_removed(origin: Origin, tmp_path: Path, run: Run) -> None:
    directory = tmp_path / "out"
    part, note = part_paths(ASSET.file(directory))
    assert run(ASSET, *AFTER_THE_RENAME) == -signal.SIGKILL
    assert ASSET.file(directory).exists()
    assert note.exists()
    assert not part.exists()
    assert run(ASSET) == 0
    assert len(origin.gets()) == 1
    assert_done(ASSET, directory)


def test_document_is_written_by_the_next_run(origin: Origin, tmp_path: Path, run: Run) -> None:
    directory = tmp_path / "out"
    assert run(ASSET, *BEFORE_THE_DOCUMENT) == -signal.SIGKILL
    assert not (directory / DOCUMENT).exists()
    assert len(Catalog((ASSET,)).leftovers(directory)) == 1
    assert run(ASSET) == 0
    assert len(origin.gets()) == 1
    assert_done(ASSET, directory)
