"""Recovery after SIGKILL: the next run resumes, and no file is wrong.

`bench.crash` kills runs at random moments. Moments between two system calls are rarely hit. For
these, a run kills itself before a given call.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import victim
from bench.catalog import DOCUMENT, Asset, Catalog
from bench.crash import crash, running
from stac_asset.destinations.part_names import part_paths
from stac_asset.testing import Changed, Chunked, Origin

SIZE = 300_000
PLAIN = Asset("item", "band", SIZE, described=False)
DESCRIBED = Asset("item", "band", SIZE, described=True)

BEFORE_RENAME = ("os.rename",)
AFTER_RENAME = ("os.rename", "os.remove")
BEFORE_DOCUMENT = ("os.rename", "os.rename")

Run = Callable[..., int]


def test_kills_lose_no_file_and_repeat_few_bytes() -> None:
    figures = crash(kills=5, seed=4, rate=768 * 1024)
    assert list(figures.problems()) == []
    assert figures.kills == 5
    # The kills hit many transfers at a time, and most of these were resumed later.
    assert figures.connections > 20
    assert figures.parts > 20


@pytest.fixture
def run(origin: Origin, tmp_path: Path) -> Run:
    """A function that downloads an asset and returns the exit code.

    With given calls, the download runs in a process that kills itself before the last call.
    """

    def download(asset: Asset, *die_at: str) -> int:
        document = tmp_path / "source.json"
        document.write_text(json.dumps(Catalog((asset,)).document(origin.href)))
        if not die_at:
            victim.main([str(document), str(tmp_path / "out")])
            return 0
        with running(document, tmp_path / "out", "--die-at", *die_at) as process:
            return process.wait()

    return download


def responses(origin: Origin) -> list[tuple[int, str | None, int]]:
    """Return the status, the requested range and the body size of each response."""
    return [(get.status, get.range, get.body_sent) for get in origin.gets()]


def assert_complete(asset: Asset, directory: Path) -> None:
    """Check the asset file, the document, and the absence of part files."""
    catalog = Catalog((asset,))
    assert catalog.wrong(directory) == []
    assert catalog.leftovers(directory) == []
    assert list(catalog.document_errors(directory)) == []


@pytest.mark.parametrize("asset", [PLAIN, DESCRIBED], ids=["plain", "described"])
@pytest.mark.parametrize("sized", [True, False], ids=["sized", "chunked"])
def test_complete_part_file_is_not_downloaded_again(
    origin: Origin, tmp_path: Path, run: Run, asset: Asset, sized: bool
) -> None:
    if not sized:
        origin.fault(asset.path, Chunked(), times=0)
    directory = tmp_path / "out"
    part, note = part_paths(asset.file(directory))
    assert run(asset, *BEFORE_RENAME) == -signal.SIGKILL
    assert part.stat().st_size == SIZE
    assert note.exists()
    assert not asset.file(directory).exists()
    assert run(asset) == 0
    assert responses(origin) == [(200, None, SIZE), (206, f"bytes={SIZE - 1}-", 1)]
    assert_complete(asset, directory)


def test_complete_part_file_of_changed_source_is_downloaded_again(
    origin: Origin, tmp_path: Path, run: Run
) -> None:
    assert run(PLAIN, *BEFORE_RENAME) == -signal.SIGKILL
    origin.fault(PLAIN.path, Changed())
    assert run(PLAIN) == 0
    assert responses(origin) == [(200, None, SIZE), (200, f"bytes={SIZE - 1}-", SIZE)]
    data = PLAIN.file(tmp_path / "out").read_bytes()
    assert data == origin.content(f"{PLAIN.path}?size={SIZE}")


def test_part_file_with_incomplete_resume_note_is_downloaded_again(
    origin: Origin, tmp_path: Path, run: Run
) -> None:
    directory = tmp_path / "out"
    assert run(PLAIN, *BEFORE_RENAME) == -signal.SIGKILL
    _, note = part_paths(PLAIN.file(directory))
    note.write_bytes(note.read_bytes()[:20])
    assert run(PLAIN) == 0
    assert responses(origin) == [(200, None, SIZE), (200, None, SIZE)]
    assert_complete(PLAIN, directory)


def test_resume_note_of_complete_file_is_removed(origin: Origin, tmp_path: Path, run: Run) -> None:
    directory = tmp_path / "out"
    part, note = part_paths(PLAIN.file(directory))
    assert run(PLAIN, *AFTER_RENAME) == -signal.SIGKILL
    assert PLAIN.file(directory).exists()
    assert note.exists()
    assert not part.exists()
    assert run(PLAIN) == 0
    assert len(origin.gets()) == 1
    assert_complete(PLAIN, directory)


def test_document_is_written_by_next_run(origin: Origin, tmp_path: Path, run: Run) -> None:
    directory = tmp_path / "out"
    assert run(PLAIN, *BEFORE_DOCUMENT) == -signal.SIGKILL
    assert not (directory / DOCUMENT).exists()
    assert len(Catalog((PLAIN,)).leftovers(directory)) == 1
    assert run(PLAIN) == 0
    assert len(origin.gets()) == 1
    assert_complete(PLAIN, directory)
