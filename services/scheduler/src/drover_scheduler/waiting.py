"""Ringing again for runs that nobody claimed: the message may have been lost, or never sent."""

from collections.abc import Sequence
from datetime import timedelta

import redis
from drover_shared.db.attempts import WaitingRun, is_available
from drover_shared.db.models import JobRun
from drover_shared.domain.states import RunState
from sqlalchemy import Connection, func, or_, select, text, update

RING_AGAIN_SECONDS = 2.0
MESSAGES_ENOUGH = 100  # a queue with so many messages needs no more: each makes an executor look

_POOLS = text("""
    WITH RECURSIVE pools AS (
        (SELECT pool FROM job_runs WHERE state = 'pending' ORDER BY pool LIMIT 1)
        UNION ALL
        SELECT (SELECT pool FROM job_runs WHERE state = 'pending' AND pool > pools.pool ORDER BY pool LIMIT 1)
        FROM pools WHERE pools.pool IS NOT NULL
    )
    SELECT pool FROM pools WHERE pool IS NOT NULL
""")


def waiting_pools(connection: Connection) -> list[str]:
    """The pools with a run that waits."""
    return list(connection.scalars(_POOLS))


def messages_in(client: redis.Redis, pool: str) -> int:
    """How many messages wait in a pool's queue. Raises redis.RedisError."""
    length = client.llen(f"runs.{pool}")
    assert isinstance(length, int)  # noqa: S101 - the client is not the asynchronous one
    return length


def take_unheard(connection: Connection, pool: str, limit: int) -> Sequence[WaitingRun]:
    """The oldest runs of a pool that were last rung too long ago, marked as rung now."""
    overdue = func.now() - timedelta(seconds=RING_AGAIN_SECONDS)
    oldest = (
        select(JobRun.id)
        .where(
            JobRun.state == RunState.PENDING,
            JobRun.pool == pool,
            or_(JobRun.rung_at.is_(None), JobRun.rung_at < overdue),
            is_available(),
        )
        .order_by(JobRun.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("oldest")  # as a plain subquery it may be run more than once, and its limit would not hold
    )
    rows = connection.execute(
        update(JobRun)
        .where(JobRun.id.in_(select(oldest.c.id)), JobRun.state == RunState.PENDING)
        .values(rung_at=func.now())
        .returning(JobRun.id, JobRun.job_id)
    )
    return [WaitingRun(row.id, pool, row.job_id) for row in sorted(rows)]


def take_new(connection: Connection, job_ids: Sequence[int]) -> Sequence[WaitingRun]:
    """Runs of these jobs that may be claimed and that nobody has rung for yet, marked as rung now."""
    rows = connection.execute(
        update(JobRun)
        .where(
            JobRun.job_id.in_(job_ids),
            JobRun.state == RunState.PENDING,
            JobRun.rung_at.is_(None),
            is_available(),
        )
        .values(rung_at=func.now())
        .returning(JobRun.id, JobRun.pool, JobRun.job_id)
    )
    return [WaitingRun(row.id, row.pool, row.job_id) for row in rows]
