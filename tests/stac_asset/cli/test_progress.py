"""Progress bars of downloads and mirrors on a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from stac_asset.testing import Delay, Origin
from tests.support.cli import COMMAND
from tests.support.items import item_document


@pytest.mark.parametrize("command", ["download", "sync"])
def test_progress_bar_is_shown_on_terminal(origin: Origin, tmp_path: Path, command: str) -> None:
    items = {
        "type": "FeatureCollection",
        "features": [item_document(origin, "a", "b", "c")],
    }
    href = origin.put("/items.json", json.dumps(items).encode())
    origin.remove("/c.tif")
    origin.fault("*.tif", Delay(0.01), times=0)
    terminal, other_end = pty.openpty()
    command_line = [*COMMAND, command, href, str(tmp_path), "-v"]
    environment = os.environ | ({"NO_COLOR": "1"} if command == "sync" else {})
    with subprocess.Popen(
        command_line, stdout=subprocess.PIPE, stderr=other_end, env=environment
    ) as process:
        os.close(other_end)
        shown = b""
        while True:
            try:
                shown += os.read(terminal, 65536)
            except OSError:  # Linux raises EIO after the other end is closed.
                break
        os.close(terminal)
        assert process.stdout is not None
        output = process.stdout.read().decode()
    assert process.returncode == 1
    assert b"3/3" in shown
    assert b"downloaded: asset 'a' of item 'the-item'" in shown
    if command == "download":
        assert b"\x1b[31merror:\x1b[0m 1 of 3 assets failed" in shown
        [item] = json.loads(output)["features"]
        assert list(item["assets"]) == ["a", "b"]
    else:
        assert b"error: 1 of 3 assets failed" in shown
        assert b"\x1b[3" not in shown, "a color"
        assert output == f"{tmp_path / 'catalog.json'}\n"
