"""Attempts that wait until it is known how each host ended in the one before: then they get their limit."""

from collections.abc import Sequence
from datetime import timedelta

from drover_shared.db.host_results import narrowed
from drover_shared.db.models import Job, JobRun, RunEventProgress
from drover_shared.domain.states import RunState
from sqlalchemy import ColumnElement, Engine, func, literal_column, or_, select, update
from sqlalchemy.orm import aliased

AT_ONCE = 100
# Output that is not stored by then holds up nothing: the attempt is for all hosts.
PATIENCE_SECONDS = 600.0

_before = aliased(JobRun)
_NOTHING: ColumnElement[object] = literal_column("'{}'::int8multirange")
_complete = func.coalesce(RunEventProgress.received, _NOTHING).op("@>", is_comparison=True)(
    func.int8range(1, _before.final_event_seq + 1)
)
_waited = JobRun.created_at < func.now() - timedelta(seconds=PATIENCE_SECONDS)
_READY = (
    select(
        JobRun.id,
        _before.id.label("ended"),
        JobRun.limit,
        Job.limit.label("job_limit"),
        Job.retry_hosts,
        func.coalesce(_complete, False).label("complete"),
    )
    .join(Job, Job.id == JobRun.job_id)
    .join(_before, (_before.job_id == JobRun.job_id) & (_before.attempt_number == JobRun.attempt_number - 1))
    .join(RunEventProgress, RunEventProgress.job_run_id == _before.id, isouter=True)
    .where(JobRun.state == RunState.PENDING, JobRun.awaits_hosts, or_(_complete, _waited))
    .limit(AT_ONCE)
)


def narrow(engine: Engine, job_ids: Sequence[int] | None = None) -> int:
    """Let attempts be claimed whose hosts are known, of some jobs or of all; returns how many."""
    query = _READY if job_ids is None else _READY.where(JobRun.job_id.in_(job_ids))
    with engine.begin() as connection:
        count = 0
        for row in connection.execute(query).all():
            limit = row.limit
            if row.complete:
                limit = narrowed(connection, row.ended, row.limit or row.job_limit, row.retry_hosts)
            known = None if limit == row.job_limit else limit
            statement = (
                update(JobRun)
                .where(JobRun.id == row.id, JobRun.state == RunState.PENDING, JobRun.awaits_hosts)
                .values(limit=known, awaits_hosts=False)
            )
            count += connection.execute(statement).rowcount
    return count
