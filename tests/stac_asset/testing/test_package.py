"""The public names and the example of the package `stac_asset.testing`."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

import stac_asset.testing
from stac_asset.testing import Fault
from tests.support.http_requests import send_request


def test_all_faults_are_public() -> None:
    names = {kind.__name__ for kind in get_args(Fault)}
    assert names < set(stac_asset.testing.__all__)
    assert all(hasattr(stac_asset.testing, name) for name in stac_asset.testing.__all__)
    assert len(names) == 17


def test_example_of_package_docstring_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Resumes, with a timeout that is shorter than the stall of the example.
    def download(href: str, name: str) -> None:
        data = b""
        while len(data) < 1_000_000:
            headers = {"Range": f"bytes={len(data)}-"} if data else {}
            data += send_request(href, timeout=3, **headers).body
        Path(name).write_bytes(data)

    monkeypatch.chdir(tmp_path)
    documented = str(stac_asset.testing.__doc__)
    lines = [line[4:] for line in documented.splitlines() if line.startswith("    ") or not line]
    exec("\n".join(lines), {"download": download, "Path": Path})
