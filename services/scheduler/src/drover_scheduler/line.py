"""Who is next in a pool: fair between organizations, then by priority, then by age.

Jobs wait in lanes: those of one organization, template and inventory, which the same limits bind. Only the
head of each lane is looked at, so a decision costs the same however long the lanes are.
"""

from dataclasses import dataclass

from drover_shared.db.models import Executor, ExecutorPool
from sqlalchemy import Connection, text

SPARE = 10  # attempts that may wait in a pool beyond one for each slot of its living executors
ALIVE_SECONDS = 30  # an executor that said nothing for longer is not counted on

_POOLS = text("""
    WITH RECURSIVE pools AS (
        (SELECT executor_pool FROM jobs
         WHERE status = 'pending' AND NOT cancel_requested AND waits_for_job_id IS NULL
         ORDER BY executor_pool LIMIT 1)
        UNION ALL
        SELECT (SELECT executor_pool FROM jobs
                WHERE status = 'pending' AND NOT cancel_requested AND waits_for_job_id IS NULL
                  AND executor_pool > pools.executor_pool
                ORDER BY executor_pool LIMIT 1)
        FROM pools WHERE pools.executor_pool IS NOT NULL
    )
    SELECT executor_pool FROM pools WHERE executor_pool IS NOT NULL
""")

_ROOM = text(f"""
    SELECT greatest(0, allowed - (
        SELECT count(*) FROM (
            SELECT FROM job_runs WHERE state = 'pending' AND pool = :pool
            AND (available_at IS NULL OR available_at <= now()) AND NOT awaits_hosts
            AND NOT awaits_lease LIMIT allowed
        ) AS waiting
    ))
    FROM (
        SELECT CASE WHEN EXISTS (SELECT FROM {ExecutorPool.__tablename__} WHERE name = :pool AND draining)
                      OR NOT EXISTS (SELECT FROM jobs
                                     WHERE status = 'pending' AND NOT cancel_requested
                                       AND waits_for_job_id IS NULL AND executor_pool = :pool)
                    THEN 0 ELSE coalesce(sum(slots), 0) + :spare END AS allowed
        FROM {Executor.__tablename__}
        WHERE pools @> ARRAY[:pool]::text[] AND NOT draining
          AND last_seen_at > now() - make_interval(secs => :alive)
    ) AS pool
""")  # noqa: S608 - the table's own name

# A lane's key in the order of `ix_jobs_lanes`, and its head, which comes first in it there. Limits: one at a
# time unless the template allows more, then as many as it says; and as many as the inventory says; 0 is no
# limit. So many jobs as are wanted come from no more lanes, those with the best heads: only these are looked
# into further. Slices have lanes of their own, without a limit: the job they are of holds its place, and none
# of the pool's. They are as old as it is.
_NEXT = text("""
    WITH RECURSIVE lanes AS (
        (SELECT organization_id, coalesce(job_template_id, 0) AS template,
                sliced_job_id IS NOT NULL AS slices, allow_simultaneous, inventory_id,
                priority, id, coalesce(sliced_job_id, id) AS age
         FROM jobs
         WHERE status = 'pending' AND NOT cancel_requested AND waits_for_job_id IS NULL
           AND executor_pool = :pool
         ORDER BY executor_pool, organization_id, coalesce(job_template_id, 0), sliced_job_id IS NOT NULL,
                  allow_simultaneous, inventory_id, priority DESC, id
         LIMIT 1)
        UNION ALL
        SELECT following.* FROM lanes CROSS JOIN LATERAL (
            SELECT organization_id, coalesce(job_template_id, 0), sliced_job_id IS NOT NULL,
                   allow_simultaneous, inventory_id, priority, id, coalesce(sliced_job_id, id)
            FROM jobs
            WHERE status = 'pending' AND NOT cancel_requested AND waits_for_job_id IS NULL
              AND executor_pool = :pool
              AND (organization_id, coalesce(job_template_id, 0), sliced_job_id IS NOT NULL,
                   allow_simultaneous, inventory_id)
                > (lanes.organization_id, lanes.template, lanes.slices,
                   lanes.allow_simultaneous, lanes.inventory_id)
            ORDER BY executor_pool, organization_id, coalesce(job_template_id, 0), sliced_job_id IS NOT NULL,
                     allow_simultaneous, inventory_id, priority DESC, id
            LIMIT 1
        ) AS following
    ), limited AS (
        SELECT lanes.*,
            CASE WHEN lanes.template = 0 OR lanes.slices THEN 0 WHEN NOT lanes.allow_simultaneous THEN 1
                 ELSE coalesce(job_templates.max_simultaneous, 0) END AS template_limit,
            CASE WHEN lanes.slices THEN 0
                 ELSE coalesce(inventories.max_simultaneous, 0) END AS inventory_limit
        FROM lanes
        LEFT JOIN job_templates ON job_templates.id = lanes.template
        LEFT JOIN inventories ON inventories.id = lanes.inventory_id
    ), roomy AS (
        SELECT limited.*, least(
            CASE WHEN template_limit = 0 THEN :at_once ELSE template_limit - (
                SELECT count(*) FROM jobs
                WHERE status IN ('queued', 'running') AND job_template_id = limited.template
                  AND sliced_job_id IS NULL) END,
            CASE WHEN inventory_limit = 0 THEN :at_once ELSE inventory_limit - (
                SELECT count(*) FROM jobs
                WHERE status IN ('queued', 'running') AND inventory_id = limited.inventory_id
                  AND sliced_job_id IS NULL) END,
            :at_once
        ) AS room
        FROM limited
    ), at_work AS (
        SELECT organization_id, count(*) AS jobs FROM jobs
        WHERE status IN ('queued', 'running') AND executor_pool = :pool
          AND (slice_count = 1 OR slice_number IS NOT NULL OR current_run_id IS NOT NULL)
        GROUP BY organization_id
    ), best AS (
        SELECT roomy.*, coalesce(at_work.jobs, 0) AS at_work
        FROM roomy LEFT JOIN at_work USING (organization_id)
        WHERE room > 0
        ORDER BY coalesce(at_work.jobs, 0)
                   + row_number() OVER (PARTITION BY organization_id ORDER BY priority DESC, age, id),
                 priority DESC, age, id
        LIMIT :at_once
    )
    SELECT head.id, template, template_limit, inventory_id, inventory_limit
    FROM best CROSS JOIN LATERAL (
        SELECT id, priority, coalesce(sliced_job_id, id) AS age FROM jobs
        WHERE status = 'pending' AND NOT cancel_requested AND waits_for_job_id IS NULL
          AND executor_pool = :pool AND organization_id = best.organization_id
          AND coalesce(job_template_id, 0) = best.template
          AND (sliced_job_id IS NOT NULL) = best.slices
          AND allow_simultaneous = best.allow_simultaneous AND inventory_id = best.inventory_id
        ORDER BY priority DESC, id LIMIT best.room
    ) AS head
    ORDER BY at_work + row_number() OVER (
                 PARTITION BY organization_id ORDER BY head.priority DESC, head.age, head.id
             ),
             head.priority DESC, head.age, head.id
    LIMIT :at_once
""")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that may start as far as the line knows; a limit of 0 is none."""

    job_id: int
    template: int
    template_limit: int
    inventory: int
    inventory_limit: int


def waiting_pools(connection: Connection) -> list[str]:
    """The pools with a job that has no attempt yet."""
    return list(connection.scalars(_POOLS))


def room(connection: Connection, pool: str) -> int:
    """How many more attempts may wait in a pool; 0 where no job wants one.

    Few wait at once: the line is fair only as long as it is not yet turned into attempts.
    """
    found = connection.scalar(_ROOM, {"pool": pool, "spare": SPARE, "alive": ALIVE_SECONDS})
    return int(found or 0)


def next_in_line(connection: Connection, pool: str, at_once: int) -> list[Candidate]:
    """The next jobs of a pool: first of whoever has the fewest at work there, the most urgent first.

    Two lanes that share a limit may each offer a job for the same place: `attempts` looks again.
    """
    rows = connection.execute(_NEXT, {"pool": pool, "at_once": at_once})
    return [Candidate(*row) for row in rows]
