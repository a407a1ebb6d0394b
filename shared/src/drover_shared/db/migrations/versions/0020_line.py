"""The scheduler's two questions as functions, whose plans each session keeps: planning took longer than asking.

Their plans are for any pool, and go by indexes however few rows there are when they are made: a line of jobs
grows faster than statistics, and a plan that was made for an empty one would read all of it.
"""

from alembic import op

revision = "0020_line"
down_revision = "0019_slices"
branch_labels = None
depends_on = None

_PLANS = "SET plan_cache_mode = force_generic_plan SET enable_seqscan = off"

# How many more attempts may wait in a pool: one for each slot of its living executors, and some to spare.
_ROOM = """
    CREATE OR REPLACE FUNCTION room_in_pool(of_pool text, spare integer, alive_seconds double precision)
    RETURNS bigint LANGUAGE plpgsql STABLE {plans} AS $$
    #variable_conflict use_variable
    BEGIN
        RETURN (
        SELECT greatest(0, allowed - (
            SELECT count(*) FROM (
                SELECT FROM job_runs WHERE state = 'pending' AND pool = of_pool
                AND (available_at IS NULL OR available_at <= now()) AND NOT awaits_hosts
                AND NOT awaits_lease LIMIT allowed
            ) AS waiting
        ))
        FROM (
            SELECT CASE WHEN EXISTS (SELECT FROM executor_pools WHERE name = of_pool AND draining)
                          OR NOT EXISTS (SELECT FROM jobs
                                         WHERE status = 'pending' AND NOT cancel_requested
                                           AND waits_for_job_id IS NULL AND executor_pool = of_pool)
                        THEN 0 ELSE coalesce(sum(slots), 0) + spare END AS allowed
            FROM executors
            WHERE pools @> ARRAY[of_pool] AND NOT draining
              AND last_seen_at > now() - make_interval(secs => alive_seconds)
        ) AS pool
        );
    END $$
"""

# A lane's key in the order of `ix_jobs_lanes`, and its head, which comes first in it there. Limits: one at a
# time unless the template allows more, then as many as it says; and as many as the inventory says; 0 is no
# limit. So many jobs as are wanted come from no more lanes, those with the best heads: only these are looked
# into further. Slices have lanes of their own, without a limit: the job they are of holds its place, and none
# of the pool's. They are as old as it is.
_NEXT = """
    CREATE OR REPLACE FUNCTION next_in_line(of_pool text, at_once integer)
    RETURNS TABLE (
        job_id bigint, template bigint, template_limit integer, inventory bigint, inventory_limit integer
    )
    LANGUAGE plpgsql STABLE ROWS 10 {plans} AS $$
    #variable_conflict use_column
    BEGIN
        RETURN QUERY
        WITH RECURSIVE lanes AS (
            (SELECT organization_id, coalesce(job_template_id, 0) AS template,
                    sliced_job_id IS NOT NULL AS slices, allow_simultaneous, inventory_id,
                    priority, id, coalesce(sliced_job_id, id) AS age
             FROM jobs
             WHERE status = 'pending' AND NOT cancel_requested AND waits_for_job_id IS NULL
               AND executor_pool = of_pool
             ORDER BY executor_pool, organization_id, coalesce(job_template_id, 0), sliced_job_id IS NOT NULL,
                      allow_simultaneous, inventory_id, priority DESC, id
             LIMIT 1)
            UNION ALL
            SELECT following.* FROM lanes CROSS JOIN LATERAL (
                SELECT organization_id, coalesce(job_template_id, 0), sliced_job_id IS NOT NULL,
                       allow_simultaneous, inventory_id, priority, id, coalesce(sliced_job_id, id)
                FROM jobs
                WHERE status = 'pending' AND NOT cancel_requested AND waits_for_job_id IS NULL
                  AND executor_pool = of_pool
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
                CASE WHEN template_limit = 0 THEN at_once ELSE template_limit - (
                    SELECT count(*) FROM jobs
                    WHERE status IN ('queued', 'running') AND job_template_id = limited.template
                      AND sliced_job_id IS NULL) END,
                CASE WHEN inventory_limit = 0 THEN at_once ELSE inventory_limit - (
                    SELECT count(*) FROM jobs
                    WHERE status IN ('queued', 'running') AND inventory_id = limited.inventory_id
                      AND sliced_job_id IS NULL) END,
                at_once
            ) AS room
            FROM limited
        ), at_work AS (
            SELECT organization_id, count(*) AS jobs FROM jobs
            WHERE status IN ('queued', 'running') AND executor_pool = of_pool
              AND (slice_count = 1 OR slice_number IS NOT NULL OR current_run_id IS NOT NULL)
            GROUP BY organization_id
        ), best AS (
            SELECT roomy.*, coalesce(at_work.jobs, 0) AS at_work
            FROM roomy LEFT JOIN at_work USING (organization_id)
            WHERE room > 0
            ORDER BY coalesce(at_work.jobs, 0)
                       + row_number() OVER (PARTITION BY organization_id ORDER BY priority DESC, age, id),
                     priority DESC, age, id
            LIMIT at_once
        )
        SELECT head.id, template, template_limit, inventory_id, inventory_limit
        FROM best CROSS JOIN LATERAL (
            SELECT id, priority, coalesce(sliced_job_id, id) AS age FROM jobs
            WHERE status = 'pending' AND NOT cancel_requested AND waits_for_job_id IS NULL
              AND executor_pool = of_pool AND organization_id = best.organization_id
              AND coalesce(job_template_id, 0) = best.template
              AND (sliced_job_id IS NOT NULL) = best.slices
              AND allow_simultaneous = best.allow_simultaneous AND inventory_id = best.inventory_id
            ORDER BY priority DESC, id LIMIT best.room
        ) AS head
        ORDER BY at_work + row_number() OVER (
                     PARTITION BY organization_id ORDER BY head.priority DESC, head.age, head.id
                 ),
                 head.priority DESC, head.age, head.id
        LIMIT at_once;
    END $$
"""


def upgrade() -> None:
    op.execute(_ROOM.format(plans=_PLANS))
    op.execute(_NEXT.format(plans=_PLANS))
