"""Metrics of runs for Prometheus: values, labels, the served address and pushes."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from prefect_stac_asset import flows
from prefect_stac_asset.flows import DownloadOptions
from prefect_stac_asset.flows.monitoring.item_times import newest_moment
from prefect_stac_asset.flows.monitoring.metrics import Metrics, RunMetrics
from prefect_stac_asset.flows.monitoring.metrics_endpoint import (
    Push,
    Serve,
    metrics_target,
    open_metrics,
)
from scripts.site_pages.metric_page import metric_page
from stac_asset.errors import ConfigError, TransferError
from stac_asset.mirror.storage.local import LocalStorage
from stac_asset.notices import collect_notices
from stac_asset.testing import Origin, Status
from stac_asset.types import Candidate, Downloaded, Failed, Skipped, Transfer
from tests.support.http_client import CLIENT
from tests.support.items import make_item
from tests.support.paths import ROOT
from tests.support.push_gateway import push_gateway
from tests.support.servers import free_port

DASHBOARD = ROOT / "examples" / "grafana-dashboard.json"


def transfer(href: str = "https://example.com/secret-path.tif?sig=SECRET") -> Transfer:
    return Transfer("item 'an-item'", "data", (Candidate(href, "/data/x.tif"),), "/data")


def run_metrics() -> tuple[RunMetrics, CollectorRegistry]:
    registry = CollectorRegistry()
    return RunMetrics(Metrics(registry), "sync", "nightly"), registry


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    labels = {"flow": "sync", "deployment": "nightly"} | labels
    return registry.get_sample_value(f"stac_asset_{name}", labels)


def test_metrics_count_assets_bytes_seconds_and_queue() -> None:
    metrics, registry = run_metrics()
    one = transfer()
    metrics.begin(5)
    metrics.started()
    metrics.received(60)
    assert value(registry, "queued_assets") == 5
    metrics.ended(
        [
            Downloaded(one, one.candidates[0], 50, 40, 2.0),
            Skipped(one, one.candidates[0], 50),
            Failed("item 'an-item'", "data", TransferError("no"), one, received=20),
        ],
        datetime(2026, 6, 1, tzinfo=UTC),
    )
    metrics.newest(datetime(2026, 5, 1, tzinfo=UTC))
    for outcome in ("downloaded", "skipped", "failed"):
        assert value(registry, "assets_total", outcome=outcome) == 1
    assert value(registry, "received_bytes_total") == 60
    assert value(registry, "asset_seconds_sum") == 2
    assert value(registry, "asset_bytes_sum") == 50
    assert value(registry, "queued_assets") == 2
    newest = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
    assert value(registry, "newest_item_timestamp_seconds") == newest
    metrics.finish(is_successful=False, is_complete=False)
    assert value(registry, "queued_assets") == 0
    assert value(registry, "runs_total", result="failure") == 1
    assert value(registry, "mirror_complete") == 0
    assert value(registry, "last_success_timestamp_seconds") is None
    metrics.finish(is_successful=True, is_complete=True)
    assert value(registry, "last_success_timestamp_seconds") is not None


def test_bytes_and_retries_of_other_processes_are_counted_when_an_item_ends() -> None:
    metrics, registry = run_metrics()
    one = transfer()
    metrics.ended([Downloaded(one, one.candidates[0], 50, 40, 2.0, attempts=3)])
    assert value(registry, "received_bytes_total") == 40
    assert value(registry, "retries_total", host="example.com", reason="unknown") == 2


def test_labels_are_bounded_and_contain_no_href() -> None:
    metrics, registry = run_metrics()
    for number in range(100):
        href = f"https://user:SECRET@host-{number}.example.com/secret-path.tif?sig=SECRET"
        metrics.retried(transfer(href).candidates[0], "http_503")
    for href in ("/local/file", "https://[broken", "s3://bucket/secret-path"):
        metrics.retried(transfer(href).candidates[0], "stall")
    text = generate_latest(registry).decode()
    assert len(set(re.findall(r'retries_total\{.*host="([^"]*)"', text))) == 51
    assert value(registry, "retries_total", host="other", reason="http_503") == 50
    for secret in ("SECRET", "secret-path", "user", "/data"):
        assert secret not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9464", Serve("127.0.0.1", 9464)),
        ("0.0.0.0:9464", Serve("0.0.0.0", 9464)),
        ("[::1]:9464", Serve("::1", 9464)),
        ("http://gateway:9091", Push("http://gateway:9091")),
    ],
)
def test_option_is_an_address_or_a_url(text: str, expected: Serve | Push) -> None:
    assert metrics_target(DownloadOptions(metrics=text).metrics) == expected


@pytest.mark.parametrize("text", ["on", "http://user:pw@gateway", "http://gateway?token=x", ""])
def test_option_without_address_or_with_a_secret_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="`metrics` is not valid: "):
        DownloadOptions(metrics=text)


@pytest.mark.parametrize("text", ["0", "70000"])
def test_port_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=f"port {text}, which does not exist. Use for example"):
        metrics_target(text)


async def test_runs_of_a_process_share_an_address_that_is_closed_at_the_end() -> None:
    port = free_port()
    async with open_metrics(str(port), "sync", "a") as first:
        async with open_metrics(str(port), "sync", None) as second:
            assert first is not None
            assert second is not None
            first.received(10)
            second.received(20)
        text = CLIENT.get(f"http://127.0.0.1:{port}/metrics").text
    assert 'stac_asset_received_bytes_total{deployment="a",flow="sync"} 10.0' in text
    assert 'stac_asset_received_bytes_total{deployment="none",flow="sync"} 20.0' in text
    with closing(socket.socket()) as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    names = [thread.name for thread in threading.enumerate() if "serve_forever" in thread.name]
    assert names == []


async def test_address_in_use_is_one_error_that_names_the_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError) as info:
            async with open_metrics(str(port), "sync", None):
                pass
    assert str(info.value) == (
        f"Cannot serve metrics at 127.0.0.1:{port}: Address already in use. Set `metrics` to "
        "another port, or to the URL of a Pushgateway, which several runs on a machine can share."
    )


async def test_push_that_fails_is_a_notice() -> None:
    with collect_notices() as notices:
        async with open_metrics(f"http://127.0.0.1:{free_port()}", "sync", None):
            pass
        (line,) = notices.lines()
    assert line.startswith("Metrics cannot be pushed. Check `metrics` and the Pushgateway: http:")


async def test_flow_run_pushes_metrics(origin: Origin, tmp_path: Path) -> None:
    href = make_item(origin, "a", "b")
    origin.fault("/a.tif", Status(503), times=2)
    origin.remove("/b.tif")
    with push_gateway() as gateway:
        options = DownloadOptions(metrics=gateway.url, retry_wait=0.01, warn=True)
        result = await flows.download_item(href, str(tmp_path), options)
    text = gateway.pushed["/metrics/job/stac-asset/deployment/none/flow/download-item"]
    labels = 'deployment="none",flow="download-item"'
    for line in (
        f"stac_asset_received_bytes_total{{{labels}}} {result.bytes}.0",
        f'stac_asset_assets_total{{{labels},outcome="downloaded"}} 1.0',
        f'stac_asset_assets_total{{{labels},outcome="failed"}} 1.0',
        f'stac_asset_retries_total{{{labels},host="127.0.0.1",reason="http_503"}} 2.0',
        f'stac_asset_runs_total{{{labels},result="success"}} 1.0',
        f"stac_asset_queued_assets{{{labels}}} 0.0",
    ):
        assert line in text, text
    assert "stac_asset_newest_item_timestamp_seconds" in text
    assert "stac_asset_destination_free_bytes" in text
    assert ".tif" not in text


def test_newest_time_of_a_mirror_is_that_of_the_extents(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    assert newest_moment(storage) is None

    def write(path: str, document: Any) -> None:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(json.dumps(document))

    hrefs = ["./a/collection.json", "./b%20c/collection.json", "./broken/collection.json", "./x"]
    links: list[Any] = [{"rel": "child", "href": href} for href in hrefs]
    write("catalog.json", {"links": [*links, None, {"rel": "child"}]})
    for folder, end in (("a", "2026-01-01T00:00:00Z"), ("b c", "2026-02-01T00:00:00Z")):
        extent = {"temporal": {"interval": [["2020-01-01T00:00:00Z", end]]}}
        write(f"{folder}/collection.json", {"extent": extent})
    write("broken/collection.json", [])
    assert newest_moment(storage) == datetime(2026, 2, 1, tzinfo=UTC)


def test_each_metric_of_the_dashboard_exists() -> None:
    metrics, registry = run_metrics()
    one = transfer()
    metrics.begin(1)
    metrics.ended([Downloaded(one, one.candidates[0], 1, 1, 1.0, attempts=2)])
    metrics.newest(datetime(2026, 6, 1, tzinfo=UTC))
    metrics.free(1)
    metrics.checked({"missing": 1})
    metrics.finish(is_successful=True, is_complete=True)
    samples = [sample for family in registry.collect() for sample in family.samples]
    exported = {sample.name: set(sample.labels) for sample in samples}
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    queried = {name for query in queries for name in re.findall(r"stac_asset_\w+", query)}
    assert queried <= exported.keys()
    assert len(panels) == len({panel["id"] for panel in panels}) >= 10
    for query in queries:
        (name,) = re.findall(r"stac_asset_\w+", query)
        for labels in re.findall(r"by \(([^)]*)\)", query):
            assert set(labels.split(", ")) <= exported[name], query
    described = {
        family.name for family in registry.collect() if not family.name.endswith("_created")
    }
    page = metric_page()
    assert {name for name in described if f"`{name}" not in page} == set()


def test_runs_without_metrics_import_no_metrics_library() -> None:
    code = (
        "import sys, stac_asset, stac_asset.api.collections\n"
        "assert not {'prometheus_client', 'opentelemetry'} & set(sys.modules)\n"
        "from prefect_stac_asset.flows.monitoring import metrics_endpoint\n"
        "assert 'prefect_stac_asset.flows.monitoring.metrics' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
