"""`make demo` with real items, generated items and invalid input."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pystac
import pytest

from stac_asset.stac.parse import load_stac
from stac_asset.testing import Origin
from tests.support.paths import ROOT
from tests.support.prefect_databases import make_prefect_home
from tests.support.prefect_environment import PREPARED_PYTHON, import_path
from tests.support.server_logs import checked_log

sys.path.insert(0, str(ROOT / "examples"))

import make_data


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy of the examples in an empty folder."""
    folder = tmp_path / "project"
    (folder / "examples").mkdir(parents=True)
    shutil.copytree(ROOT / "examples", folder / "examples", dirs_exist_ok=True)
    return folder


def run_demo(
    folder: Path, *arguments: str, provoked: tuple[str, ...] = (), is_first: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run the demo, and check the log of the flow runs and of the embedded server.

    Args:
        folder: Folder of the copied examples.
        arguments: Arguments of the demo.
        provoked: Regular expressions for the errors that the test expects in the log.
        is_first: Whether the server creates the database, as in the first demo of a user.
    """
    if not is_first:
        make_prefect_home(folder / ".demo" / "prefect")
    command = [*PREPARED_PYTHON, str(folder / "examples" / "demo.py"), *arguments]
    with checked_log(folder / ".demo" / "prefect.log", *provoked):
        return subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": import_path()},
            capture_output=True,
            text=True,
            check=False,
        )


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_demo_downloads_real_items(checkout: Path, shared_data: Path) -> None:
    (checkout.parent / "shared").symlink_to(shared_data.parent)
    done = run_demo(checkout)
    assert (done.returncode, done.stderr) == (0, "")
    assert "23 downloaded, 0 skipped, 0 failed: 328,367,712 bytes" in done.stdout
    assert "23 of 23 files are identical to the served files" in done.stdout
    assert len(re.findall(r"/runs/flow-run/[0-9a-f-]{36}", done.stdout)) == 2
    assert "make ui" in done.stdout
    assert not re.search("traceback|warning|error", done.stdout, re.I)
    (real,) = (checkout / ".demo" / "data").glob("S2A_*/S2A_*.json")
    item = load_stac(real)
    assert isinstance(item, pystac.Item)
    for asset in item.assets.values():
        file = real.parent / asset.href
        assert file.stat().st_size == asset.extra_fields["file:size"]
        assert f"1220{digest(file)}" == asset.extra_fields["file:checksum"]
    image = checkout / ".demo" / "data" / "simple-item-with-image" / "20201211_223832_CS2.jpg"
    assert digest(image) == digest(shared_data / image.name)


def test_demo_without_real_items_downloads_examples(checkout: Path) -> None:
    done = run_demo(checkout, is_first=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("3 of 3 files are identical to the served files") == 2
    for source in (checkout / "examples" / "data").glob("*.tif"):
        (copy,) = (checkout / ".demo" / "data").glob(f"*/{source.name}")
        assert digest(copy) == digest(source)


def test_demo_reports_error_for_missing_item(checkout: Path, origin: Origin) -> None:
    href = origin.href("/missing.json")
    origin.remove("/missing.json")
    failed = r"Encountered exception during execution: .*404|Finished in state .*404"
    done = run_demo(checkout, href, provoked=(rf"Flow run 'download [^']+' - ({failed})",))
    assert done.returncode == 1, done.stdout
    (error,) = done.stderr.splitlines()
    assert href in error
    assert "404" in error
    assert not (checkout / ".demo" / "data").exists()


def test_example_data_equals_generated_data(tmp_path: Path) -> None:
    make_data.make_data(tmp_path)
    committed = sorted((ROOT / "examples" / "data").iterdir())
    generated = sorted(tmp_path.iterdir())
    assert [file.name for file in generated] == [file.name for file in committed]
    assert [digest(file) for file in generated] == [digest(file) for file in committed]
    for document in tmp_path.glob("*.json"):
        assert len(pystac.Item.from_file(str(document)).assets) == 3


def test_ui_uses_port() -> None:
    done = subprocess.run(
        ["make", "-n", "ui", "PORT=4300"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "prefect_stac_asset.deployments server --host 127.0.0.1 --port 4300" in done.stdout
    assert "PREFECT_UI_API_URL=http://127.0.0.1:4300/api" in done.stdout
    assert "4200" not in done.stdout
