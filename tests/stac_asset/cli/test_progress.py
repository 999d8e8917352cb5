"""Progress bar of the downloads."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

from stac_asset.testing import Delay, Origin
from tests.support.cli import COMMAND
from tests.support.items import make_item


def test_progress_bar_is_shown_on_terminal(origin: Origin, tmp_path: Path) -> None:
    origin.remove("/c.tif")
    origin.fault("*.tif", Delay(0.01), times=0)
    terminal, other_end = pty.openpty()
    href = make_item(origin, "a", "b", "c")
    with subprocess.Popen(
        [*COMMAND, "download", href, str(tmp_path)], stdout=subprocess.PIPE, stderr=other_end
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
    assert b"1 of 3 assets failed" in shown
    assert "2 downloaded" in output
