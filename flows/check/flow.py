"""Flow `check_assets`: check that assets exist at the sources, without downloading files."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any

import pystac
from prefect import get_run_logger
from prefect.states import Completed

from prefect_stac_asset.flows.check.artifacts import artifacts_written
from prefect_stac_asset.flows.check.result import CheckResult
from prefect_stac_asset.flows.execution.flow import asset_flow
from prefect_stac_asset.flows.execution.library_logs import send_library_logs
from prefect_stac_asset.flows.execution.run_names import run_name
from prefect_stac_asset.flows.execution.session import open_session
from prefect_stac_asset.flows.execution.state_names import COMPLETED_WITH_WARNINGS
from prefect_stac_asset.flows.monitoring.check_metrics import open_check_metrics
from prefect_stac_asset.flows.orchestration.clients import RequiredClients
from prefect_stac_asset.flows.orchestration.existence import check_units
from prefect_stac_asset.flows.orchestration.sources import LocalItems, open_items, options_for
from prefect_stac_asset.flows.orchestration.units import Unit, is_batched, unit_of
from prefect_stac_asset.flows.parameters.credentials import Credentials
from prefect_stac_asset.flows.parameters.form import DESTINATION_OPTIONS, WithoutEffect, titled
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from prefect_stac_asset.flows.reporting.report_file import open_rows, report_location
from prefect_stac_asset.flows.reporting.warnings import WarningLog
from stac_asset.errors import DownloadError, SourceError
from stac_asset.plan.owners import Owner
from stac_asset.plan.planner import Planner
from stac_asset.stac.compression import decompressed
from stac_asset.stac.item_collections import InvalidItem, ReadItems
from stac_asset.stac.item_files import is_item_collection, is_item_stream
from stac_asset.stac.json_text import loads
from stac_asset.stac.local_facts import LOCAL_FACTS
from stac_asset.stac.parse import stac_of
from stac_asset.types import Failed, Transfer

_WITHOUT_EFFECT = WithoutEffect(
    frozenset(
        {
            "absolute_hrefs",
            "allow_empty_files",
            "check_content",
            "check_first",
            "check_free_space",
            "clean",
            "concurrency_limits",
            "error_strategy",
            "expected_speed",
            "file_name_strategy",
            "fsync",
            "http_check_content_type",
            "item_events",
            "lineage",
            "lineage_owners",
            "low_space_percent",
            "make_directory",
            "max_connections_per_file",
            "overwrite",
            "price_per_gb",
            "verify_existing",
            "write_checksums",
        }
    )
    | DESTINATION_OPTIONS
)
"""Options of downloads and of documents."""


@asset_flow(
    ("resolve_client", "check_asset_exists"), name="check-assets", flow_run_name=run_name("check")
)
async def check_assets(
    source: Annotated[str, titled("Source")],
    options: Annotated[DownloadOptions | None, titled("Options"), _WITHOUT_EFFECT] = None,
    granularity: Annotated[Granularity, titled("Task runs")] = "auto",
    report: Annotated[str | None, titled("Report")] = None,
    credentials: Annotated[Credentials, titled("Credentials")] = None,
) -> CheckResult:
    """Check that assets exist, and report their sizes. No asset is downloaded.

    Args:
        source: URL, local path or JSON text of an item, a collection or an item collection. In
            Python, a pystac object is also accepted.
        options: Options that select assets and configure requests.
        granularity: Work of one task run: an `asset`, a `batch` of whole items, or `auto`. With
            `auto`, runs of up to 200 assets use one task run per asset. Larger runs use batches.
        report: Path of a report to write: newline-delimited JSON with one row per asset.
        credentials: Saved credential blocks, one or several. Each URL uses the first block
            that applies to it.

    Returns:
        The number of existing and missing assets, and the total size.

    Raises:
        SourceError: The source cannot be read, or is not a STAC document.
        NoAssetsError: No asset matches `include`.
        MissingCredentialError: A required credential is not configured.
        DownloadError: Assets do not exist or could not be checked, and `warn` is not set.
    """
    started = time.monotonic()
    options = options_for(source, options)
    config = options.config()
    location = report_location(report)  # Report an unusable path before any request.
    send_library_logs()
    result, errors, warnings = CheckResult(), list[Exception](), WarningLog(config.warn)
    limit = options.max_concurrent_downloads
    with tempfile.TemporaryDirectory(prefix="stac-asset-") as scratch:
        async with (
            open_check_metrics(options) as metrics,
            open_session(config, limit, credentials, budgets=options.budgets) as session,
        ):
            owners = _owners(await open_items(source, session, Path(scratch)))
            total, planned, required = 0, 0, RequiredClients(session.clients)
            planner = Planner(Path(), config, LOCAL_FACTS)
            for unit in _units(owners, planner):
                total += len(unit.transfers)
                planned += len(unit.planned)
                required.add(unit.transfers)
            planner.check_selection()
            await required.resolve(options)
            warnings.tasks_log = not is_batched(total, granularity)
            units = _units(owners, planner)
            work = check_units(units, total, granularity, options, session)
            async with artifacts_written(result, planned):
                async with open_rows(location) as write_row, aclosing(work) as done:
                    async for found in done:
                        result.add(found)
                        write_row(found.row())
                        if found.error is not None:
                            errors.append(found.error)
                            has_task = found.href is not None
                            warnings.add(found.owner, found.key, found.error, has_task=has_task)
                result.report = str(location) if location is not None else None
                warnings.finish(result.report)
                result.seconds = round(time.monotonic() - started, 3)
                metrics.finish(result.counts(), config.warn or not errors)
    get_run_logger().info("%s", result.summary())
    state: CheckResult = _state(errors, config.warn, result)
    return state


def _owners(source: LocalItems) -> Iterable[Owner | InvalidItem]:
    """Return the items and collections of a source.

    Items of an item collection are read one at a time. A single STAC object is returned as a list.

    Raises:
        SourceError: The source cannot be read, or is not a STAC document.
    """
    if is_item_stream(source.path.name):
        return source
    try:
        if is_item_collection(source.path, source.name):
            return source
        document = loads(decompressed(source.path.read_bytes()), source.name)
    except OSError as error:
        raise SourceError(f"Cannot read '{source.name}': {error.strerror}.") from None
    except ValueError as error:
        raise SourceError(f"'{source.name}' is not valid JSON: {error}.") from None
    stac = stac_of(document, source.base, source.name)
    if isinstance(stac, ReadItems):
        return [*stac, *stac.invalid]
    return list(stac) if isinstance(stac, pystac.ItemCollection) else [stac]


def _units(owners: Iterable[Owner | InvalidItem], planner: Planner[Path]) -> Iterator[Unit]:
    for number, owner in enumerate(owners):
        yield unit_of(number, owner, _planned(owner, planner))


def _planned(owner: Owner | InvalidItem, planner: Planner[Path]) -> Iterator[Transfer | Failed]:
    if not isinstance(owner, InvalidItem):
        for key, asset in planner.selected(owner):
            yield planner.asset(key, asset, owner)


def _state(errors: list[Exception], warn: bool, result: CheckResult) -> Any:
    """Return the final state of the flow run. Prefect gives the caller the result in the state.

    Raises:
        DownloadError: Assets do not exist or could not be checked, and `warn` is not set.
    """
    if not errors:
        return Completed(message=result.summary(), data=result)
    error = DownloadError(errors, total=result.total)
    if not warn:
        raise error
    return Completed(name=COMPLETED_WITH_WARNINGS, message=str(error), data=result)
