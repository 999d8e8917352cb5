"""OpenTelemetry spans of runs, batches, assets and requests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.execution.session import open_session
from prefect_stac_asset.flows.execution.traces import open_traces
from stac_asset import Config
from stac_asset.testing import Origin, Status
from stac_asset.types import Candidate, Transfer
from tests.support.items import item_document
from tests.support.spans import by_name, recorded_spans


def parent_id(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent is not None else None


def span_id(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def trace_id(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.trace_id


async def test_run_batch_assets_and_requests_have_nested_spans_without_secrets(
    origin: Origin, tmp_path: Path
) -> None:
    document = item_document(origin, "a", "b", "c")
    for key, asset in document["assets"].items():
        asset["href"] = origin.href(f"/{key}.tif?sig=SECRET")
    origin.fault("/a.tif", Status(503), times=1)
    origin.remove("/b.tif")
    href = origin.put("/item.json", json.dumps(document).encode())
    options = DownloadOptions(retry_wait=0.01, warn=True)
    with recorded_spans() as exporter:
        state = await flows.download_item(
            href, str(tmp_path), options, granularity="batch", return_state=True
        )
        spans = by_name(exporter)
    (run,) = spans["run download-item"]
    (batch,) = spans["batch"]
    assets = {(span.attributes or {})["stac_asset.asset"]: span for span in spans["asset"]}
    # Prefect has a span of its own between the run and the task run of the batch.
    assert trace_id(batch) == trace_id(run)
    assert {parent_id(span) for span in assets.values()} == {span_id(batch)}
    requests = {key: [] for key in assets}  # type: ignore[var-annotated]
    for span in spans["request"]:
        (key,) = [key for key, asset in assets.items() if span_id(asset) == parent_id(span)]
        requests[key].append(span)
    assert {key: len(found) for key, found in requests.items()} == {"a": 2, "b": 1, "c": 1}
    attributes = dict(assets["a"].attributes or {})
    assert attributes["stac_asset.outcome"] == "downloaded"
    assert attributes["stac_asset.attempts"] == 2
    assert attributes["stac_asset.owner"] == "item 'the-item'"
    assert attributes["stac_asset.flow_run_id"] == str(state.state_details.flow_run_id)
    request = dict(requests["c"][0].attributes or {})
    assert request["server.address"] == "127.0.0.1"
    assert request["url.full"] == f"{origin.href('/c.tif')}?…"
    assert not assets["b"].status.is_ok
    assert "404 Not Found" in (assets["b"].status.description or "")
    assert not requests["a"][0].status.is_ok
    text = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert "SECRET" not in text


async def test_span_of_a_cancelled_or_failed_run_ends(origin: Origin, tmp_path: Path) -> None:
    with recorded_spans() as exporter:
        with pytest.raises(ValueError, match="secret"):
            # A repair opens another session in its run, which has one span.
            async with open_session(Config(), 1), open_session(Config(), 1):
                raise ValueError("secret https://example.com/a?sig=SECRET")
        (span,) = exporter.get_finished_spans()
    assert not span.status.is_ok
    assert (span.attributes or {})["error.type"] == "ValueError"
    assert "SECRET" not in span.to_json()


async def test_without_tracer_the_engine_uses_the_clients_themselves(
    origin: Origin, tmp_path: Path
) -> None:
    assert open_traces() is None
    async with open_session(Config(), 1) as session:
        assert session.traces is None
        assert session.engine._clients is session.clients
        href = origin.put("/a.tif", b"data")
        path = str(tmp_path / "a.tif")
        transfer = Transfer("item 'i'", "a", (Candidate(href, path),), str(tmp_path))
        assert (await session.download(transfer)).state == "downloaded"
