"""`python -m drover_scheduler requeue [JOB …]`: what waits is looked at now, whatever it waited for."""
# ruff: noqa: T201 - what a command prints is its answer

import argparse
from collections.abc import Sequence

from drover_shared.db.engine import make_engine
from drover_shared.db.models import Job, JobRun
from drover_shared.domain.states import JobStatus, RunState
from drover_shared.queue import Doorbell
from drover_shared.settings import Environment
from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import distinct_on


def requeue(arguments: Sequence[str], env: Environment) -> int:
    """Ring for pending jobs, and for runs that nobody claimed: a pause before an attempt ends at once.

    One that waits for the lease of the attempt before it to end goes on waiting.

    The bell may go unheard: the scheduler's next look finds them all the same. 1 where nothing waits.
    """
    parser = argparse.ArgumentParser(prog="requeue", description="Ring again for what waits.")
    parser.add_argument("jobs", type=int, nargs="*", metavar="job", help="left out: every job that waits")
    chosen = parser.parse_args(arguments).jobs
    engine = make_engine(env.text("DROVER_DATABASE_URL"), pool_size=1, application="drover-requeue")
    bell = Doorbell(env.text("DROVER_REDIS_URL"))
    try:
        with engine.begin() as connection:
            runs = _unpause(connection, chosen)
            jobs = _pending(connection, chosen)
        heard = [bell.run_waits(run.id, run.pool) for run in runs] + [bell.job_waits(job) for job in jobs]
    finally:
        bell.close()
        engine.dispose()
    print(f"{len(jobs)} pending jobs and {len(runs)} waiting runs, {sum(heard)} rings heard")
    return 0 if runs or jobs else 1


def _unpause(connection: Connection, jobs: Sequence[int]) -> Sequence[JobRun]:
    waiting = update(JobRun).where(
        JobRun.state == RunState.PENDING, *([JobRun.job_id.in_(jobs)] if jobs else [])
    )
    changed = waiting.values(available_at=None, rung_at=None).returning(JobRun.id, JobRun.pool)
    rows: Sequence[JobRun] = connection.execute(changed).all()  # type: ignore[assignment]  # rows alike
    return rows


def _pending(connection: Connection, jobs: Sequence[int]) -> Sequence[int]:
    """One of each pool is enough: the scheduler fills the pool then. Those named are all rung for."""
    pending = select(Job.id).where(Job.status == JobStatus.PENDING, Job.cancel_requested.is_(False))
    if jobs:
        return connection.scalars(pending.where(Job.id.in_(jobs))).all()
    one_each = pending.ext(distinct_on(Job.executor_pool)).order_by(Job.executor_pool, Job.id)
    return connection.scalars(one_each).all()
