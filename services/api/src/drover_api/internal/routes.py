"""The internal API's routes: translation only."""

from drover_api.internal.executor_routes import blp as executors
from drover_api.internal.run_routes import blp as runs

BLUEPRINTS = (executors, runs)
