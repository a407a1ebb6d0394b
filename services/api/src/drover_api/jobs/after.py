"""What follows the commit of a launch or an end: a ring at the scheduler's door, which may go unheard."""

from drover_api.deps import deps
from drover_api.http.unit import after_commit


def ring_scheduler(job_id: int) -> None:
    """Once the transaction is in the database, tell the scheduler that a job waits, or has ended.

    Its tick finds out anyway.
    """
    rings = deps().rings
    after_commit(lambda: rings.job_waits(job_id))
