"""Making the first attempts of jobs that wait, and the slices of those that have several."""

from dataclasses import replace

from drover_shared.db.attempts import WaitingRun, add_first_run
from drover_shared.db.models import Job
from drover_shared.db.slices import is_sliced, split
from drover_shared.db.transitions import job_move
from drover_shared.domain.states import JobStatus
from drover_shared.ids import IdSource
from sqlalchemy import Connection, Row, bindparam, select, text

from drover_scheduler.line import Candidate, next_in_line, room

# The first half of an advisory lock's key; the second is an id, or a hash of a name.
_TEMPLATE_LOCK = 0x64726F
_INVENTORY_LOCK = 0x647270
_POOL_LOCK = 0x647271

# Both are run for each job, so they are built once.
_HOLD = (
    select(Job.traceparent, is_sliced().label("sliced"))
    .where(Job.id == bindparam("of_job"), Job.status == JobStatus.PENDING, Job.cancel_requested.is_(False))
    .with_for_update(skip_locked=True)
)
_QUEUE = job_move(JobStatus.QUEUED, Job.id == bindparam("of_job"), current_run_id=bindparam("run_id"))
_LOCK_POOL = text("SELECT pg_advisory_xact_lock(:space, hashtext(:pool))")
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:space, CAST(:id % 2147483647 AS integer))")
_OF_TEMPLATE = text("""
    SELECT count(*) FROM jobs WHERE status IN ('queued', 'running') AND job_template_id = :id
        AND sliced_job_id IS NULL
""")
_OF_INVENTORY = text("""
    SELECT count(*) FROM jobs WHERE status IN ('queued', 'running') AND inventory_id = :id
        AND sliced_job_id IS NULL
""")


def fill_pool(connection: Connection, pool: str, new_id: IdSource) -> list[WaitingRun]:
    """Make first attempts of a pool's jobs, as many as may wait there, in the line's order.

    A job with slices takes no place: at its turn it is split, and its slices come in its stead.
    One scheduler at a time judges a pool, until its transaction ends. A job whose row somebody else holds
    is left for the next time.
    """
    connection.execute(_LOCK_POOL, {"space": _POOL_LOCK, "pool": pool})
    free = room(connection, pool)
    if free == 0:
        return []
    made: list[WaitingRun] = []
    while len(made) < free:
        for one in next_in_line(connection, pool, free - len(made)):
            held = _hold(connection, one)
            if held is None:
                continue
            if held.sliced:
                split(connection, one.job_id)
                break  # its slices are in the line now, and may be next
            made.append(_first_attempt(connection, one.job_id, pool, new_id, held.traceparent))
        else:
            break
    return made


def _hold(connection: Connection, candidate: Candidate) -> Row[str | None, bool] | None:
    """The job's row, locked; None where it is not its turn after all."""
    held = connection.execute(_HOLD, {"of_job": candidate.job_id}).one_or_none()
    return held if held is not None and _within_limits(connection, candidate) else None


def _first_attempt(
    connection: Connection, job_id: int, pool: str, new_id: IdSource, traceparent: str | None
) -> WaitingRun:
    run = add_first_run(connection, job_id, pool, new_id)
    if connection.execute(_QUEUE, {"of_job": job_id, "run_id": run.id}).rowcount != 1:
        raise RuntimeError(f"job {job_id} moved although its row is locked")
    return replace(run, traceparent=traceparent)


def _within_limits(connection: Connection, candidate: Candidate) -> bool:
    """Whether the limits leave a place, with what this transaction has made already.

    The locks end with the transaction: two schedulers, at two pools, never fill the last place of one limit
    both. Where one is taken nobody waits for it, so nothing deadlocks; the next tick looks again.
    """
    limits = (
        (candidate.template_limit, _TEMPLATE_LOCK, _OF_TEMPLATE, candidate.template),
        (candidate.inventory_limit, _INVENTORY_LOCK, _OF_INVENTORY, candidate.inventory),
    )
    for limit, space, count, of_id in limits:
        if limit == 0:
            continue
        if not connection.scalar(_TRY_LOCK, {"space": space, "id": of_id}):
            return False
        if (connection.scalar(count, {"id": of_id}) or 0) >= limit:
            return False
    return True
