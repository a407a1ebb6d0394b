"""What follows the commit of a launch: a ring at the scheduler's door, which may go unheard."""

from drover_api.deps import deps
from drover_api.http.unit import after_commit


def ring_scheduler(job_id: int) -> None:
    """Once the transaction is in the database, tell the scheduler about a job; its tick finds it anyway."""
    dependencies = deps()
    after_commit(lambda: dependencies.doorbell.job_waits(job_id))
