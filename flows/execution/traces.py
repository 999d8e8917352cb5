"""Internal: OpenTelemetry spans of runs, batches, assets and requests.

`open_traces` returns None if no tracer is configured, and downloads then run without any span code.
Attributes and errors contain no query of an href and no secret. Tracebacks are not recorded,
because the texts of causes can contain hrefs.

Source of the attribute names: https://opentelemetry.io/docs/specs/semconv/
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from prefect.context import TaskRunContext
from prefect.runtime import deployment, flow_run
from yarl import URL

from stac_asset.redact import redact_href, redact_text
from stac_asset.transfer.interface import Request, Response, Source, Sources
from stac_asset.types import Failed, Outcome, Skipped, Transfer

_MAX_TEXT = 500
"""Maximum length of an attribute, in characters."""


_run_with_span: ContextVar[tuple[str | None] | None] = ContextVar("run_with_span", default=None)
"""The id of the flow run that has a span in this context. The id outside of flow runs is None."""


def open_traces() -> Traces | None:
    """Return the spans of a run, if the process has a configured tracer."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        return None
    return Traces(provider.get_tracer("stac_asset"))


def run_span(traces: Traces | None) -> AbstractContextManager[None]:
    """Return the span of the current flow run, unless the run has its span already.

    A task with a session of its own is part of the run.

    Args:
        traces: The spans of the run, if a tracer is configured.
    """
    if traces is None or TaskRunContext.get() is not None or _run_with_span.get() == (flow_run.id,):
        return nullcontext()
    return traces.run()


class Traces:
    """Start spans with a tracer.

    Args:
        tracer: The tracer.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @contextmanager
    def run(self) -> Iterator[None]:
        """Start the span of the current flow run."""
        attributes = {
            "stac_asset.flow": flow_run.flow_name,
            "stac_asset.deployment": deployment.name,
        }
        with self._span(f"run {flow_run.flow_name}", **attributes):
            token = _run_with_span.set((flow_run.id,))
            try:
                yield
            finally:
                _run_with_span.reset(token)

    @contextmanager
    def batch(self, assets: int) -> Iterator[None]:
        """Start the span of a batch.

        Args:
            assets: The number of assets.
        """
        with self._span("batch", **{"stac_asset.assets": assets}):
            yield

    @contextmanager
    def asset(self, transfer: Transfer) -> Iterator[AssetSpan]:
        """Start the span of an asset.

        Args:
            transfer: The planned download.
        """
        attributes = {"stac_asset.owner": transfer.owner, "stac_asset.asset": transfer.key}
        with self._span("asset", **attributes) as span:
            yield AssetSpan(span)

    def sources(self, clients: Sources) -> Sources:
        """Return clients that start a span for each request for a file or byte range.

        Args:
            clients: The clients of the run.
        """
        return _TracedSources(clients, self._tracer)

    @contextmanager
    def _span(self, name: str, **attributes: Any) -> Iterator[Span]:
        attributes["stac_asset.flow_run_id"] = flow_run.id
        started = self._tracer.start_as_current_span(
            name,
            attributes=_shown(attributes),
            record_exception=False,
            set_status_on_exception=False,
        )
        with started as span:
            try:
                yield span
            except Exception as error:
                _fail(span, error)
                raise
            except asyncio.CancelledError:
                span.set_attribute("stac_asset.cancelled", True)
                raise


class AssetSpan:
    """The span of an asset.

    Args:
        span: The span.
    """

    def __init__(self, span: Span) -> None:
        self._span = span

    def end(self, outcome: Outcome) -> None:
        """Record the outcome.

        Args:
            outcome: The outcome of the asset.
        """
        span = self._span
        span.set_attribute("stac_asset.outcome", outcome.state)
        if not isinstance(outcome, Skipped):
            span.set_attribute("stac_asset.attempts", outcome.attempts)
            span.set_attribute("stac_asset.received_bytes", outcome.received)
        if isinstance(outcome, Failed):
            _fail(span, outcome.error)
        else:
            span.set_attribute("stac_asset.bytes", outcome.size)


class _TracedSources:
    def __init__(self, clients: Sources, tracer: Tracer) -> None:
        self._clients = clients
        self._tracer = tracer

    async def client_of(self, url: URL) -> Source:
        """Return the client that claims a URL, with spans."""
        traced: Any = _TracedSource(await self._clients.client_of(url), self._tracer)
        source: Source = traced
        return source


class _TracedSource:
    """A client with a span for each request. All other attributes are those of the client."""

    def __init__(self, client: Source, tracer: Tracer) -> None:
        self._client = client
        self._tracer = tracer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    @asynccontextmanager
    async def fetch(self, request: Request) -> AsyncIterator[Response]:
        """Open a file at the requested offset, in a span that ends with the response."""
        span = self._tracer.start_span(
            "request",
            kind=SpanKind.CLIENT,
            attributes=_shown(
                {
                    "server.address": request.url.host,
                    "url.full": redact_href(str(request.url)),
                    "stac_asset.client": self._client.name,
                    "stac_asset.offset": request.offset,
                }
            ),
        )
        try:
            async with self._client.fetch(request) as response:
                if response.size is not None:
                    span.set_attribute("stac_asset.bytes", response.size)
                yield response
        except Exception as error:
            _fail(span, error)
            raise
        finally:
            span.end()


def _fail(span: Span, error: Exception) -> None:
    text = redact_text(str(error))[:_MAX_TEXT]
    span.set_attribute("error.type", type(error).__name__)
    span.set_status(Status(StatusCode.ERROR, text))


def _shown(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes with a value, with texts of limited length and without secrets."""
    return {
        name: redact_text(value)[:_MAX_TEXT] if isinstance(value, str) else value
        for name, value in attributes.items()
        if value is not None
    }
