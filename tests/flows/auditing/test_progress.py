"""The log lines about the progress of an audit."""

from __future__ import annotations

from prefect_stac_asset.flows.auditing.progress import ProgressLines
from stac_asset.audit.progress import AuditProgress


def test_line_is_logged_after_each_ten_thousand_files() -> None:
    progress = AuditProgress()
    lines = ProgressLines(progress)
    logged = []
    for files in (None, 0, 9_999, 10_000, 10_001, 25_000, 29_999, 30_000):
        progress.files = files
        logged.append(lines.line() is not None)
    assert logged == [False, False, False, True, False, True, False, True]


def test_second_comparison_logs_from_the_beginning() -> None:
    progress = AuditProgress()
    lines = ProgressLines(progress)
    for files, is_logged in ((20_000, True), (0, False), (10_000, True)):
        progress.files = files
        assert (lines.line() is not None) is is_logged
