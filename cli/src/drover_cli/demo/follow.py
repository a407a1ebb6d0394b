"""Follows a job's log live, whatever attempt writes it."""

import time
from collections.abc import Callable

from drover_cli.api import ApiClient, Json

FINAL = frozenset({"successful", "failed", "canceled", "error"})
POLL_SECONDS = 0.25


def follow(
    api: ApiClient,
    job_id: int,
    write: Callable[[bytes], None],
    tell: Callable[[Json], None],
    *,
    colour: bool,
    pause: Callable[[float], None] = time.sleep,
) -> Json:
    """Write the log as it grows until the job is over and its log complete; returns the job.

    `tell` gets the job at every look. The log of a new attempt starts from its beginning.
    """
    run_id, offset = None, 0
    while True:
        job = api.get(f"/jobs/{job_id}")
        tell(job)
        if job["current_run_id"] != run_id:
            run_id, offset = job["current_run_id"], 0
        over = job["status"] in FINAL and (run_id is None or job["log_complete"])
        if run_id is not None:
            # read after the job: a log that was complete then is read to its end now
            block = api.log(run_id, offset, colour=colour)
            offset += len(block)
            if block:
                write(block)
        if over:
            return job
        pause(POLL_SECONDS)
