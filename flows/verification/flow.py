"""The flow that verifies a directory of downloads, and repairs it if it is told to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import aclosing
from typing import Annotated, Any

from prefect import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed

from prefect_stac_asset.flows.execution.library_logs import send_library_logs
from prefect_stac_asset.flows.execution.run_names import name_of
from prefect_stac_asset.flows.execution.session import open_session
from prefect_stac_asset.flows.execution.states import COMPLETED_WITH_WARNINGS
from prefect_stac_asset.flows.orchestration.clients import RequiredClients
from prefect_stac_asset.flows.orchestration.units import Unit, download_units
from prefect_stac_asset.flows.parameters.credentials import Credentials, missing_credential
from prefect_stac_asset.flows.parameters.flow import asset_flow
from prefect_stac_asset.flows.parameters.form import titled
from prefect_stac_asset.flows.parameters.options import DownloadOptions, Granularity
from prefect_stac_asset.flows.reporting.report_file import open_rows, report_location
from prefect_stac_asset.flows.verification.result import VerifyResult
from stac_asset.concurrency import bounded, in_thread
from stac_asset.errors import MissingCredentialError
from stac_asset.types import Failed
from stac_asset.verify.check import FILES_AT_ONCE, check_all
from stac_asset.verify.inventory import Inventory, take_inventory
from stac_asset.verify.repair import Unrepairable, after_repair, plan_repairs, repair_config
from stac_asset.verify.results import Bad, Corrupt, Missing, OutOfBounds, Summary, Verdict, is_good

REPAIRED = "Repaired"
"""The state of a verification that found bad files, and leaves none."""

_STATES = ("verified", "unverifiable", "missing", "wrong", "refused", "elsewhere")

_SHOWN = 100
"""How many paths of a kind a result names."""


def _run_name() -> str:
    return name_of(f"verify {flow_run.parameters['directory']}")


@asset_flow(name="verify", flow_run_name=_run_name)
async def verify(
    directory: Annotated[str, titled("Directory")],
    repair: Annotated[bool, titled("Repair")] = False,
    options: Annotated[DownloadOptions | None, titled("Options")] = None,
    granularity: Annotated[Granularity, titled("Task runs")] = "auto",
    report: Annotated[str | None, titled("Report")] = None,
    credentials: Annotated[Credentials, titled("Credentials")] = None,
) -> VerifyResult:
    """Verifies the files of a directory by the sizes and checksums that its documents say.

    The documents are all STAC items, collections and item collections below the directory that
    are no assets themselves. What lies outside of it is neither read nor repaired.

    Args:
        directory: The directory that a download flow wrote, or one that holds several of them.
        repair: Whether files that are missing or wrong are downloaded again, from the sources
            that the documents name. The documents stay as they are, and what they say holds.
        options: How to download. With `warn`, what is bad leaves the flow Completed. Only with
            `allow_local_hrefs` may a source name files of this machine.
        granularity: What a task run of the repair is: an `asset`, a `batch`, or `auto`.
        report: The path of a report to write: newline-delimited JSON, a row an asset.
        credentials: Saved blocks that hold credentials, one or several, for repairs. The first
            one that is for an href is used for it.

    Returns:
        How many files are good, how many are not, and what is left over.

    Raises:
        SourceError: There is no such directory, or no STAC document in it.
        MissingCredentialError: A credential is missing for a repair; nothing was repaired.
        VerifyError: Files are missing or wrong; and with `repair`, still are.
    """
    started = time.monotonic()
    options = options or DownloadOptions()
    send_library_logs()
    options.config()  # Contradictions are heard of first.
    inventory = await in_thread(take_inventory, directory)
    summary, bad = Summary(inventory.unreadable), list[Bad]()
    with open_rows(report) as write_row:
        async with aclosing(check_all(inventory)) as verdicts:
            async for verdict in verdicts:
                if repair and isinstance(verdict, Missing | Corrupt | OutOfBounds):
                    bad.append(verdict)
                else:
                    write_row(summary.add(verdict))
        if bad:
            get_run_logger().info("%d files are to be repaired", len(bad))
            mended = await _repair(bad, inventory, options, granularity, credentials)
            for verdict, repaired in mended:
                write_row(summary.add(verdict, repaired))
    result = VerifyResult(
        directory=str(inventory.directory),
        documents=len(inventory.documents),
        **{state: summary.counts[state] for state in _STATES},
        repaired=summary.repaired,
        bytes=summary.bytes,
        bad=summary.first,
        unreadable=[found.path for found in inventory.unreadable[:_SHOWN]],
        leftovers=list(inventory.leftovers[:_SHOWN]),
        report=report_location(report),
        seconds=round(time.monotonic() - started, 3),
    )
    if inventory.leftovers:
        count, first = len(inventory.leftovers), inventory.leftovers[0]
        get_run_logger().warning("%d part files are left over, such as %s", count, first)
    state: VerifyResult = _state(summary, options.warn, result)
    return state


async def _repair(
    bad: Sequence[Bad],
    inventory: Inventory,
    options: DownloadOptions,
    granularity: Granularity,
    credentials: Credentials,
) -> list[tuple[Verdict, bool]]:
    """Returns what is found of bad files in the end, and whether they were downloaded again.

    Raises:
        MissingCredentialError: A credential is missing.
    """
    config = repair_config(options.config())
    options = options.model_copy(
        update={"overwrite": config.overwrite, "allow_local_hrefs": config.allow_local_hrefs}
    )
    errors: dict[str, Exception] = {}
    units: list[Unit] = []
    limit = options.max_concurrent_downloads
    async with open_session(config, limit, credentials) as session:
        hosts = RequiredClients(session.clients)
        async for planned in plan_repairs(bad, inventory, session.clients, config):
            if isinstance(planned, Unrepairable):
                _check_source(planned, bad)
                errors[planned.path] = planned.error
            else:
                unit = Unit(len(units), planned.owner, (planned.transfer,))
                hosts.add(unit.transfers)
                units.append(unit)
        if units:
            await hosts.resolve(options)
        work = download_units(units, len(units), granularity, options, session)
        async with aclosing(work) as done:
            async for _, outcomes in done:
                for outcome in outcomes:
                    if isinstance(outcome, Failed) and outcome.transfer is not None:
                        errors[outcome.transfer.path] = outcome.error

    async def look(verdict: Bad) -> tuple[Verdict, bool]:
        now = await in_thread(after_repair, verdict, inventory, errors)
        return now, is_good(now)

    async with aclosing(bounded(look, bad, FILES_AT_ONCE)) as found:
        return [entry async for entry in found]


def _check_source(planned: Unrepairable, bad: Sequence[Bad]) -> None:
    """Makes sure that it is not a credential that the source of a repair cannot be read for.

    Raises:
        MissingCredentialError: It is.
    """
    if isinstance(planned.error.__cause__, MissingCredentialError):
        found = (
            one for one in bad if not isinstance(one, OutOfBounds) and one.path == planned.path
        )
        raise missing_credential(next(found).asset.source or "", planned.error.__cause__)


def _state(summary: Summary, warn: bool, result: VerifyResult) -> Any:
    """Returns the state of the flow; Prefect unwraps it to the result.

    Raises:
        VerifyError: Files are bad, unless that is a warning.
    """
    error = summary.error
    if error is None:
        name = REPAIRED if summary.repaired else None
        return Completed(name=name, message=str(summary), data=result)
    if not warn:
        raise error
    return Completed(name=COMPLETED_WITH_WARNINGS, message=str(error), data=result)
