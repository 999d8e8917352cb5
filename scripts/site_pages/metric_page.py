"""The page of metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from prefect_stac_asset.flows.monitoring.metrics import Metrics
from scripts.site_pages.markdown import code, table, text_cell

_INTRODUCTION = """# Metrics

The metrics of flow runs for Prometheus, which the option `metrics` serves or pushes. The page
[Monitor](../operations.md#metrics) describes the option.

"""


def metric_page() -> str:
    """Return the page."""
    metrics = [
        one
        for one in vars(Metrics(CollectorRegistry())).values()
        if isinstance(one, MetricWrapperBase)
    ]
    return _INTRODUCTION + table(
        ("metric", "type", "labels", "content"), [_row(metric) for metric in metrics]
    )


def _row(metric: MetricWrapperBase) -> tuple[str, ...]:
    (family,) = metric.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = ", ".join(code(label) for label in metric._labelnames)
    return code(name), family.type, labels, text_cell(family.documentation)
