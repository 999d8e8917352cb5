"""Runs of the flow `audit` on a real Prefect server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prefect_stac_asset import flows
from prefect_stac_asset.flows import AuditResult, DownloadOptions, Search
from prefect_stac_asset.flows.auditing.reporting import AUDIT
from prefect_stac_asset.flows.execution.event_names import AUDIT_COMPLETED
from prefect_stac_asset.flows.reporting.artifacts import PROGRESS
from stac_asset.errors import AuditError, SourceError
from stac_asset.testing import Origin
from tests.support.mirror_runs import build_item, run_mirror, serve_items
from tests.support.prefect_reads import read_artifacts, read_back, read_events
from tests.support.push_gateway import push_gateway

OPTIONS = DownloadOptions(retry_wait=0.01, http_max_attempts=2)


async def test_differences_fail_the_flow_until_they_are_repaired(
    origin: Origin, tmp_path: Path
) -> None:
    items = [build_item(origin, name, "a", "b") for name in ("one", "two", "gone")]
    href = serve_items(origin, items)
    mirror, report = tmp_path / "mirror", tmp_path / "report.ndjson"
    await run_mirror(mirror, href)
    serve_items(origin, [*items[:2], build_item(origin, "new")])
    (mirror / "things/one/a.tif").write_bytes(b"short")
    origin.forget()

    with push_gateway() as gateway:
        options = OPTIONS.model_copy(update={"metrics": gateway.url})
        state = await flows.audit(
            href, str(mirror), options=options, report=str(report), return_state=True
        )
    (metrics,) = gateway.pushed.values()
    labels = 'deployment="none",flow="audit"'
    for result, count in (("missing", 1), ("corrupt", 1), ("extra", 1), ("outdated", 0)):
        assert f'stac_asset_check_results{{{labels},result="{result}"}} {count}.0' in metrics
    assert f"stac_asset_mirror_complete{{{labels}}} 0.0" in metrics
    run, _ = await read_back(state, 0)
    assert run.name == f"audit items.json to {mirror}"
    assert run.state is not None
    assert (run.state.name, run.state.type.value) == ("Failed", "FAILED")
    error = await state.aresult(raise_on_failure=False)
    assert isinstance(error, AuditError)
    assert error.count == 3
    assert origin.gets("*.tif") == []
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    expected = {("missing", "new"), ("corrupt", "one"), ("extra", "gone")}
    assert {(row["state"], row["item"]) for row in rows} == expected
    artifacts = await read_artifacts(state)
    progress = artifacts[PROGRESS]
    assert (progress["data"], progress["description"]) == (
        100.0,
        "3 items of the source compared, 3 items in the mirror, 3 differences",
    )
    artifact = artifacts[AUDIT]
    assert artifact["description"] == (
        "The mirror is not complete: 1 of 3 items of the source are up to date; 1 missing, 1 extra,"
        " 1 corrupt."
    )
    assert {row["item"] for row in json.loads(artifact["data"])} == {"new", "one", "gone"}
    (event,) = await read_events(AUDIT_COMPLETED, state, 1)
    assert event["resource"]["stac-asset.complete"] == "false"
    assert event["payload"]["missing"] == 1

    warn = OPTIONS.model_copy(update={"warn": True})
    state = await flows.audit(href, str(mirror), options=warn, repair=True, return_state=True)
    # Three assets, of which one exists, and the client.
    run, _ = await read_back(state, 4)
    assert run.state is not None
    assert run.state.name == "CompletedWithWarnings"
    result = await state.aresult()
    assert (result.complete, result.extra, result.repaired) == (True, 1, 2)
    assert (mirror / "things/one/a.tif").read_bytes() == origin.content("/one/a.tif?size=100")
    assert AuditResult.model_validate_json(result.model_dump_json()) == result

    state = await flows.audit(
        href, str(mirror), options=OPTIONS, repair=True, on_removed="delete", return_state=True
    )
    run, _ = await read_back(state, 0)
    assert run.state is not None
    assert (run.state.name, run.state.message) == (
        "Repaired",
        "3 of 3 items of the source are up to date; 1 repaired",
    )
    assert not (mirror / "things/gone").exists()
    result = await flows.audit(href, str(mirror), Search(ids=["new"]), OPTIONS)
    assert (result.complete, result.found, result.mirrored, result.first) == (True, 1, 3, [])
    with pytest.raises(SourceError, match="has no files"):
        await flows.audit(href, str(tmp_path / "other"), options=OPTIONS)


async def test_files_with_wrong_content_are_repaired_in_task_runs(
    origin: Origin, tmp_path: Path
) -> None:
    href = serve_items(origin, [build_item(origin, "one", "a", "b")])
    await run_mirror(tmp_path, href)
    (tmp_path / "things/one/a.tif").write_bytes(b"x" * 100)
    assert (await flows.audit(href, str(tmp_path), options=OPTIONS)).complete
    state = await flows.audit(
        href, str(tmp_path), options=OPTIONS, read_files=True, repair=True, return_state=True
    )
    run, _ = await read_back(state, 2)
    assert run.state is not None
    assert run.state.name == "Repaired"
    content = origin.content("/one/a.tif?size=100")
    assert (tmp_path / "things/one/a.tif").read_bytes() == content
