"""A job with several slices: the jobs it is split into, and how it follows them.

Lock order: the job before its slices. Whoever ends a slice holds that one alone, so following it is a
transaction of its own, that a doorbell or the scheduler's tick asks for.
"""

from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.orm import Session, aliased

from drover_shared.db.models import Job
from drover_shared.db.transitions import move_job
from drover_shared.domain.reasons import SENTENCES, Reason
from drover_shared.domain.slices import joined_status
from drover_shared.domain.states import FINAL_JOB_STATUSES, JobStatus

Executes = Connection | Session
# What a slice does not take over from its job.
_OWN = frozenset(
    {
        "id",
        "status",
        "waits_for_job_id",
        "created_at",
        "started_at",
        "finished_at",
        "cancel_requested",
        "cancel_requested_at",
        "current_run_id",
        "error_reason",
        "error_detail",
        "launch_type",
        "relaunch_of_id",
        "slice_number",
        "sliced_job_id",
        "artifacts",
    }
)
LAUNCH_TYPE = "slice"
_AT_WORK = (JobStatus.QUEUED, JobStatus.RUNNING)

# A key that several slices set is the last one's: `jsonb_object_agg` keeps the last of equal keys.
_ARTIFACTS = text("""
    SELECT coalesce(jsonb_object_agg(given.key, given.value ORDER BY jobs.slice_number), '{}')
    FROM jobs CROSS JOIN LATERAL jsonb_each(jobs.artifacts) AS given WHERE jobs.sliced_job_id = :job_id
""")


def is_sliced(job: Any = Job) -> ColumnElement[bool]:
    """Whether a job has slices instead of a run of its own, or will have them.

    A scheduler of an older release, which may still be there while another is rolled out, gives it a run:
    then it is a job like any other.
    """
    return and_(job.slice_count > 1, job.slice_number.is_(None), job.current_run_id.is_(None))


def split(db: Executes, job_id: int) -> None:
    """Make the slices of a pending job, whose row is locked, and move it on; all or nothing.

    Raises RuntimeError where the job moved all the same.
    """
    if not move_job(db, job_id, JobStatus.QUEUED, is_sliced()):
        raise RuntimeError(f"job {job_id} moved although its row is locked")
    taken = [column for column in Job.__table__.columns if column.name not in _OWN]
    numbers = func.generate_series(1, Job.slice_count).table_valued("number").render_derived("numbers")
    values = (
        select(*taken, literal(LAUNCH_TYPE), numbers.c.number, Job.id)
        .join(numbers, true())
        .where(Job.id == job_id)
        .order_by(numbers.c.number)
    )
    names = [*(column.name for column in taken), "launch_type", "slice_number", "sliced_job_id"]
    db.execute(insert(Job).from_select(names, values, include_defaults=False))


def follow(db: Executes, job_id: int) -> bool:
    """Move a job on as its slices have: it runs when the first does, ends when all have; True where it moved.

    Times are its slices' first and last. Where somebody else holds its row it is left for the next time.
    """
    held = db.execute(
        select(Job.status, Job.cancel_requested)
        .where(Job.id == job_id, is_sliced(), Job.status.in_(_AT_WORK))
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if held is None:
        return False
    of = db.execute(
        select(
            func.array_agg(Job.status.distinct()).label("statuses"),
            func.min(Job.started_at).label("started_at"),
            func.max(Job.finished_at).label("finished_at"),
        ).where(Job.sliced_job_id == job_id)
    ).one()
    moved = False
    if held.status == JobStatus.QUEUED and of.started_at is not None:
        moved = move_job(db, job_id, JobStatus.RUNNING, started_at=of.started_at)
    target = joined_status(of.statuses or (), held.cancel_requested)
    if target is None:
        return moved
    artifacts = db.execute(_ARTIFACTS, {"job_id": job_id}).scalar_one()
    told = {"finished_at": of.finished_at, "artifacts": artifacts, **_reason(db, job_id, target)}
    return move_job(db, job_id, target, **told)


def unfollowed(db: Executes, limit: int) -> list[int]:
    """Jobs that have not followed their slices yet."""
    return list(db.execute(_unfollowed(), {"at_most": limit}).scalars())


@cache
def _unfollowed() -> Select[int]:
    """Made once: each tick asks, and to build it holds up the other threads for longer than it runs."""
    one, live = aliased(Job), aliased(Job)
    begun = exists().where(one.sliced_job_id == Job.id, one.started_at.is_not(None))
    going_on = exists().where(live.sliced_job_id == Job.id, live.status.not_in(FINAL_JOB_STATUSES))
    behind = or_(and_(Job.status == JobStatus.QUEUED, begun), ~going_on)
    query = select(Job.id).where(is_sliced(), Job.status.in_(_AT_WORK), behind)
    return query.order_by(Job.id).limit(bindparam("at_most"))


def _reason(db: Executes, job_id: int, target: JobStatus) -> dict[str, str | None]:
    """What the first slice says that ended so."""
    if target == JobStatus.SUCCESSFUL:
        return {}
    first = db.execute(
        select(Job.id, Job.slice_number, Job.error_reason, Job.error_detail)
        .where(Job.sliced_job_id == job_id, Job.status == target)
        .order_by(Job.slice_number)
        .limit(1)
    ).one()
    if target == JobStatus.CANCELED:
        return {"error_reason": Reason.CANCELED, "error_detail": SENTENCES[Reason.CANCELED]}
    detail = f"Slice {first.slice_number} (job {first.id}): {first.error_detail or target}"
    return {"error_reason": first.error_reason, "error_detail": detail}
