"""Texts of runs that have no assets to download or to check."""

from __future__ import annotations

from prefect_stac_asset.flows import DownloadResult
from prefect_stac_asset.flows.check.result import CheckResult
from prefect_stac_asset.flows.reporting.artifacts import summary
from prefect_stac_asset.flows.reporting.flow_state import flow_state
from prefect_stac_asset.flows.reporting.statistics import Statistics


def empty_result() -> DownloadResult:
    return DownloadResult(
        directory="/data",
        document="/data/item.json",
        report="/data/item.report.ndjson",
        downloaded=0,
        skipped=0,
        failed=0,
        bytes=0,
        seconds=0.1,
        notices=["Assets without an href are not downloaded: asset 'a' of item 'x'"],
    )


def test_state_of_run_without_assets_says_so() -> None:
    result = empty_result()
    assert result.summary() == "no assets to download"
    state = flow_state([], 0, warn=False, result=result)
    assert state.message == f"No assets to download. {result.notices[0]}"


def test_summary_of_run_without_assets_says_so() -> None:
    assert summary(Statistics(0, None), empty_result()).startswith("# No assets to download\n")


def test_check_without_assets_says_so() -> None:
    assert CheckResult().summary() == "no assets to check"
