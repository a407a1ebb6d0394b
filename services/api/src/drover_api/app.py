"""The WSGI application: `create_app(deps)` connects nothing."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from drover_shared.queue import quick_client
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from drover_api import health, metrics, problems
from drover_api.access.authenticate import RATE_EXTENSION, THROTTLE_EXTENSION
from drover_api.access.rate import RateLimit
from drover_api.access.throttle import LoginThrottle
from drover_api.deps import EXTENSION, Deps
from drover_api.http import cors, docs, headers, limits, tracing
from drover_api.http.blueprint import MAX_PATH_ID, PREFIX, IdConverter
from drover_api.http.unit import UnitOfWorkFlask, close_session
from drover_api.version import VERSION

# Every module of routes; each has a blueprint `blp`, or several in `BLUEPRINTS`.
ROUTES: tuple[str, ...] = (
    "drover_api.resources.organizations.routes",
    "drover_api.resources.users.routes",
    "drover_api.resources.tokens.routes",
    "drover_api.resources.sessions.routes",
    "drover_api.resources.teams.routes",
    "drover_api.resources.role_assignments.routes",
    "drover_api.resources.credential_types.routes",
    "drover_api.resources.credentials.routes",
    "drover_api.resources.execution_environments.routes",
    "drover_api.resources.projects.routes",
    "drover_api.resources.inventories.routes",
    "drover_api.resources.job_templates.routes",
    "drover_api.resources.executors.routes",
    "drover_api.resources.activity.routes",
    "drover_api.jobs.routes",
    "drover_api.output.routes",
    "drover_api.internal.routes",
)


def _blueprints(module_name: str) -> Iterable[Any]:
    module = import_module(module_name)
    return getattr(module, "BLUEPRINTS", None) or (module.blp,)


def create_app(deps: Deps) -> Flask:
    """The application over `deps`; many may live in one process."""
    app = UnitOfWorkFlask("drover_api", static_folder=None)
    app.config.update(
        API_TITLE="Drover API",
        API_VERSION=VERSION,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX=PREFIX,
        OPENAPI_JSON_PATH="openapi.json",
        API_SPEC_OPTIONS=docs.SPEC_OPTIONS,
        PROPAGATE_EXCEPTIONS=False,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it
    bind(app, deps)
    app.url_map.converters["id"] = IdConverter
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # a redirect would be a page of HTML
    app.teardown_appcontext(close_session)
    metrics.register(app)
    headers.register(app)
    tracing.register(app)
    limits.register(app)
    cors.register(app, deps.settings.cors_origins)
    problems.register(app)
    app.register_blueprint(health.blp)
    app.register_blueprint(docs.blp)
    _register_routes(app)
    proxies = deps.settings.trusted_proxies
    if proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies)  # type: ignore[method-assign]
    return app


def bind(app: Flask, deps: Deps) -> None:
    """Serve requests with `deps` from now on; origins and proxies stay those that `app` was made with."""
    for made in [name for name in app.extensions if name.startswith(EXTENSION)]:  # from those before
        del app.extensions[made]
    app.extensions[EXTENSION] = deps
    app.extensions[THROTTLE_EXTENSION] = LoginThrottle(deps.clock, quick_client(deps.settings.redis_url))
    app.extensions[RATE_EXTENSION] = RateLimit(deps.clock, deps.settings.requests_per_second)


def _register_routes(app: Flask) -> None:
    api = problems.ProblemApi(app)
    api.register_converter(
        IdConverter,
        lambda _converter: {"type": "integer", "minimum": 1, "maximum": MAX_PATH_ID},
    )
    docs.register_fields(api)
    for module_name in ROUTES:
        for blueprint in _blueprints(module_name):
            api.register_blueprint(blueprint)
