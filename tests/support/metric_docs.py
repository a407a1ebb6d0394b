"""The table of docs/operations/metrics.md, made from what the services register.

`python -m support.metric_docs` (in tests/) writes it there; a test holds the page to it.
"""

from importlib import import_module
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations" / "metrics.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->"
# Where metrics are made, and who serves them.
MODULES = {
    "drover_api.metrics": "api",
    "drover_api.live.metrics": "api",
    "drover_scheduler.metrics": "scheduler",
    "drover_shared.streams.metrics": "event-ingest, log-store, scheduler",
    "drover_event_ingest.metrics": "event-ingest",
    "drover_log_store.metrics": "log-store",
    "drover_shared.object_metrics": "api, log-store",
    "drover_executor.metrics": "executor",
}
_SUFFIXES: dict[type[MetricWrapperBase], tuple[str, ...]] = {
    Counter: ("_total",),
    Gauge: ("",),
    Histogram: ("_bucket", "_count", "_sum"),
}


def metrics() -> list[tuple[str, MetricWrapperBase]]:
    """(who serves it, metric), in the modules' order."""
    return [
        (service, value)
        for module, service in MODULES.items()
        for value in vars(import_module(module)).values()
        if isinstance(value, MetricWrapperBase)
    ]


def labels() -> dict[str, set[str]]:
    """The labels of each name that Prometheus has; a bucket's bound is one."""
    return {
        metric._name + suffix: {*metric._labelnames, *(["le"] if suffix == "_bucket" else [])}
        for _, metric in metrics()
        for suffix in _SUFFIXES[type(metric)]
    }


def series() -> set[str]:
    """The names as Prometheus has them."""
    return set(labels())


def table() -> str:
    """Markdown, one line a metric."""
    rows = ["| Name | Kind, labels | Meaning | Served by |", "|---|---|---|---|"]
    for service, metric in metrics():
        name = metric._name + ("_total" if isinstance(metric, Counter) else "")
        kind = ", ".join([str(metric._type), *(f"`{label}`" for label in metric._labelnames)])
        rows.append(f"| `{name}` | {kind} | {metric._documentation} | {service} |")
    return "\n".join(rows) + "\n"


def written() -> str:
    """The table that stands in the page."""
    return PAGE.read_text().partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + table() + END + rest.partition(END)[2])
