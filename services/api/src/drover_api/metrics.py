"""Every metric of this service."""

import time

from flask import Flask, Response, g, request
from prometheus_client import Histogram

REQUEST_SECONDS = Histogram(
    "drover_http_request_seconds",
    "From a request's arrival to the beginning of its answer",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
LAUNCH_TO_START_SECONDS = Histogram(
    "drover_launch_to_start_seconds",
    "From a job's launch to the beginning of its playbook, in its first attempt",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)
_LONG = frozenset({"next_run"})  # an executor's long poll says nothing of how fast this service is


def _begin() -> None:
    g.request_began = time.perf_counter()


def _finish(response: Response) -> Response:
    began = g.pop("request_began", None)
    if began is not None and (request.endpoint or "").rpartition(".")[2] not in _LONG:
        route = "none" if request.url_rule is None else request.url_rule.rule
        labels = (request.method, route, str(response.status_code))
        REQUEST_SECONDS.labels(*labels).observe(time.perf_counter() - began)
    return response


def register(app: Flask) -> None:
    """Measure every request of `app`."""
    app.before_request(_begin)
    app.after_request(_finish)
