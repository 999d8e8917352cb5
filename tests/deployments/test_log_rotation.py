"""Rotation of the log files of `make up`."""

from __future__ import annotations

from pathlib import Path

from prefect_stac_asset.deployments.log_rotation import (
    COPIES,
    MAX_SIZE,
    rotate_logs,
    rotate_logs_in_thread,
)
from tests.support.processes import block_until


def test_large_logs_are_copied_and_the_oldest_copy_is_removed(tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text("small")
    with (tmp_path / "server.log").open("ab", buffering=0) as process:
        for number in range(COPIES + 2):
            process.write(f"{number}".encode() * 10)
            rotate_logs(tmp_path, max_size=10)
        process.write(b"end")
    copies = {path.name: path.read_text()[:1] for path in tmp_path.glob("server.log.*")}
    assert copies == {f"server.log.{1 + age}": str(COPIES + 1 - age) for age in range(COPIES)}
    assert (tmp_path / "server.log").read_text() == "end"
    assert (tmp_path / "worker.log").read_text() == "small"


def test_logs_are_rotated_while_the_server_is_running(tmp_path: Path) -> None:
    rotate_logs_in_thread(tmp_path, interval=0.01)
    with (tmp_path / "server.log").open("wb") as log:
        log.truncate(MAX_SIZE)
    block_until(lambda: (tmp_path / "server.log").stat().st_size == 0)
    assert (tmp_path / "server.log.1").stat().st_size == MAX_SIZE
