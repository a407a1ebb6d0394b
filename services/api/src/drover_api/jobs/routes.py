"""Routes of jobs and runs: translation only."""

from drover_api.jobs.job_routes import blp as jobs
from drover_api.jobs.launch_routes import blp as launches

BLUEPRINTS = (jobs, launches)
