"""A tracer that keeps the finished spans."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

_exporter = InMemorySpanExporter()


@contextmanager
def recorded_spans() -> Iterator[InMemorySpanExporter]:
    """Configure a tracer for this process, until the context ends.

    OpenTelemetry refuses to replace a tracer, so the reference of the API is set.
    """
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(_exporter))
    before = trace._TRACER_PROVIDER
    _exporter.clear()
    trace._TRACER_PROVIDER = provider
    try:
        yield _exporter
    finally:
        trace._TRACER_PROVIDER = before


def by_name(exporter: InMemorySpanExporter) -> dict[str, list[ReadableSpan]]:
    """Return the finished spans of this package by name."""
    spans: dict[str, list[ReadableSpan]] = {}
    for span in exporter.get_finished_spans():
        scope = span.instrumentation_scope
        if scope is not None and scope.name == "stac_asset":
            spans.setdefault(span.name, []).append(span)
    return spans
