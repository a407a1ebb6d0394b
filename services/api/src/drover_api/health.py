"""/livez, /readyz and /metrics on the API's own port."""

import os
from collections.abc import Callable

from drover_shared.db.engine import check_database
from drover_shared.health import run_checks
from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from drover_api.deps import Deps, deps

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own name for it
blp = Blueprint("health", __name__)


def checks(found: Deps) -> dict[str, Callable[[], object]]:
    """A check a dependency; each raises where it does not answer."""
    return {
        "database": lambda: check_database(found.engine),
        "queue": found.redis.ping,
        "object_store": found.objects.check,
    }


@blp.get("/livez")
def livez() -> tuple[Response, int]:
    """Of the process that happens to answer; each is watched by gunicorn's master, too."""
    ok, results = run_checks(deps().turning.checks())
    return jsonify(status="ok" if ok else "unavailable", checks=results), 200 if ok else 503


@blp.get("/readyz")
def readyz() -> tuple[Response, int]:
    ok, results = run_checks({name: _quiet(check) for name, check in checks(deps()).items()})
    return jsonify(status="ok" if ok else "unavailable", checks=results), 200 if ok else 503


def _quiet(check: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        check()

    return run


@blp.get("/metrics")
def metrics() -> Response:
    """Of every worker process, where `drover_api.__main__` made them share."""
    registry = REGISTRY
    if MULTIPROCESS in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
