"""Traces by OpenTelemetry, from a request to the last event that it led to. Off unless an endpoint is named.

A trace travels as W3C's `traceparent`: in the request, in the job's row (which outlives every message), in
the run's manifest, and in each entry on the streams. Without an endpoint nothing here costs more than a look.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from drover_shared.settings import Environment

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

Attributes = Mapping[str, str | int | bool]
ENDPOINT = "DROVER_TRACES_ENDPOINT"
HEADER = "traceparent"


class _State:
    """The process's one provider; None while traces are off."""

    provider: "TracerProvider | None" = None


def configure(service: str, env: Environment) -> None:
    """Send spans to where DROVER_TRACES_ENDPOINT says, if it does. Called once, by an entry point."""
    endpoint = env.text(ENDPOINT, "-")
    if endpoint == "-":
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - slow

    send_to(service, OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=5))


def send_to(service: str, exporter: "SpanExporter") -> None:
    """Make spans from now on, and export them in batches, off the threads that work."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": f"drover-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _State.provider = provider


def close() -> None:
    """Export what is left; traces are off then."""
    provider, _State.provider = _State.provider, None
    if provider is not None:
        provider.shutdown()


def current() -> str | None:
    """The `traceparent` of the span that this thread is in; None outside of any."""
    if _State.provider is None:
        return None
    from opentelemetry import trace  # noqa: PLC0415

    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


@contextmanager
def span(name: str, parent: str | None = None, attributes: Attributes | None = None) -> Iterator[Any]:
    """A span of this thread, below `parent` where it is given and can be read; yields it, None while off.

    An error that leaves the block marks it, by its kind alone: a message may quote what was handled.
    """
    if _State.provider is None:
        yield None
        return
    from opentelemetry import trace  # noqa: PLC0415

    tracer = _State.provider.get_tracer("drover")
    with tracer.start_as_current_span(
        name,
        _context(parent),
        attributes=dict(attributes or {}),
        record_exception=False,
        set_status_on_exception=False,
    ) as made:
        try:
            yield made
        except Exception as error:
            made.set_status(trace.Status(trace.StatusCode.ERROR, type(error).__name__))
            raise


def note(name: str, parent: str | None, started: float, attributes: Attributes | None = None) -> None:
    """A span that began at `started` (seconds since the epoch) and ends now; nothing without a parent."""
    if _State.provider is None or parent is None:
        return
    tracer = _State.provider.get_tracer("drover")
    made = tracer.start_span(
        name, _context(parent), attributes=dict(attributes or {}), start_time=int(started * 1e9)
    )
    made.end(int(time.time() * 1e9))


def _context(parent: str | None) -> Any:
    if parent is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    return TraceContextTextMapPropagator().extract({HEADER: parent})
