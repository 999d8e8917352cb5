"""The flow that asks the sources of assets what they have, and downloads nothing."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Annotated, Any

import ijson
import pystac
from prefect import get_run_logger
from prefect.states import Completed

from prefect_stac_asset.flows.check.artifacts import artifacts_written
from prefect_stac_asset.flows.check.result import CheckResult
from prefect_stac_asset.flows.execution.library_logs import send_library_logs
from prefect_stac_asset.flows.execution.run_names import run_name
from prefect_stac_asset.flows.execution.session import open_session
from prefect_stac_asset.flows.execution.states import COMPLETED_WITH_WARNINGS
from prefect_stac_asset.flows.orchestration.clients import RequiredClients
from prefect_stac_asset.flows.orchestration.existence import ask_units
from prefect_stac_asset.flows.orchestration.sources import ItemSource, open_items, options_for
from prefect_stac_asset.flows.orchestration.units import Unit
from prefect_stac_asset.flows.parameters.credentials import Credentials
from prefect_stac_asset.flows.parameters.flow import asset_flow
from prefect_stac_asset.flows.parameters.form import titled
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from prefect_stac_asset.flows.reporting.report_file import open_rows, report_location
from prefect_stac_asset.flows.reporting.warnings import WarningLog
from stac_asset import Config
from stac_asset.errors import DownloadError, SourceError
from stac_asset.plan.planner import Owner, Planner
from stac_asset.stac.parse import stac_of

_OF_ITEMS = {".ndjson", ".jsonl", ".geojsonl", ".geojsonseq", ".parquet", ".geoparquet"}
"""The suffixes of item collections that are not one JSON document."""


@asset_flow(name="check-assets", flow_run_name=run_name("check"))
async def check_assets(
    source: str,
    options: DownloadOptions | None = None,
    granularity: Granularity = "auto",
    report: str | None = None,
    credentials: Annotated[Credentials, titled("Credentials")] = None,
) -> CheckResult:
    """Asks of each asset whether it exists, and what it weighs. Downloads nothing.

    Args:
        source: An item, a collection or an item collection: the href of its document, or its
            JSON text. From Python, a pystac object as well.
        options: Which assets, and how to ask.
        granularity: What a task run is: an `asset`, a `batch` of whole items, or `auto`: an asset
            up to 200 assets, and a batch beyond.
        report: The path of a report to write: newline-delimited JSON, a row an asset.
        credentials: Saved blocks that hold credentials, one or several. The first one that is
            for an href is used for it.

    Returns:
        How many assets exist, and how many bytes they are.

    Raises:
        SourceError: The source cannot be read, or is no STAC.
        MissingCredentialError: A credential is missing.
        DownloadError: Assets do not exist, or cannot be asked for.
    """
    started = time.monotonic()
    options = options_for(source, options)
    config = options.config()
    send_library_logs()
    result, errors, warned = CheckResult(), list[Exception](), WarningLog(config.warn)
    limit = options.max_concurrent_downloads
    with tempfile.TemporaryDirectory(prefix="stac-asset-") as scratch:
        async with open_session(config, limit, credentials) as session:
            owners = _owners(await open_items(source, session, Path(scratch)))
            total, planned, hosts = 0, 0, RequiredClients(session.clients)
            for unit in _units(owners, config):
                total += len(unit.transfers)
                planned += len(unit.planned)
                hosts.add(unit.transfers)
            await hosts.resolve(options)
            units = _units(owners, config)
            work = ask_units(units, total, granularity, options, session)
            async with artifacts_written(result, planned):
                with open_rows(report) as write_row:
                    async with aclosing(work) as done:
                        async for found in done:
                            result.add(found)
                            write_row(found.row())
                            if found.error is not None:
                                errors.append(found.error)
                                warned.add(found.owner, found.key, found.error)
                result.report = report_location(report)
                warned.finish(result.report)
                result.seconds = round(time.monotonic() - started, 3)
    get_run_logger().info("%s", result.summary())
    state: CheckResult = _state(errors, config.warn, result)
    return state


def _owners(source: ItemSource) -> Iterable[Owner]:
    """Returns what has the assets: one object, or the items of a collection, read one at a time.

    Raises:
        SourceError: It cannot be read, or is no STAC.
    """
    if source.path.suffix.lower() in _OF_ITEMS:
        return source
    try:
        with source.path.open("rb") as file, suppress(ijson.JSONError):
            if next(ijson.items(file, "type"), None) == "FeatureCollection":
                return source
        # What is no JSON is told in fewer words here.
        document = json.loads(source.path.read_bytes())
    except OSError as error:
        raise SourceError(f"'{source.name}' cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise SourceError(f"'{source.name}' is no JSON: {error}") from None
    stac = stac_of(document, source.base, source.name)
    return list(stac) if isinstance(stac, pystac.ItemCollection) else [stac]


def _units(owners: Iterable[Owner], config: Config) -> Iterator[Unit]:
    planner = Planner(Path(), config)
    for number, owner in enumerate(owners):
        planned = (
            planner.asset(key, asset, owner)
            for key, asset in owner.assets.items()
            if planner.wants(key)
        )
        yield Unit(number, owner, tuple(planned))


def _state(errors: list[Exception], warn: bool, result: CheckResult) -> Any:
    """Returns the state of the flow; Prefect unwraps it to the result.

    Raises:
        DownloadError: Assets do not exist, unless that is a warning.
    """
    if not errors:
        return Completed(message=result.summary(), data=result)
    error = DownloadError(errors, total=result.total)
    if not warn:
        raise error
    return Completed(name=COMPLETED_WITH_WARNINGS, message=str(error), data=result)
